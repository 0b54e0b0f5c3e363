"""kill -9 again and again under idempotent producers, transactional producers and a reader of what is committed: nothing that
was acknowledged is lost or comes twice, nothing aborted is seen, order is kept."""
import collections
import os
import random
import socket
import struct
import threading
import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from server import free_port

RECORDS_A_KILL = 1_000
PARTITIONS = 3
# Whoever was cut off comes back at once, so that the next kill finds everybody at work.
EAGER = {"reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 40, "retry.backoff.ms": 10, "retry.backoff.max.ms": 100,
         "log_level": 0}


def answers(port):
    """Waits for an answer to ApiVersions."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                s.sendall(struct.pack(">ihhih5s", 15, 18, 0, 7, 5, b"judge"))
                if len(s.recv(4, socket.MSG_WAITALL)) == 4:
                    return
        except OSError:
            assert time.monotonic() < deadline, "the broker does not come back"
            time.sleep(0.002)


class Idempotent(threading.Thread):
    """Numbers, one after the other, to the partitions in turn."""

    def __init__(self, bootstrap, name, done):
        super().__init__(name=name)
        self.done, self.acknowledged, self.refused, self.sent = done, [], [], 0
        self.producer = Producer({**EAGER, "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all",
                                  "linger.ms": 2, "message.timeout.ms": 300_000, "queue.buffering.max.messages": 2_000})

    def run(self):
        def told(error, message):
            (self.refused if error else self.acknowledged).append(error or message.value())

        while not self.done.is_set():
            try:
                self.producer.produce("plain", f"{self.name}:{self.sent}".encode(), partition=self.sent % PARTITIONS, on_delivery=told)
                self.sent += 1
                self.producer.poll(0)
            except BufferError:
                self.producer.poll(0.01)
        self.producer.flush(120)


class Transactional(threading.Thread):
    """Transactions of a few records; one in four is aborted. What became of each is kept by its number."""

    def __init__(self, bootstrap, name, done, draw):
        super().__init__(name=name)
        self.bootstrap, self.done, self.draw = bootstrap, done, draw
        self.outcome, self.size, self.wrong = {}, {}, None

    def producer(self):
        producer = Producer({**EAGER, "bootstrap.servers": self.bootstrap, "transactional.id": self.name, "linger.ms": 1,
                             "transaction.timeout.ms": 60_000, "message.timeout.ms": 60_000})
        self.until_done(lambda: producer.init_transactions(60))
        return producer

    @staticmethod
    def until_done(act):
        while True:
            try:
                return act()
            except KafkaException as e:
                if not e.args[0].retriable():
                    raise

    def run(self):
        try:
            self.go_on()
        except BaseException as e:
            self.wrong = e
            raise

    def go_on(self):
        producer, number = self.producer(), 0
        while not self.done.is_set():
            number += 1
            self.outcome[number], self.size[number] = "unknown", self.draw.randint(1, 60)
            commit = self.draw.random() < 0.75
            try:
                producer.begin_transaction()
                for n in range(self.size[number]):
                    producer.produce("txn", f"{self.name}:{number}:{n}".encode(), partition=n % PARTITIONS)
                if commit:
                    self.until_done(lambda: producer.commit_transaction(60))
                    self.outcome[number] = "committed"
                else:
                    self.until_done(lambda: producer.abort_transaction(60))
                    self.outcome[number] = "aborted"
            except KafkaException as e:
                if e.args[0].txn_requires_abort():
                    self.until_done(lambda: producer.abort_transaction(60))
                    self.outcome[number] = "aborted"
                else:
                    assert e.args[0].fatal() or e.args[0].code() == KafkaError._STATE, e
                    producer = self.producer()


class Reader(threading.Thread):
    """What a reader of committed records sees while all this happens, by partition."""

    def __init__(self, bootstrap):
        super().__init__()
        self.stop, self.seen, self.wrong = threading.Event(), collections.defaultdict(list), []
        self.consumer = Consumer({**EAGER, "bootstrap.servers": bootstrap, "group.id": "judge", "enable.auto.commit": False,
                                  "isolation.level": "read_committed", "auto.offset.reset": "error"})
        self.consumer.assign([TopicPartition(t, p, 0) for t in ("plain", "txn") for p in range(PARTITIONS)])

    def run(self):
        while not self.stop.is_set():
            self.take(self.consumer.consume(1_000, 0.1))

    def take(self, messages):
        for m in messages:
            if m.error() is None:
                self.seen[m.topic(), m.partition()].append((m.offset(), m.value().decode()))
            elif not (m.error().retriable() or m.error().code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT)):
                self.wrong.append(m.error())

    def to_the_end(self):
        self.stop.set()
        self.join()
        deadline = time.monotonic() + 60
        for at in [TopicPartition(t, p) for t in ("plain", "txn") for p in range(PARTITIONS)]:
            _, end = self.consumer.get_watermark_offsets(at, timeout=30)
            while self.consumer.position([at])[0].offset < end:
                assert time.monotonic() < deadline, f"{at} is not read to its end {end}"
                self.take(self.consumer.consume(1_000, 0.2))
        self.consumer.close()
        assert not self.wrong, self.wrong
        return self.seen


@pytest.mark.kafka
@pytest.mark.parametrize("wanted", [10, pytest.param(100, marks=pytest.mark.wide)])
def test_kills_lose_nothing_that_was_acknowledged(start, wanted):
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}")
    draw = random.Random(seed)
    andiron = start(kafka_port=free_port())
    port = int(andiron.bootstrap.rsplit(":", 1)[1])
    admin = AdminClient({"bootstrap.servers": andiron.bootstrap, "log_level": 0})
    for future in admin.create_topics([NewTopic("plain", PARTITIONS), NewTopic("txn", PARTITIONS)]).values():
        future.result()
    done = threading.Event()
    plain = [Idempotent(andiron.bootstrap, f"i{n}", done) for n in range(2)]
    transactional = [Transactional(andiron.bootstrap, f"t{n}", done, random.Random(seed + n)) for n in range(2)]
    reader = Reader(andiron.bootstrap)
    for thread in [*plain, *transactional, reader]:
        thread.start()
    kills = 0

    def acknowledged():
        committed = sum(t.size[n] for t in transactional for n, what in list(t.outcome.items()) if what == "committed")
        return committed + sum(len(p.acknowledged) for p in plain)

    deadline = time.monotonic() + 500
    while kills < wanted or acknowledged() < wanted * RECORDS_A_KILL:
        assert time.monotonic() < deadline, f"{kills} kills, {acknowledged()} records acknowledged"
        assert all(t.wrong is None for t in transactional)
        answers(port)
        time.sleep(draw.uniform(0, 0.5))
        if kills < wanted:
            andiron.kill()
            andiron.start()
            kills += 1
    done.set()
    for thread in [*plain, *transactional]:
        thread.join(200)
        assert not thread.is_alive(), thread.name
    assert all(t.wrong is None for t in transactional)
    seen = reader.to_the_end()
    total = acknowledged()
    outcomes = collections.Counter(what for t in transactional for what in t.outcome.values())
    print(f"{kills} kills, {total} records acknowledged, transactions: {dict(outcomes)}")
    assert not any(p.refused for p in plain), [p.refused[:2] for p in plain]
    for at, records in seen.items():
        offsets = [offset for offset, _ in records]
        assert offsets == sorted(set(offsets)), f"{at}: offsets come twice or out of order"
    values = collections.Counter(value for records in seen.values() for _, value in records)
    assert max(values.values()) == 1, [v for v, times in values.items() if times > 1][:5]
    for p in plain:
        assert len(p.acknowledged) == p.sent
        missing = [v for v in p.acknowledged if v.decode() not in values]
        assert not missing, f"{p.name}: {len(missing)} acknowledged records are lost, the first: {missing[0]}"
    for t in transactional:
        for number, what in t.outcome.items():
            there = sum(f"{t.name}:{number}:{n}" in values for n in range(t.size[number]))
            allowed = {"committed": {t.size[number]}, "aborted": {0}, "unknown": {0, t.size[number]}}[what]
            assert there in allowed, f"{t.name}:{number} is {what}: {there} of {t.size[number]} records are seen"
    for (topic, _), records in seen.items():
        last = {}
        for _, value in records:
            name, *numbers = value.split(":")
            place = tuple(map(int, numbers))
            assert place > last.get(name, (-1,)), f"{topic}: {value} after {last[name]}"
            last[name] = place
