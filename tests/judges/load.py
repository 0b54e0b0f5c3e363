"""The clients that a broker has while it is killed, or while its folder changes hands; and what must be true of what they did."""
import collections
import contextlib
import os
import random
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PARTITIONS = 3
# Whoever was cut off comes back at once, so that the next kill finds everybody at work.
EAGER = {"reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 40, "retry.backoff.ms": 10, "retry.backoff.max.ms": 100,
         "log_level": 0}
# A topic that is compacted as soon as a segment is full.
COMPACTED = {"cleanup.policy": "compact", "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0.01",
             "delete.retention.ms": "86400000"}
QUICK_CLEANER = {"log.cleaner.backoff.ms": 100, "log.retention.check.interval.ms": 200, "log.initial.task.delay.ms": 200}


def create(bootstrap, topic, partitions=1, **config):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})  # its futures die with it
    admin.create_topics([NewTopic(topic, partitions, config=config)])[topic].result()


def eventually(what, get, until, seconds=60):
    """What `get` gives once `until` says that it will do."""
    deadline = time.monotonic() + seconds
    while True:
        got = get()
        if until(got):
            return got
        assert time.monotonic() < deadline, f"{what}: {got!r:.500}"
        time.sleep(0.2)


def fill_table(bootstrap, topic, rounds=12, keys=120):
    """Every codec, idempotent or not; values of all keys over and over, some keys removed at the end. Gives what must be left."""
    table = {}
    for number in range(rounds):
        codec = CODECS[number % len(CODECS)]
        producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 50,
                             "enable.idempotence": number % 2 == 0})
        for i in range(keys):
            key, value = b"%s-%d" % (codec.encode(), i), b"%d" % number + os.urandom(2_000)
            if number >= rounds - len(CODECS) and i % 10 == 0:
                value = None
            producer.produce(topic, key=key, value=value)
            table[key] = value
        assert producer.flush(30) == 0
    return table


def push_out(bootstrap, topic):
    """Fills the active segment until a new one begins, so that all before may be cleaned."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for i in range(120):
        producer.produce(topic, key=b"filler-%d" % i, value=os.urandom(10_000))
    assert producer.flush(30) == 0


class Client:
    """Works until it is told that it is done, and may be sent to work again."""

    def __init__(self, name):
        self.name, self.wrong, self.done = name, None, threading.Event()

    def run(self):
        try:
            self.work()
        except BaseException as e:
            self.wrong = e
            raise


class Idempotent(Client):
    """Numbers, one after the other, to the partitions in turn; keys of `weight` bytes weigh the records down."""

    def __init__(self, bootstrap, name, codec="none", weight=0):
        super().__init__(name)
        self.acknowledged, self.refused, self.sent, self.weight = [], [], 0, weight
        self.producer = Producer({**EAGER, "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all",
                                  "linger.ms": 2, "message.timeout.ms": 300_000, "queue.buffering.max.messages": 2_000,
                                  "compression.type": codec})

    def work(self):
        def told(error, message):
            (self.refused if error else self.acknowledged).append(error or message.value())

        while not self.done.is_set():
            try:
                key = random.randbytes(self.weight) if self.weight else None
                self.producer.produce("plain", f"{self.name}:{self.sent}".encode(), key, partition=self.sent % PARTITIONS,
                                      on_delivery=told)
                self.sent += 1
                self.producer.poll(0)
            except BufferError:
                self.producer.poll(0.01)
        self.producer.flush(120)

    def count(self):
        """Records that were acknowledged."""
        return len(self.acknowledged)


class Transactional(Client):
    """Transactions of a few records; one in four is aborted. What became of each is kept by its number."""

    def __init__(self, bootstrap, name, draw, codec="none"):
        super().__init__(name)
        self.bootstrap, self.draw, self.codec = bootstrap, draw, codec
        self.outcome, self.size, self.producer = {}, {}, None

    def introduced(self):
        producer = Producer({**EAGER, "bootstrap.servers": self.bootstrap, "transactional.id": self.name, "linger.ms": 1,
                             "transaction.timeout.ms": 60_000, "message.timeout.ms": 60_000, "compression.type": self.codec})
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

    def work(self):
        producer = self.producer or self.introduced()
        while not self.done.is_set():
            number = len(self.outcome) + 1
            self.size[number], self.outcome[number] = self.draw.randint(1, 60), "unknown"
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
                    producer = self.introduced()
        self.producer = producer

    def count(self):
        """Records of transactions that were committed."""
        return sum(self.size[n] for n, what in list(self.outcome.items()) if what == "committed")


@contextlib.contextmanager
def at_work(clients):
    """Everybody works while the block runs, and has finished what was begun when it ends."""
    threads = []
    for client in clients:
        client.done.clear()
        threads.append(threading.Thread(target=client.run, name=client.name, daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for client in clients:
            client.done.set()
    for thread in threads:
        thread.join(200)
        assert not thread.is_alive(), thread.name
    assert all(c.wrong is None for c in clients), [c.wrong for c in clients]


class Reader(threading.Thread):
    """What a reader of committed records sees while all this happens, by partition."""

    def __init__(self, bootstrap):
        super().__init__(daemon=True)
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


def nothing_is_lost(plain, transactional, seen):
    """Of what was acknowledged; nothing comes twice, nothing aborted is seen, order is kept."""
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
