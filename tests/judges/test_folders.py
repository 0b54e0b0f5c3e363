"""A data directory that changes hands between Apache Kafka and Andiron while its clients stay: after every change what Java's
clients see in it is the same to the last record, and the clients go on where they were."""
import os
import pathlib
import random
import re
import subprocess

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from load import (CODECS, COMPACTED, PARTITIONS, QUICK_CLEANER, Idempotent, Reader, Transactional, at_work, create, eventually,
                  fill_table, nothing_is_lost, push_out)
from peers import ApacheKafka, jars, needs
from server import Andiron, free_port

pytestmark = pytest.mark.kafka
HERE = pathlib.Path(__file__).resolve().parent
SMALL = {"segment.bytes": "1048576"}
SETTINGS = {
    **QUICK_CLEANER, "log.flush.start.offset.checkpoint.interval.ms": 200, "node.id": 1, "auto.create.topics.enable": "false", "group.initial.rebalance.delay.ms": 0, "log.cleaner.min.cleanable.ratio": 0.01,
    "offsets.topic.num.partitions": 2, "offsets.topic.segment.bytes": 1_048_576,
    "transaction.state.log.num.partitions": 2, "transaction.state.log.segment.bytes": 1_048_576}
# Every record of the coordinator's log has the id in it, so that this one fills segments.
LONG_ID = "long" * 2_500


