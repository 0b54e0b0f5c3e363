"""Judged by librdkafka (transactions as they were before KIP-890), by Java's producer and tools (as they are since), and by Apache
Kafka itself, which opens our folders and whose folders we open."""
import re
import signal
import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from load import create
from peers import ApacheKafka, tool
from server import free_port

pytestmark = pytest.mark.kafka


def transactional(bootstrap, transactional_id, **config):
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": transactional_id, "linger.ms": 1, **config})
    producer.init_transactions(30)
    return producer


def read(bootstrap, topic, isolation="read_committed", partitions=1):
    """Every value, up to the end that the isolation level allows."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"reader-{isolation}", "enable.auto.commit": False,
                         "isolation.level": isolation, "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    values, ends, deadline = [], set(), time.monotonic() + 30
    while len(ends) < partitions and time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error() is None:
            values.append(message.value().decode())
        elif message.error().code() == KafkaError._PARTITION_EOF:
            ends.add(message.partition())
    consumer.close()
    assert len(ends) == partitions, "not every partition came to its end"
    return values


def last_stable(bootstrap, topic, partition=0):
    """The end that readers of committed records have."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    from confluent_kafka import IsolationLevel
    asked = {TopicPartition(topic, partition): OffsetSpec.latest()}
    found = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=20)
    return next(iter(found.values())).result().offset


def committed(bootstrap, group, topic, partition=0):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    [found] = consumer.committed([TopicPartition(topic, partition)], timeout=20)
    consumer.close()
    return found.offset


def transactions(bootstrap, *words):
    """The lines of a table that kafka-transactions prints, each as a dict."""
    out = tool("org.apache.kafka.tools.TransactionsCommand", "--bootstrap-server", bootstrap, *words)
    rows = [line.split("\t") for line in out.splitlines() if line.strip()]
    rows = [[cell.strip() for cell in row] for row in rows]
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def test_committed_records_are_seen_whole_and_aborted_ones_are_not(andiron):
    create(andiron.bootstrap, "ledger", 3)
    producer = transactional(andiron.bootstrap, "ledger-writer")
    want = []
    for round_ in range(20):
        producer.begin_transaction()
        for i in range(30):
            producer.produce("ledger", value=f"{round_}-{i}", partition=i % 3)
        producer.flush(20)  # an abort takes back what has not been sent
        if round_ % 3:
            producer.commit_transaction(30)
            want += [f"{round_}-{i}" for i in range(30)]
        else:
            producer.abort_transaction(30)
    assert sorted(read(andiron.bootstrap, "ledger", partitions=3)) == sorted(want)
    everything = read(andiron.bootstrap, "ledger", "read_uncommitted", partitions=3)
    assert set(want) < set(everything), "who does not care for transactions sees aborted records too"


def test_an_open_transaction_holds_readers_of_committed_records_back(andiron):
    create(andiron.bootstrap, "held")
    producer = transactional(andiron.bootstrap, "holder")
    producer.begin_transaction()
    producer.produce("held", value="first")
    producer.flush(20)
    plain = Producer({"bootstrap.servers": andiron.bootstrap})
    plain.produce("held", value="beside")
    assert plain.flush(20) == 0
    assert read(andiron.bootstrap, "held") == []
    assert read(andiron.bootstrap, "held", "read_uncommitted") == ["first", "beside"]
    producer.commit_transaction(30)
    assert read(andiron.bootstrap, "held") == ["first", "beside"]


