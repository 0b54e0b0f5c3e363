"""Apache Kafka's own producer-perf-test and consumer-perf-test, 1 KiB random payload, acks=all, against Andiron and
Apache Kafka 4.3 in turns in one run."""
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import measure
from perf import Topic, consume, needs_kafka, produce

from peers import ApacheKafka
from server import Andiron

ROUNDS, RECORDS, SIZE = 3, 1_000_000, 1024
# Apache Kafka is started with this too: a consumer's rate counts the time that its group takes to gather.
SAME = ["group.initial.rebalance.delay.ms=0"]


def one_round(server, topic):
    """(records/s, p99 ms, broker CPU us per produced record, records/s read, CPU us per consumed record)"""
    with Topic(server, topic):
        return *produce(server, topic, RECORDS, SIZE), *consume(server, topic, RECORDS)


def main():
    binary, folder = sys.argv[1], pathlib.Path(tempfile.mkdtemp(prefix="andiron-bench-"))
    needs_kafka("produce")
    servers = {"Andiron": Andiron(binary, folder / "andiron", overrides=SAME).start(), "Apache Kafka 4.3.1": ApacheKafka(folder / "kafka").start()}
    rounds = {name: [] for name in servers}
    try:
        for n in range(ROUNDS + 1):
            for name, server in servers.items():
                figures = one_round(server, f"bench-{n}")
                print(f"  {'warm-up' if n == 0 else f'round {n}'}: {name}: {figures[0]:,.0f} records/s, p99 {figures[1]:.0f} ms, "
                      f"{figures[2]:.2f} us; read {figures[3]:,.0f}/s, {figures[4]:.2f} us", flush=True)
                if n:
                    rounds[name].append(figures)
        peaks = {name: measure.memory_mb(server.process.pid, "VmHWM") for name, server in servers.items()}
    finally:
        for server in servers.values():
            server.stop()
    said = re.findall(r"fdatasync: (\d+) records in (\d+) syncs", servers["Andiron"].said())
    per_sync = f"{int(said[-1][0]) / max(1, int(said[-1][1])):,.0f}" if said else "-"
    medians = {name: [statistics.median(column) for column in zip(*figures)] for name, figures in rounds.items()}
    measure.table(f"bench produce: {RECORDS:,} records of {SIZE} B, acks=all, median of {ROUNDS} rounds in turns", list(servers), [
        ("produced, records/s", *(f"{m[0]:,.0f}" for m in medians.values())),
        ("produce p99, ms", *(f"{m[1]:.0f}" for m in medians.values())),
        ("broker CPU per produced record, us", *(f"{m[2]:.2f}" for m in medians.values())),
        ("consumed, records/s", *(f"{m[3]:,.0f}" for m in medians.values())),
        ("broker CPU per consumed record, us", *(f"{m[4]:.2f}" for m in medians.values())),
        ("peak resident, MB", *(f"{peak:.0f}" for peak in peaks.values())),
        ("records per fdatasync", per_sync, "no fdatasync")])
    subprocess.run(["rm", "-rf", str(folder)], check=False)


main()