class Contents:
    """tests/judges/java/Contents.java, which tells what a broker holds."""

    def __init__(self, folder):
        needs("Java's clients", "javac")
        path = f"{jars('streams') / 'jars'}/*"
        subprocess.run(["javac", "-cp", path, "-d", folder, HERE / "java/Contents.java"], check=True)
        self.said = folder / "java.log"
        self.process = subprocess.Popen(
            ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
             f"-Dlog4j2.configurationFile={jars('streams') / 'tools.properties'}", "-cp", f"{folder}:{path}", "Contents"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(self.said, "w"), text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        told = []
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line == ".":
                return told
            assert not line.startswith("!"), line
            told.append(line)
        raise AssertionError(f"Contents ended: {self.said.read_text()[-2000:]}")

    def settled(self, bootstrap):
        """What is told twice in a row: markers are written and logs cleaned after the clients have their answers."""
        before = None
        while (told := self.ask("contents", bootstrap)) != before:
            before = told
        return told

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def contents(tmp_path):
    (tmp_path / "java").mkdir()
    program = Contents(tmp_path / "java")
    yield program
    program.stop()


def of_apache(told):
    """What only Apache Kafka serves."""
    return [line for line in told if line.startswith("apache ")]


def for_both(told):
    return [line for line in told if not line.startswith("apache ")]


def differences(before, now):
    return [f"- {line}" for line in before if line not in now] + [f"+ {line}" for line in now if line not in before]


def without_snapshot(log_dir, told):
    """Partitions with producers whose state a clean stop has not written down, so that whoever opens them reads their log again."""
    ends = {line.split(" ")[1]: int(line.split(" ")[3]) for line in told if re.match(r"offset \S+ end ", line)}
    of_producers = {line.split(" ")[1] for line in told if line.startswith("producer ")}
    return [at for at in sorted(of_producers) if not (pathlib.Path(log_dir) / at / f"{ends[at]:020}.snapshot").exists()]


class Tenants:
    """Everybody who uses the folder. They know one address and do not notice who is behind it."""

    def __init__(self, bootstrap, busy):
        self.bootstrap, self.busy, self.days, self.left = bootstrap, busy, 0, {}
        for topic in ("plain", "txn", "open", "events"):
            create(bootstrap, topic, PARTITIONS if topic != "events" else 1, **SMALL)
        create(bootstrap, "users", 1, **COMPACTED)
        create(bootstrap, "doomed", 2)
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self.plain = [Idempotent(bootstrap, f"i-{codec}", codec, weight=300) for codec in CODECS]
        self.transactional = [Transactional(bootstrap, f"t-{codec}", random.Random(codec), codec) for codec in CODECS]
        self.long = self.transactional_producer(LONG_ID)
        self.reader = Reader(bootstrap)
        self.reader.start()

    def transactional_producer(self, name):
        producer = Producer({"bootstrap.servers": self.bootstrap, "transactional.id": name, "transaction.timeout.ms": 900_000,
                             "log_level": 0})
        producer.init_transactions(60)
        return producer

    def a_day(self):
        """What can happen to a folder, once; what was left open yesterday is ended."""
        self.days += 1
        clients = [*self.plain, *self.transactional]
        want = [c.count() + (300 if self.busy else 30) for c in clients]
        with at_work(clients):
            eventually("work", lambda: [c.wrong or c.count() for c in clients],
                       lambda got: all(isinstance(g, int) and g >= w for g, w in zip(got, want, strict=True)), 120)
        self.end_what_is_open()
        fill_table(self.bootstrap, "users", rounds=8 if self.busy else 3, keys=100)
        push_out(self.bootstrap, "users")
        for protocol in ("classic", "consumer"):
            self.take_and_commit(f"{protocol}-{self.days}", protocol)
            if self.busy:
                self.take_and_commit(f"{protocol}-1", protocol)
        self.commit_much()
        self.leave_open()
        self.take_away()

    def take_and_commit(self, group, protocol):
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "group.protocol": protocol, "log_level": 0,
                             "enable.auto.commit": False, "auto.offset.reset": "earliest"})
        consumer.subscribe(["plain", "txn"])
        got = []
        while len(got) < 100:
            got += consumer.consume(100 - len(got), timeout=30)
        consumer.commit(asynchronous=False)
        consumer.close()

    def commit_much(self):
        """On busy days more than a segment of offsets and of transactions, so that the cleaner has work in their logs; half
        of the transactions are aborted."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "committers", "log_level": 0})
        for n in range(330 if self.busy else 10):
            consumer.commit(offsets=[TopicPartition("plain", 0, n, "m" * 4_000)], asynchronous=False)
        consumer.close()
        for n in range(60 if self.busy else 10):
            self.long.begin_transaction()
            for _ in range(4):
                self.long.produce("events", os.urandom(6_000), b"%d" % n, headers=[("n", b"%d" % n)])
            # An abort purges what was not sent, and with it a partition that Apache Kafka was not told of: INVALID_TXN_STATE.
            self.long.flush(30)
            self.long.commit_transaction(30) if n % 2 else self.long.abort_transaction(30)

    def leave_open(self):
        for how in ("commit", "abort", "leave"):
            name = f"open-{self.days}-{how}"
            producer = self.transactional_producer(name)
            producer.begin_transaction()
            for n in range(30):
                producer.produce("open", f"{name}:{n}", partition=n % PARTITIONS)
            reader = Consumer({"bootstrap.servers": self.bootstrap, "group.id": name, "log_level": 0})
            reader.commit(offsets=[TopicPartition("plain", 1, 1)], asynchronous=False)
            producer.send_offsets_to_transaction([TopicPartition("plain", 1, 10 + self.days)], reader.consumer_group_metadata(), 30)
            reader.close()
            producer.flush(30)
            self.left[name] = producer

    def end_what_is_open(self):
        for name, producer in self.left.items():
            if name.endswith("-leave"):
                self.transactional_producer(name)  # whoever takes it over ends it
                want = 1
            else:
                producer.produce("open", f"{name}:30", partition=0)
                if name.endswith("-commit"):
                    producer.commit_transaction(60)
                    want = 10 + int(name.split("-")[1])
                else:
                    producer.abort_transaction(60)
                    want = 1
            eventually(f"offset of {name}", lambda: self.committed(name), lambda got: got == want, 20)  # noqa: B023
        self.left.clear()

    def committed(self, group):
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition("plain", 1)])
        answer = self.admin.list_consumer_group_offsets([asked], require_stable=True)[group].result()
        return answer.topic_partitions[0].offset

    def take_away(self):
        """Topics, groups, records."""
        last = f"passing-{self.days}"
        self.take_and_commit(last, "classic")
        self.admin.delete_consumer_groups([last])[last].result()
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "n", "log_level": 0})
        low, high = consumer.get_watermark_offsets(TopicPartition("events", 0), timeout=30)
        consumer.close()
        self.begin = low + (high - low) // 2 + 1
        for done in self.admin.delete_records([TopicPartition("events", 0, self.begin)]).values():
            done.result()
        create(self.bootstrap, last, 2)
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for topic in (last, "doomed"):
            producer.produce(topic, b"never seen again")
        producer.flush(30)
        for done in self.admin.delete_topics([last, "doomed"]).values():
            done.result()
        eventually("the topic", lambda: self.admin.list_topics(timeout=10).topics, lambda topics: "doomed" not in topics)
        create(self.bootstrap, "doomed", 2, **{"retention.ms": str(3_600_000 + self.days)})
        producer.produce("doomed", b"made anew")
        producer.flush(30)

    def compacted(self, log_dir):
        """Waits until the compacted logs have been compacted up to their last segment, and the begin of `events` is written
        down: a kill may undo a DeleteRecords that is not."""
        logs = [("users", 0), *((topic, p) for topic in ("__consumer_offsets", "__transaction_state") for p in range(2))]

        def open_work():
            cleaned, begins = (checkpoint(log_dir, name) for name in ("cleaner-offset", "log-start-offset"))
            ends = {at: max(int(p.stem) for p in (pathlib.Path(log_dir) / "{}-{}".format(*at)).glob("*.log")) for at in logs}
            left = {at: end for at, end in ends.items() if cleaned.get(at, 0) < end}
            return left | ({} if begins.get(("events", 0)) == self.begin else {"begin": begins})

        eventually("the cleaner", open_work, lambda left: not left)


def checkpoint(log_dir, name):
    """(topic, partition) -> offset of a checkpoint file."""
    path = pathlib.Path(log_dir) / f"{name}-checkpoint"
    words = [line.split(" ") for line in path.read_text().splitlines()[2:]] if path.exists() else []
    return {(topic, int(partition)): int(offset) for topic, partition, offset in words}


class Folder:
    """The folder and both who may have it."""

    def __init__(self, binary, path, port):
        self.kafka = ApacheKafka(path, port=port, overrides=SETTINGS)
        self.andiron = Andiron(binary, path, kafka_port=port, overrides=[f"{k}={v}" for k, v in SETTINGS.items()])
        self.bootstrap, self.log_dir = self.kafka.bootstrap, self.kafka.log_dir

    def given_to(self, who):
        self.who = getattr(self, who)
        self.began = len(self.who.said()) if (self.kafka.folder / f"{who}.log").exists() else 0
        self.who.start()

    def complaints(self):
        """What its owner said of how it was found. Its metadata log Apache Kafka recovers at every start."""
        said = self.who.said()[self.began:]
        if self.who is self.kafka:
            assert "LogManager" in said, "the log of Apache Kafka says how its folder was opened"
        wrong = (r"(?i:stray|recovering|unclean shutdown|corrupt|rebuilding index|uncleanable|resetting first dirty"
                 r"|cannot be compacted|checkpoint is no offset)|\] (ERROR|FATAL) | ERROR ")
        return [line for line in said.splitlines() if re.search(wrong, line) and "__cluster_metadata-0" not in line and " = " not in line]


@pytest.mark.parametrize("owners, end, busy", [
    pytest.param(("andiron", "kafka", "andiron"), "stop", False, marks=pytest.mark.wide),
    pytest.param(("kafka", "andiron", "kafka"), "stop", True, marks=pytest.mark.wide),
    pytest.param(("andiron", "kafka", "andiron"), "stop", True, marks=pytest.mark.wide),
    pytest.param(("kafka", "andiron", "kafka"), "kill", True, marks=pytest.mark.wide),
    pytest.param(("andiron", "kafka", "andiron"), "kill", True, marks=pytest.mark.wide),
], ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value))
def test_a_folder_changes_hands_under_load(binary, tmp_path, contents, owners, end, busy):
    folder = Folder(binary, tmp_path / "data", free_port())
    tenants, before, apache = None, [], []
    try:
        for number, owner in enumerate(owners):
            folder.given_to(owner)
            if number == 0:
                tenants = Tenants(folder.bootstrap, busy)
                contents.ask("operate", folder.bootstrap)
            else:
                told = contents.settled(folder.bootstrap)
                changed = differences(for_both(before), for_both(told))
                changed += differences(apache, of_apache(told)) if owner == "kafka" and apache else []
                assert not changed, f"{owner} tells otherwise:\n" + "\n".join(changed)
            tenants.a_day()
            if busy and owner == owners[0] == "kafka":  # a folder begun here does not have the feature
                contents.ask("share", folder.bootstrap, "plain", "sharers")
            tenants.compacted(folder.log_dir)
            before = contents.settled(folder.bootstrap)
            apache = of_apache(before) or apache
            if number == len(owners) - 1:
                nothing_is_lost(tenants.plain, tenants.transactional, tenants.reader.to_the_end())
            if end == "kill":
                folder.who.kill()
                continue
            folder.who.stop()
            assert number == 0 or not folder.complaints(), "\n".join(folder.complaints()[:20])
            assert not without_snapshot(folder.log_dir, before)
        assert not list(pathlib.Path(folder.log_dir).glob("*-stray"))
    finally:
        folder.kafka.stop()
        folder.andiron.stop()