def test_offsets_are_committed_with_the_transaction_that_consumed_them(andiron):
    create(andiron.bootstrap, "in")
    create(andiron.bootstrap, "out")
    source = Producer({"bootstrap.servers": andiron.bootstrap})
    for i in range(100):
        source.produce("in", value=str(i))
    assert source.flush(20) == 0
    consumer = Consumer({"bootstrap.servers": andiron.bootstrap, "group.id": "copier", "auto.offset.reset": "earliest",
                         "enable.auto.commit": False})
    consumer.subscribe(["in"])
    producer = transactional(andiron.bootstrap, "copier")
    copied, attempt = 0, 0
    while copied < 100:
        batch = consumer.consume(10, timeout=10)
        assert batch, "the records are there"
        producer.begin_transaction()
        for message in batch:
            producer.produce("out", value=message.value())
        producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 30)
        attempt += 1
        if attempt % 3 == 0:
            producer.abort_transaction(30)
            consumer.seek(TopicPartition("in", 0, copied))
            continue
        producer.commit_transaction(30)
        copied += len(batch)
        assert committed(andiron.bootstrap, "copier", "in") == copied
    consumer.close()
    assert read(andiron.bootstrap, "out") == [str(i) for i in range(100)]


def test_a_second_producer_of_the_same_id_fences_the_first(andiron):
    create(andiron.bootstrap, "fenced")
    first = transactional(andiron.bootstrap, "one-of-two")
    first.begin_transaction()
    first.produce("fenced", value="of the first")
    first.flush(20)
    second = transactional(andiron.bootstrap, "one-of-two")
    with pytest.raises(KafkaException) as refused:
        first.commit_transaction(30)
    assert refused.value.args[0].fatal(), refused.value
    second.begin_transaction()
    second.produce("fenced", value="of the second")
    second.commit_transaction(30)
    assert read(andiron.bootstrap, "fenced") == ["of the second"]


def test_what_was_decided_survives_kill_9(start):
    """Rounds of commits with a kill in the middle of them: whatever was answered is there, whole, once."""
    andiron = start(kafka_port=free_port())
    create(andiron.bootstrap, "survivors", 4)
    create(andiron.bootstrap, "left-open")
    sure, unsure = [], []
    for round_ in range(6):
        opened = transactional(andiron.bootstrap, f"opened-{round_}")
        opened.begin_transaction()
        opened.produce("left-open", value=f"open {round_}")
        opened.flush(20)
        producer = transactional(andiron.bootstrap, "survivor")
        for i in range(5):
            producer.begin_transaction()
            values = [f"{round_}.{i}.{p}" for p in range(4)]
            for p, value in enumerate(values):
                producer.produce("survivors", value=value, partition=p)
            if i == 4:
                # The kill comes while this one is on its way.
                unsure.append(values)
                producer.flush(20)
                andiron.process.send_signal(signal.SIGKILL) if round_ % 2 else None
                try:
                    producer.commit_transaction(2)
                except KafkaException:
                    pass
            else:
                producer.commit_transaction(30)
                sure += values
        andiron.process.kill()
        andiron.process.wait()
        andiron.start()
    last = transactional(andiron.bootstrap, "survivor")  # waits for whatever is being finished
    last.begin_transaction()
    last.produce("survivors", value="last", partition=0)
    last.commit_transaction(30)
    got = read(andiron.bootstrap, "survivors", partitions=4)
    assert len(got) == len(set(got)) and set(sure) | {"last"} <= set(got)
    for values in unsure:
        assert len(set(values) & set(got)) in (0, 4), "a transaction is seen whole or not at all"
    for round_ in range(6):
        transactional(andiron.bootstrap, f"opened-{round_}")  # aborts what its namesake left open
    assert read(andiron.bootstrap, "left-open") == []


def test_a_timed_out_transaction_is_aborted(start):
    andiron = start(overrides=["transaction.abort.timed.out.transaction.cleanup.interval.ms=200"])
    create(andiron.bootstrap, "slow")
    producer = transactional(andiron.bootstrap, "slow", **{"transaction.timeout.ms": 1_000})
    producer.begin_transaction()
    producer.produce("slow", value="too late")
    producer.flush(20)
    deadline = time.monotonic() + 20
    while last_stable(andiron.bootstrap, "slow") != 2:
        assert time.monotonic() < deadline, "the transaction stays open"
        time.sleep(0.05)
    with pytest.raises(KafkaException):
        producer.commit_transaction(20)
    assert read(andiron.bootstrap, "slow") == []


