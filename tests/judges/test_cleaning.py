"""Compaction and retention as others see them: consumers before and after, Apache Kafka's dump tool over cleaned segments, Apache
Kafka on a folder that was compacted here and the other way round."""
import os
import pathlib
import re
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from load import CODECS, COMPACTED, QUICK_CLEANER, create, eventually, fill_table, push_out
from peers import ApacheKafka, tool

pytestmark = pytest.mark.kafka


@pytest.fixture
def quick(start):
    """Andiron with a cleaner that does not wait long."""
    return start(overrides=[f"{k}={v}" for k, v in QUICK_CLEANER.items()])


@pytest.fixture
def kafka(java, tmp_path):
    """Apache Kafka on a folder of its own, with as quick a cleaner."""
    server = ApacheKafka(tmp_path / "data", overrides=QUICK_CLEANER)
    yield server
    server.stop()


def alter(bootstrap, topic, **config):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    entries = [ConfigEntry(k, v, incremental_operation=AlterConfigOpType.SET) for k, v in config.items()]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    for done in admin.incremental_alter_configs([resource]).values():
        done.result()


def watermarks(bootstrap, topic):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "w"})
    try:
        return consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=15)
    finally:
        consumer.close()


def read(bootstrap, topic, isolation="read_committed"):
    """(offset, key, value) of all there is, up to the end of the partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "r", "enable.auto.commit": False,
                         "enable.partition.eof": True, "isolation.level": isolation, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    out, deadline = [], time.monotonic() + 60
    while time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            consumer.close()
            return out
        out.append((message.offset(), message.key(), message.value()))
    raise AssertionError(f"{topic} has no end: {len(out)} records")


def is_clean(records):
    """No key twice but those that were still in the active segment."""
    keys = [key for _, key, _ in records if not key.startswith(b"filler")]
    return len(keys) == len(set(keys))


def table_of(records):
    return {key: value for _, key, value in records if not key.startswith(b"filler")}


def dump(folder, *more):
    logs = sorted(map(str, pathlib.Path(folder).glob("*.log")))
    return tool("org.apache.kafka.tools.DumpLogSegments", *more, "--files", ",".join(logs))


def test_a_reader_of_a_compacted_topic_sees_the_last_value_of_each_key(quick):
    create(quick.bootstrap, "users", **COMPACTED)
    want = fill_table(quick.bootstrap, "users")
    before = read(quick.bootstrap, "users")
    push_out(quick.bootstrap, "users")
    end = watermarks(quick.bootstrap, "users")
    after = eventually("compaction", lambda: read(quick.bootstrap, "users"), is_clean)
    assert table_of(after) == want, "tombstones are there to be seen"
    assert len(after) < len(before)
    kept = {offset: (key, value) for offset, key, value in before}
    assert all(kept.get(offset, (key, value)) == (key, value) for offset, key, value in after), "offsets stay"
    assert watermarks(quick.bootstrap, "users") == end
    # And after a restart the same, and one that is told nothing.
    quick.stop()
    quick.start()
    assert table_of(read(quick.bootstrap, "users")) == want


def test_tombstones_go_after_delete_retention(quick):
    create(quick.bootstrap, "users", **{**COMPACTED, "delete.retention.ms": "500"})
    want = fill_table(quick.bootstrap, "users")
    push_out(quick.bootstrap, "users")

    def gone():
        push_out(quick.bootstrap, "users")
        return read(quick.bootstrap, "users")

    after = eventually("removal of tombstones", gone, lambda records: is_clean(records) and None not in table_of(records).values())
    assert table_of(after) == {key: value for key, value in want.items() if value is not None}


def test_a_record_without_key_is_refused(quick):
    create(quick.bootstrap, "users", **COMPACTED)
    producer, told = Producer({"bootstrap.servers": quick.bootstrap, "enable.idempotence": False}), []
    producer.produce("users", key=b"k", value=b"v", on_delivery=lambda e, m: told.append(e))
    assert producer.flush(20) == 0
    producer.produce("users", value=b"no key", on_delivery=lambda e, m: told.append(e))
    assert producer.flush(20) == 0
    assert told[0] is None and told[1].name() == "INVALID_RECORD", told
    alter(quick.bootstrap, "users", **{"cleanup.policy": "delete"})
    producer.produce("users", value=b"no key", on_delivery=lambda e, m: told.append(e))
    assert producer.flush(20) == 0
    assert told[2] is None, told


@pytest.mark.wide
def test_apache_kafka_finds_cleaned_segments_valid_and_goes_on(quick, kafka, tmp_path):
    create(quick.bootstrap, "users", **COMPACTED)
    want = fill_table(quick.bootstrap, "users")
    push_out(quick.bootstrap, "users")
    after = eventually("compaction", lambda: read(quick.bootstrap, "users"), is_clean)
    end = watermarks(quick.bootstrap, "users")
    quick.stop()
    folder = quick.log_dir / "users-0"
    out = dump(folder, "--deep-iteration")
    batches = [line for line in out.splitlines() if line.startswith("baseOffset: ")]
    assert batches and all(" isvalid: true" in line for line in batches), out[:2000]
    assert any("deleteHorizonMs: OptionalLong[" in line for line in batches), "the tombstones have a horizon"
    indexes = ",".join(sorted(map(str, folder.glob("*.*index"))))
    out = tool("org.apache.kafka.tools.DumpLogSegments", "--index-sanity-check", "--files", indexes)
    sound, empty = out.count(" passed sanity check."), out.count(" is empty.")
    assert sound > 3 and sound + empty == len(indexes.split(",")), out
    out = tool("org.apache.kafka.tools.DumpLogSegments", "--verify-index-only", "--files", indexes)
    assert "Mismatches" not in out and "not found" not in out, out

    os.rename(quick.log_dir, pathlib.Path(kafka.folder).mkdir(parents=True, exist_ok=True) or kafka.log_dir)
    kafka.start()
    assert read(kafka.bootstrap, "users") == after
    assert watermarks(kafka.bootstrap, "users") == end
    more = fill_table(kafka.bootstrap, "users", rounds=10)
    push_out(kafka.bootstrap, "users")
    again = eventually("compaction by Apache Kafka", lambda: read(kafka.bootstrap, "users"), is_clean)
    assert table_of(again) == {**want, **more}
    complaints = [line for line in kafka.said().splitlines() if "__cluster_metadata-0" not in line
                  and re.search(r"stray|Recovering unflushed|unclean shutdown|[Cc]orrupt|uncleanable|Resetting first dirty", line) and " = " not in line]
    assert not complaints, "\n".join(complaints[:20])


@pytest.mark.wide
def test_a_folder_that_apache_kafka_compacted_opens_here_and_is_compacted_on(kafka, start):
    kafka.start()
    create(kafka.bootstrap, "users", **COMPACTED)
    want = fill_table(kafka.bootstrap, "users")
    push_out(kafka.bootstrap, "users")
    after = eventually("compaction by Apache Kafka", lambda: read(kafka.bootstrap, "users"), is_clean)
    end = watermarks(kafka.bootstrap, "users")
    kafka.stop()
    andiron = start(folder=kafka.folder, overrides=[f"{k}={v}" for k, v in QUICK_CLEANER.items()])
    assert read(andiron.bootstrap, "users") == after
    assert watermarks(andiron.bootstrap, "users") == end
    more = fill_table(andiron.bootstrap, "users", rounds=10)
    push_out(andiron.bootstrap, "users")
    again = eventually("compaction", lambda: read(andiron.bootstrap, "users"), is_clean)
    assert table_of(again) == {**want, **more}
    assert "cannot be compacted" not in andiron.said() and "checkpoint is no offset" not in andiron.said()


@pytest.mark.wide
def test_transactions_that_apache_kafka_wrote_are_compacted_here_and_read_there(java, start, tmp_path):
    """Aborted records go, committed ones stay by the same rule as all, and both brokers show the same."""
    kafka = ApacheKafka(tmp_path / "data", overrides={**QUICK_CLEANER, "log.cleaner.backoff.ms": 3_600_000})
    kafka.start()
    try:
        create(kafka.bootstrap, "accounts", **COMPACTED)
        table = {}
        for number in range(12):
            codec = CODECS[number % len(CODECS)]
            producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": codec, "linger.ms": 50,
                                 "transactional.id": f"t{number % 3}"})
            producer.init_transactions(30)
            for commit in (True, False):
                producer.begin_transaction()
                for i in range(100):
                    key, value = b"%d" % (i * (1 + number % 2)), b"%d %d" % (number, commit) + os.urandom(1_000)
                    producer.produce("accounts", key=key, value=value)
                    if commit:
                        table[key] = value
                # What is to be aborted must be there; a producer forgets what it has not sent.
                assert producer.flush(30) == 0
                producer.commit_transaction(30) if commit else producer.abort_transaction(30)
        assert table_of(read(kafka.bootstrap, "accounts")) == table
    finally:
        kafka.stop()
    andiron = start(folder=kafka.folder, overrides=[f"{k}={v}" for k, v in QUICK_CLEANER.items()])
    assert table_of(read(andiron.bootstrap, "accounts")) == table
    push_out(andiron.bootstrap, "accounts")
    after = eventually("compaction", lambda: read(andiron.bootstrap, "accounts"), is_clean)
    assert table_of(after) == table
    raw = [value for _, key, value in read(andiron.bootstrap, "accounts", "read_uncommitted") if not key.startswith(b"filler")]
    assert not any(value.split(b" ")[1].startswith(b"0") for value in raw), "no aborted record is left"
    andiron.stop()
    out = dump(andiron.log_dir / "accounts-0", "--deep-iteration")
    batches = [line for line in out.splitlines() if line.startswith("baseOffset: ")]
    assert any("isControl: true" in line for line in batches) and all(" isvalid: true" in line for line in batches), out[:2000]
    kafka.start()
    try:
        assert read(kafka.bootstrap, "accounts") == after
    finally:
        kafka.stop()


@pytest.mark.parametrize("limit", [{"retention.ms": "1000"}, {"retention.ms": "-1", "retention.bytes": "2097152"}])
def test_old_segments_go_by_time_and_by_size(quick, limit):
    create(quick.bootstrap, "events", **{"segment.bytes": "1048576", "retention.ms": "-1"})
    for _ in range(6):
        push_out(quick.bootstrap, "events")
    low, high = watermarks(quick.bootstrap, "events")
    assert (low, high) == (0, 720)
    alter(quick.bootstrap, "events", **limit)
    low, _ = eventually("retention", lambda: watermarks(quick.bootstrap, "events"), lambda w: w[0] > 0)
    first = read(quick.bootstrap, "events")
    assert not first or first[0][0] >= low
    if "retention.bytes" in limit:
        size = sum(p.stat().st_size for p in (quick.log_dir / "events-0").glob("*.log"))
        assert 2_097_152 <= size < 2_097_152 + 1_048_576, "no more than that and a segment, and no less"
    else:
        low, _ = eventually("retention of all", lambda: watermarks(quick.bootstrap, "events"), lambda w: w[0] == w[1])
        assert low == high


def test_delete_records_moves_the_begin_and_a_reader_is_told(quick):
    create(quick.bootstrap, "events", **{"segment.bytes": "1048576"})
    for _ in range(3):
        push_out(quick.bootstrap, "events")
    admin = AdminClient({"bootstrap.servers": quick.bootstrap})
    for done in admin.delete_records([TopicPartition("events", 0, 300)]).values():
        assert done.result().low_watermark == 300
    assert watermarks(quick.bootstrap, "events") == (300, 360)
    assert [offset for offset, _, _ in read(quick.bootstrap, "events")] == list(range(300, 360))
    consumer = Consumer({"bootstrap.servers": quick.bootstrap, "group.id": "r", "auto.offset.reset": "error"})
    consumer.assign([TopicPartition("events", 0, 5)])
    message = eventually("an answer", lambda: consumer.poll(1), lambda m: m is not None)
    assert message.error() and message.error().name() in ("OFFSET_OUT_OF_RANGE", "_AUTO_OFFSET_RESET"), message.error()
    consumer.close()
    eventually("the files", lambda: sorted(p.name for p in (quick.log_dir / "events-0").glob("*.log"))[0],
               lambda name: int(name[:20]) > 0)
    with pytest.raises(KafkaException) as refused:
        for done in admin.delete_records([TopicPartition("events", 0, 1_000)]).values():
            done.result()
    assert refused.value.args[0].name() == "OFFSET_OUT_OF_RANGE"
    quick.stop()
    quick.start()
    assert watermarks(quick.bootstrap, "events") == (300, 360), "and a restart remembers"


def test_the_offsets_of_groups_are_compacted(start):
    quick = start(overrides=[f"{k}={v}" for k, v in {**QUICK_CLEANER, "offsets.topic.num.partitions": 1,
                             "offsets.topic.segment.bytes": 1_048_576, "log.cleaner.min.cleanable.ratio": 0.01}.items()])
    create(quick.bootstrap, "events")
    consumer = Consumer({"bootstrap.servers": quick.bootstrap, "group.id": "committers", "enable.auto.commit": False})
    metadata = "m" * 4_000
    for i in range(600):
        consumer.commit(offsets=[TopicPartition("events", 0, i, metadata)], asynchronous=False)
    size = lambda: sum(p.stat().st_size for p in (quick.log_dir / "__consumer_offsets-0").glob("*.log"))  # noqa: E731
    eventually("compaction of __consumer_offsets", size, lambda bytes_: bytes_ < 1_100_000)
    consumer.close()
    quick.stop()
    quick.start()
    consumer = Consumer({"bootstrap.servers": quick.bootstrap, "group.id": "committers"})
    assert consumer.committed([TopicPartition("events", 0)], timeout=15)[0].offset == 599
    consumer.close()
