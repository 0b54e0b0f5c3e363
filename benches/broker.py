"""One broker beside Apache Kafka 4.3, by Apache Kafka's own perf tools, in turns in one run: records of three sizes, latency
at two steady rates, memory, and how long a start takes that must recover a log after kill -9."""
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import measure
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from perf import Topic, consume, needs_kafka, produce

from peers import ApacheKafka
from server import Andiron, free_port

ROUNDS, RATE_ROUNDS = 5, 3
SIZES = {100: 2_000_000, 1024: 1_000_000, 10_240: 100_000}
RATES, SECONDS = (5_000, 20_000), 15
RECOVERED_BYTES, RECOVERED_SIZE = 5_000_000_000, 10_240
SAME = {"group.initial.rebalance.delay.ms": 0, "log.segment.bytes": 1 << 30}


def end_offset(server, topic, seconds=300):
    """Waits until the server answers for the topic's only partition; its end offset."""
    deadline = time.monotonic() + seconds
    while True:
        admin = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0})
        at = TopicPartition(topic, 0)
        try:
            return admin.list_offsets({at: OffsetSpec.latest()}, request_timeout=5)[at].result().offset
        except KafkaException:
            if time.monotonic() > deadline:
                raise


def recover(server):
    """Seconds from exec to an answer with every record after kill -9 on a log of 5 GB."""
    records = RECOVERED_BYTES // RECOVERED_SIZE
    with Topic(server, "recovered", partitions=1):
        produce(server, "recovered", records, RECOVERED_SIZE, acks="1")
        server.kill()
        began = time.monotonic()
        server.start()
        end = end_offset(server, "recovered")
        took = time.monotonic() - began
    # A kill takes nothing that was answered: the page cache is the system's.
    assert end == records, f"{end} of {records} records are there"
    return took


def turn(server, topic):
    """A topic for one server's turn, which begins when nothing that was written in another's still waits for the disk: an
    fdatasync would wait for that too."""
    os.sync()
    return Topic(server, topic)


def main():
    binary, folder = sys.argv[1], pathlib.Path(tempfile.mkdtemp(prefix="andiron-bench-"))
    needs_kafka("broker")
    overrides = [f"{name}={value}" for name, value in SAME.items()]
    # Apache Kafka's acks=all waits for no disk. Without fdatasync Andiron promises as little.
    unsynced = [*overrides, "andiron.fsync=false"]
    servers = {"Andiron": Andiron(binary, folder / "andiron", kafka_port=free_port(), overrides=overrides).start(),
               "andiron.fsync=false": Andiron(binary, folder / "unsynced", kafka_port=free_port(), overrides=unsynced).start(),
               "Apache Kafka 4.3.1": ApacheKafka(folder / "kafka", overrides=SAME).start()}
    rows = []

    def row(name, figures, form):
        rows.append((name, *(form.format(figures[server]) for server in servers)))
        print("  " + ": ".join([name, ", ".join(rows[-1][1:])]), flush=True)

    try:
        for size, records in SIZES.items():
            rounds = {name: [] for name in servers}
            for n in range(ROUNDS + 1):
                for name, server in servers.items():
                    with turn(server, f"size-{size}-{n}") as topic:
                        figures = *produce(server, topic, records, size), *consume(server, topic, records)
                    if n:
                        rounds[name].append(figures)
            best = {name: [statistics.median(column) for column in zip(*figures)] for name, figures in rounds.items()}
            for at, what, form in [(0, "produced, records/s", "{:,.0f}"), (2, "broker CPU per produced record, us", "{:.2f}"),
                                   (3, "consumed, records/s", "{:,.0f}"), (4, "broker CPU per consumed record, us", "{:.2f}")]:
                row(f"{size} B: {what}", {name: figures[at] for name, figures in best.items()}, form)
        for rate in RATES:
            p99 = {name: [] for name in servers}
            for n in range(RATE_ROUNDS):
                for name, server in servers.items():
                    with turn(server, f"rate-{rate}-{n}") as topic:
                        p99[name].append(produce(server, topic, rate * SECONDS, 1024, throughput=rate)[1])
            median = {name: statistics.median(turns) for name, turns in p99.items()}
            row(f"p99 at {rate:,} records/s of 1 KiB, ms", median, "{:.0f}")
        row("peak resident, MB", {n: measure.memory_mb(s.process.pid, "VmHWM") for n, s in servers.items()}, "{:.0f}")
        row("recovery of 5 GB after kill -9, s", {name: recover(server) for name, server in servers.items()}, "{:.1f}")
    finally:
        for server in servers.values():
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    measure.table(f"bench broker: acks=all, three partitions, median of {ROUNDS} rounds in turns after a warm-up, p99s of {RATE_ROUNDS}", list(servers), rows)


main()