def test_java_producer_with_transaction_version_2(java, andiron):
    create(andiron.bootstrap, "java", 3)
    # Two seconds at this throughput, however fast the machine is: tens of transactions.
    out = tool("org.apache.kafka.tools.ProducerPerformance", "--topic", "java", "--num-records", "30000", "--record-size", "100",
               "--throughput", "15000", "--transactional-id", "java-perf", "--transaction-duration-ms", "50",
               "--bootstrap-server", andiron.bootstrap)
    assert "30000 records sent" in out, out
    assert len(read(andiron.bootstrap, "java", partitions=3)) == 30_000
    [described] = transactions(andiron.bootstrap, "describe", "--transactional-id", "java-perf")
    assert described["TransactionState"] == "CompleteCommit", described
    assert int(described["ProducerEpoch"]) > 5, "from version 2 on every transaction has an epoch"


def test_kafka_transactions_lists_describes_and_ends_them(java, start):
    andiron = start()
    create(andiron.bootstrap, "watched")
    idle = transactional(andiron.bootstrap, "idle")
    busy = transactional(andiron.bootstrap, "busy", **{"transaction.timeout.ms": 600_000})
    busy.begin_transaction()
    busy.produce("watched", value="open")
    busy.flush(20)
    listed = {row["TransactionalId"]: row for row in transactions(andiron.bootstrap, "list")}
    assert {name: row["TransactionState"] for name, row in listed.items()} == {"idle": "Empty", "busy": "Ongoing"}
    [described] = transactions(andiron.bootstrap, "describe", "--transactional-id", "busy")
    assert described["TransactionState"] == "Ongoing" and described["TopicPartitions"] == "watched-0", described
    assert described["TransactionTimeoutMs"] == "600000" and described["ProducerId"] == listed["busy"]["ProducerId"]
    producers = transactions(andiron.bootstrap, "describe-producers", "--topic", "watched", "--partition", "0")
    assert [(p["ProducerId"], p["CurrentTransactionStartOffset"]) for p in producers] == [(described["ProducerId"], "0")]
    assert transactions(andiron.bootstrap, "find-hanging", "--topic", "watched") == [], "its coordinator knows of it"
    assert last_stable(andiron.bootstrap, "watched") == 0
    tool("org.apache.kafka.tools.TransactionsCommand", "--bootstrap-server", andiron.bootstrap, "abort",
         "--topic", "watched", "--partition", "0", "--start-offset", "0")
    assert last_stable(andiron.bootstrap, "watched") == 2
    assert read(andiron.bootstrap, "watched") == []
    del idle


def test_apache_kafka_reads_our_transaction_log(java, start):
    andiron = start(overrides=["transaction.state.log.num.partitions=1"])
    create(andiron.bootstrap, "logged", 2)
    producer = transactional(andiron.bootstrap, "logged-writer")
    for commit in (True, False):
        producer.begin_transaction()
        for p in range(2):
            producer.produce("logged", value="v", partition=p)
        producer.flush(20)
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)
    tool("org.apache.kafka.tools.ProducerPerformance", "--topic", "logged", "--num-records", "10", "--record-size", "10",
         "--throughput", "-1", "--transactional-id", "java-writer", "--transaction-duration-ms", "10000",
         "--bootstrap-server", andiron.bootstrap)
    andiron.stop()
    [log] = (andiron.log_dir / "__transaction_state-0").glob("*.log")
    out = tool("org.apache.kafka.tools.DumpLogSegments", "--transaction-log-decoder", "--files", log)
    lines = [line for line in out.splitlines() if "payload:" in line]
    assert lines and "isvalid: false" not in out, out
    of = lambda name: [re.search(r'"transactionStatus":(\d)', line)[1] for line in lines if f'"{name}"' in line]  # noqa: E731
    # Empty; Ongoing for each AddPartitionsToTxn, PrepareCommit, CompleteCommit; the same with an abort.
    assert re.fullmatch("01+241+35", "".join(of("logged-writer"))), out
    assert re.fullmatch("01+24", "".join(of("java-writer"))), out
    assert any('"clientTransactionVersion":2' in line for line in lines if '"java-writer"' in line), out
    logs = [p for p in andiron.log_dir.glob("logged-*/*.log")]
    out = tool("org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--files", ",".join(map(str, logs)))
    assert "endTxnMarker: COMMIT" in out and "endTxnMarker: ABORT" in out and "isvalid: false" not in out
    indexes = [p for p in andiron.log_dir.glob("logged-*/*.txnindex") if p.stat().st_size]
    assert len(indexes) == 2
    out = tool("org.apache.kafka.tools.DumpLogSegments", "--files", ",".join(map(str, indexes)))
    assert out.count("lastStableOffset") == 2, out


