"""Judged by Apache Kafka itself: its console and perf tools over our broker, its dump tool over our files, and a data
directory that goes from the one to the other and back."""
import os
import pathlib
import re
import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from load import create
from peers import ApacheKafka, tool

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("java")]
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@pytest.fixture
def kafka(tmp_path):
    """Apache Kafka on a folder of its own, stopped when the case ends."""
    server = ApacheKafka(tmp_path / "data")
    yield server
    server.stop()


def watermarks(consumer, topic, partition, seconds=30):
    """(low, high); a broker whose port is open may still be on its way to lead."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        except KafkaException as e:
            if not e.args[0].retriable() and e.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > deadline:
                raise


def everything(bootstrap, topic):
    """(partition, offset, key, value) of each record."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ends = {p: watermarks(consumer, topic, p) for p in partitions}
    consumer.assign([TopicPartition(topic, p, low) for p, (low, _) in ends.items()])
    left, out = sum(high - low for low, high in ends.values()), []
    while len(out) < left:
        got = consumer.consume(1_000, timeout=15)
        assert got, f"{topic}: {len(out)} of {left}"
        out += [(m.partition(), m.offset(), m.key(), m.value()) for m in got]
    consumer.close()
    return sorted(out)


def fill(bootstrap, topic, n=2_000):
    """Every codec, with and without idempotence, over several segments."""
    create(bootstrap, topic, 2, **{"segment.bytes": "1048576"})
    for codec in CODECS:
        producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 10,
                             "enable.idempotence": codec in ("none", "lz4")})
        for i in range(n):
            producer.produce(topic, key=b"%d" % i, value=os.urandom(200) + b"v" * 200, headers=[("codec", codec.encode())])
            producer.poll(0)
        assert producer.flush(30) == 0


def commit(bootstrap, group, topic):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    got = []
    while len(got) < 100:
        got += consumer.consume(100 - len(got), timeout=15)
    consumer.commit(asynchronous=False)
    consumer.close()


def committed(bootstrap, group, topic):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    offsets = {t.partition: t.offset for t in consumer.committed([TopicPartition(topic, p) for p in range(2)], timeout=15)}
    consumer.close()
    return offsets


def test_console_producer_and_consumer(andiron):
    create(andiron.bootstrap, "lines")
    lines = [f"line {i}" for i in range(100)]
    tool("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", andiron.bootstrap, "--topic", "lines",
         stdin="\n".join(lines) + "\n")
    out = tool("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", andiron.bootstrap, "--topic", "lines",
               "--from-beginning", "--max-messages", "100", "--timeout-ms", "30000")
    assert out.splitlines() == lines


def test_perf_tools_300_000_records_there_and_back(andiron):
    create(andiron.bootstrap, "perf", 3)
    out = tool("org.apache.kafka.tools.ProducerPerformance", "--topic", "perf", "--num-records", "300000", "--record-size", "1024",
               "--throughput", "-1", "--producer-props", f"bootstrap.servers={andiron.bootstrap}", "acks=all")
    assert re.search(r"^300000 records sent, ", out, re.M), out
    out = tool("org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", andiron.bootstrap, "--topic", "perf",
               "--messages", "300000", "--timeout", "60000")
    assert any(field.strip() == "300000" for line in out.splitlines() for field in line.split(",")), out


def test_dump_log_finds_every_batch_valid(start):
    """After a clean stop: while a segment is written to, its indexes have room at their end, here as in Apache Kafka."""
    andiron = start()
    fill(andiron.bootstrap, "dumped")
    andiron.stop()
    logs = sorted(pathlib.Path(andiron.log_dir).glob("dumped-*/*.log"))
    assert len(logs) >= 4, "several segments were wanted"
    out = tool("org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--files", ",".join(map(str, logs)))
    batches = [line for line in out.splitlines() if line.startswith("baseOffset: ")]
    assert batches and all(" isvalid: true" in line for line in batches), out[:2000]
    assert {re.search(r"compresscodec: (\w+)", line)[1] for line in batches} == set(CODECS)
    assert sum(int(re.search(r" count: (\d+)", line)[1]) for line in batches) == 2_000 * len(CODECS)
    indexes = [str(p) for log in logs for p in log.parent.glob(log.stem + ".*index")]
    assert len(indexes) == 2 * len(logs)
    out = tool("org.apache.kafka.tools.DumpLogSegments", "--verify-index-only", "--files", ",".join(indexes))
    assert "Mismatches" not in out and "not found" not in out, out
    snapshots = sorted(map(str, pathlib.Path(andiron.log_dir).glob("dumped-*/*.snapshot")))
    assert snapshots
    out = tool("org.apache.kafka.tools.DumpLogSegments", "--files", ",".join(snapshots))
    assert "producerId: " in out, out


def test_a_folder_of_apache_kafka_opens_here_and_goes_back(kafka, start, tmp_path):
    """Every record, every committed offset; the original finds neither a stray partition nor anything to recover."""
    kafka.start()
    fill(kafka.bootstrap, "moved")
    commit(kafka.bootstrap, "movers", "moved")
    want, offsets = everything(kafka.bootstrap, "moved"), committed(kafka.bootstrap, "movers", "moved")
    assert len(want) == 2_000 * len(CODECS)
    kafka.stop()

    andiron = start(folder=tmp_path / "data")
    assert everything(andiron.bootstrap, "moved") == want
    assert committed(andiron.bootstrap, "movers", "moved") == offsets
    producer = Producer({"bootstrap.servers": andiron.bootstrap, "enable.idempotence": True})
    for i in range(500):
        producer.produce("moved", key=b"later %d" % i, value=b"from here")
    assert producer.flush(20) == 0
    fill(andiron.bootstrap, "made-here", 500)
    commit(andiron.bootstrap, "other-movers", "made-here")
    more, made = everything(andiron.bootstrap, "moved"), everything(andiron.bootstrap, "made-here")
    assert len(more) == len(want) + 500
    other = committed(andiron.bootstrap, "other-movers", "made-here")
    assert andiron.stop() < 5

    before = len(kafka.said())
    kafka.start()
    assert everything(kafka.bootstrap, "moved") == more
    assert everything(kafka.bootstrap, "made-here") == made
    assert committed(kafka.bootstrap, "movers", "moved") == offsets
    assert committed(kafka.bootstrap, "other-movers", "made-here") == other
    kafka.stop()
    log = kafka.said()[before:]
    # Its metadata log Apache Kafka recovers at every start; a clean partition it does not, and says so of each it must.
    complaints = [line for line in log.splitlines() if "__cluster_metadata-0" not in line and " = " not in line
                  and re.search(r"stray|Recovering unflushed|unclean shutdown|[Cc]orrupt|Rebuilding producer state", line)]
    assert "LogManager" in log, "the log of Apache Kafka says how its folder was opened"
    assert not complaints, "\n".join(complaints[:20])
    assert not list(pathlib.Path(kafka.log_dir).glob("*-stray"))