def states(bootstrap):
    return {row["TransactionalId"]: row["TransactionState"] for row in transactions(bootstrap, "list")}


def left_in_all_states(bootstrap, prefix):
    """A topic and transactional ids with a committed, an aborted and an open transaction; the open one's producer is left alone."""
    topic = f"{prefix}-topic"
    create(bootstrap, topic)
    for name, end in (("committed", "commit_transaction"), ("aborted", "abort_transaction")):
        producer = transactional(bootstrap, f"{prefix}-{name}")
        producer.begin_transaction()
        producer.produce(topic, value=name)
        producer.flush(20)
        getattr(producer, end)(30)
    producer = transactional(bootstrap, f"{prefix}-open", **{"transaction.timeout.ms": 900_000})
    producer.begin_transaction()
    producer.produce(topic, value="open")
    producer.flush(20)
    return producer


@pytest.mark.wide
@pytest.mark.parametrize("killed", [False, True])
def test_a_folder_with_transactions_goes_there_and_back(java, start, tmp_path, killed):
    kafka = ApacheKafka(tmp_path / "data")
    andiron = None

    def end(server):
        if killed:
            server.process.kill()
            server.process.wait()
        else:
            server.stop()

    try:
        kafka.start()
        left = [left_in_all_states(kafka.bootstrap, "theirs")]
        want = {"theirs-committed": "CompleteCommit", "theirs-aborted": "CompleteAbort", "theirs-open": "Ongoing"}
        assert states(kafka.bootstrap) == want
        stable = last_stable(kafka.bootstrap, "theirs-topic")
        assert stable == 4
        end(kafka)

        andiron = start(folder=tmp_path / "data")
        assert states(andiron.bootstrap) == want
        assert last_stable(andiron.bootstrap, "theirs-topic") == stable
        assert read(andiron.bootstrap, "theirs-topic") == ["committed"]
        left.append(left_in_all_states(andiron.bootstrap, "ours"))
        want |= {"ours-committed": "CompleteCommit", "ours-aborted": "CompleteAbort", "ours-open": "Ongoing"}
        assert states(andiron.bootstrap) == want
        end(andiron)

        kafka.start()
        deadline = time.monotonic() + 30
        while states(kafka.bootstrap) != want:
            assert time.monotonic() < deadline, states(kafka.bootstrap)
            time.sleep(0.5)
        for topic in ("theirs-topic", "ours-topic"):
            assert last_stable(kafka.bootstrap, topic) == stable
            assert read(kafka.bootstrap, topic) == ["committed"]
        # Whoever takes an open one over ends it, whoever began it.
        for prefix in ("theirs", "ours"):
            transactional(kafka.bootstrap, f"{prefix}-open")
            assert last_stable(kafka.bootstrap, f"{prefix}-topic") == 6
        del left
    finally:
        kafka.stop()
