"""Consumer groups of KIP-848, judged by librdkafka, by Java's consumer and tools, and by Apache Kafka's own coordinator:
the same heartbeats are sent to both, and the same folder is opened by both."""
import base64
import contextlib
import pathlib
import re
import socket
import struct
import threading
import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from peers import ApacheKafka, jars, tool
from server import free_port

pytestmark = pytest.mark.kafka
AT_ONCE = {"group.consumer.assignment.interval.ms": 0}
LOADING = (14, 15, 16)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Apache Kafka, for the cases that ask both."""
    jars("kafka")
    server = ApacheKafka(tmp_path_factory.mktemp("kafka"), overrides=AT_ONCE).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ours(binary, tmp_path_factory):
    """Andiron with the same settings."""
    from server import Andiron
    overrides = [f"{k}={v}" for k, v in AT_ONCE.items()]
    server = Andiron(binary, tmp_path_factory.mktemp("andiron"), overrides=overrides).start()
    yield server
    server.stop()


def create(bootstrap, topic, partitions=1):
    admin = AdminClient({"bootstrap.servers": bootstrap})  # its futures die with it
    admin.create_topics([NewTopic(topic, partitions)])[topic].result()
    deadline = time.monotonic() + 20
    while True:
        try:
            described = admin.describe_topics(TopicCollection([topic]))[topic].result()
            break
        except KafkaException:  # Apache Kafka answers a creation before it knows the topic
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    return base64.urlsafe_b64decode(str(described.topic_id) + "==")


def produce(bootstrap, topic, values, partitions):
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
    for i, value in enumerate(values):
        producer.produce(topic, value=value, partition=i % partitions)
        producer.poll(0)
    assert producer.flush(30) == 0


def consumer(bootstrap, group, **config):
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "group.protocol": "consumer",
                     "auto.offset.reset": "earliest", "enable.auto.commit": False, **config})


def until(what, *consumers, seconds=60):
    """Polls consumers until `what` holds."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, [sorted((t.topic, t.partition) for t in c.assignment()) for c in consumers]
        for one in consumers:
            one.poll(0.1)


def held(one):
    return {(t.topic, t.partition) for t in one.assignment()}


def read(consumers, count, seconds=60):
    got, deadline = [], time.monotonic() + seconds
    while len(got) < count and time.monotonic() < deadline:
        for one in consumers:
            got += [m for m in one.consume(500, timeout=0.2) if m.error() is None]
    return got


# ---------------------------------------------------------------------------------------------- heartbeats, byte by byte

class Wire:
    """ConsumerGroupHeartbeat version 1, with ids and epochs of the caller's own choice."""

    def __init__(self, bootstrap, client="wire"):
        host, port = bootstrap.rsplit(":", 1)
        self.socket, self.client = socket.create_connection((host, int(port)), 30), client.encode()

    def ask(self, key, version, body):
        header = struct.pack(">hhih", key, version, 7, len(self.client)) + self.client + b"\0"
        self.socket.sendall(struct.pack(">i", len(header + body)) + header + body)
        size = struct.unpack(">i", self._take(4))[0]
        return self._take(size)[5:]

    def _take(self, count):
        got = b""
        while len(got) < count:
            got += self.socket.recv(count - len(got)) or pytest.fail("the connection was closed")
        return got

    def beat(self, group, member, epoch, topics=None, regex=None, owns=None, instance=None, rebalance=None, assignor=None):
        joins = epoch == 0
        owns = {} if owns is None and joins else owns
        rebalance = rebalance if rebalance is not None else 30_000 if joins else -1
        body = _text(group) + _text(member) + struct.pack(">i", epoch) + _text(instance) + _text(None) + struct.pack(">i", rebalance)
        body += _array(topics, _text) + _text(regex) + _text(assignor)
        body += _array(None if owns is None else owns.items(), lambda of: of[0] + _array(of[1], lambda p: struct.pack(">i", p)) + b"\0")
        deadline = time.monotonic() + 30
        while True:
            answer = _Reader(self.ask(68, 1, body + b"\0"))
            answer.take(">i")
            error, message, member_id = answer.take(">h"), answer.text(), answer.text()
            epoch, _ = answer.take(">i"), answer.take(">i")
            has = None
            if answer.take(">b") == 1:
                has = {}
                for _ in range(answer.count()):
                    topic = answer.bytes(16)
                    has[topic] = sorted(answer.take(">i") for _ in range(answer.count()))
                    answer.take(">b")
            if error not in LOADING or time.monotonic() > deadline:
                return error, message, member_id, epoch, has
            time.sleep(0.1)


def _varint(n):
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def _text(text):
    return b"\0" if text is None else _varint(len(text) + 1) + text.encode()


def _array(items, one):
    return b"\0" if items is None else _varint(len(items) + 1) + b"".join(map(one, items))


class _Reader:
    def __init__(self, data):
        self.data = data

    def bytes(self, count):
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def take(self, kind):
        return struct.unpack(kind, self.bytes(struct.calcsize(kind)))[0]

    def count(self):
        n = shift = 0
        while True:
            byte = self.take(">B")
            n, shift = n | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                return n - 1

    def text(self):
        count = self.count()
        return None if count < 0 else self.bytes(count).decode()


def wake(bootstrap):
    """Has the coordinator's topic created."""
    asking = Consumer({"bootstrap.servers": bootstrap, "group.id": "waker"})
    with contextlib.suppress(KafkaException):
        asking.committed([TopicPartition("nothing", 0)], timeout=20)
    asking.close()


def story(bootstrap, suffix):
    """What a coordinator says to one course of events; topic ids by the topics' names."""
    wake(bootstrap)
    t, u = f"t{suffix}", f"u{suffix}"
    ids = {create(bootstrap, t, 6): "t"}
    time.sleep(2)  # a coordinator of Apache Kafka hears of a topic later than its clients
    owned = {name: topic for topic, name in ids.items()}
    wire, said = Wire(bootstrap), []

    def beat(*args, owns=None, **kwargs):
        if owns is not None:
            owns = {owned[name]: partitions for name, partitions in owns.items()}
        error, message, member, epoch, has = wire.beat(f"story{suffix}", *args, owns=owns, **kwargs)
        message = message and message.replace(suffix, "")
        said.append((error, message, member, epoch, has and {ids[topic]: p for topic, p in has.items()}))

    beat("", 0, topics=[t])
    beat("m1", 3)
    beat("m1", -1)
    beat("m1", 0, topics=[t], assignor="none")
    beat("m1", 0, topics=[t], rebalance=-1)
    beat("m1", 0, topics=[t])
    beat("m2", 0, topics=[t])
    beat("m3", 0, topics=[t, u])
    beat("m1", 2, owns={"t": [0, 1, 2, 3, 4, 5]})
    beat("m1", 2, owns={"t": [0, 1]})
    beat("m2", 3)
    beat("m3", 4)
    beat("m2", 4)
    beat("m2", 4, topics=[t], rebalance=30_000, owns={"t": []})
    beat("m1", 99)
    beat("m1", 1)
    beat("m9", 1)
    ids[create(bootstrap, u, 2)] = "u"
    time.sleep(2)
    for _ in range(3):
        beat("m3", said[-1][3] if said[-1][3] > 0 else 4)
    beat("m1", 4)
    beat("m4", 0, topics=[t], instance="i1")
    beat("m5", 0, topics=[t], instance="i1")
    beat("m4", -2, instance="i1")
    beat("m5", 0, topics=[t], instance="i1")
    beat("m4", 6, instance="i1")
    beat("m4", -1, instance="i1")
    beat("m5", -1, instance="i1")
    beat("m2", -1)
    beat("m3", -1)
    beat("m1", 4)
    beat("m1", 0, topics=[t], assignor="range")
    beat("m6", 0, topics=[t], assignor="range")
    beat("m1", -1)
    beat("m6", -1)
    return said


@pytest.mark.wide
def test_both_coordinators_say_the_same(ours, original):
    here, there = story(ours.bootstrap, "-a"), story(original.bootstrap, "-a")
    for step, (mine, theirs) in enumerate(zip(here, there)):
        assert mine == theirs, f"step {step}: {mine} here, {theirs} there"
    assert len(here) == len(there) > 30


def show(bootstrap, group):
    """What Apache Kafka's tools print of a group."""
    command = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
    at = ("--bootstrap-server", bootstrap)
    out = [tool(command, *at, "--describe", "--group", group, *more).replace(bootstrap, "BROKER")
           for more in ([], ["--members", "--verbose"], ["--state"])]
    out.append(tool(command, *at, "--list", "--state"))
    out.append(tool("org.apache.kafka.tools.GroupsCommand", *at, "--list", "--group-type", "consumer"))
    return [sorted(line.split() for line in text.splitlines() if group in line or line.startswith("GROUP")) for text in out]


def shown(bootstrap):
    wake(bootstrap)
    topic = create(bootstrap, "shown", 3)
    time.sleep(2)
    wire = Wire(bootstrap)
    wire.beat("show", "m1", 0, topics=["shown"])
    wire.beat("show", "m2", 0, topics=["shown", "not-there-yet"], instance="i")
    wire.beat("show", "m1", 2)
    before = show(bootstrap, "show")
    wire.beat("show", "m1", 2, owns={topic: [0, 1]})
    wire.beat("show", "m2", 3)
    after = show(bootstrap, "show")
    wire.beat("show", "m1", -1)
    wire.beat("show", "m2", -1, instance="i")
    return before, after


@pytest.mark.wide
def test_the_tools_of_apache_kafka_show_the_same_of_both(ours, original):
    here, there = shown(ours.bootstrap), shown(original.bootstrap)
    assert here == there
    assert here[0] != here[1] and any("Reconciling" in line for text in here[0] for line in text)


# ------------------------------------------------------------------------------------------------------------ librdkafka

def test_three_members_come_share_read_and_go(andiron):
    create(andiron.bootstrap, "three", 6)
    values = [b"%d" % i for i in range(600)]
    produce(andiron.bootstrap, "three", values, 6)
    first, second, third = (consumer(andiron.bootstrap, "three") for _ in range(3))
    first.subscribe(["three"])
    until(lambda: len(held(first)) == 6, first)
    second.subscribe(["three"])
    until(lambda: len(held(first)) == len(held(second)) == 3, first, second)
    third.subscribe(["three"])
    until(lambda: all(len(held(c)) == 2 for c in (first, second, third)), first, second, third)
    assert held(first) | held(second) | held(third) == {("three", p) for p in range(6)}
    admin = AdminClient({"bootstrap.servers": andiron.bootstrap})
    described = admin.describe_consumer_groups(["three"])["three"].result()
    assert (str(described.state), str(described.type), len(described.members)) == ("ConsumerGroupState.STABLE", "ConsumerGroupType.CONSUMER", 3)
    for one in (first, second, third):
        with contextlib.suppress(KafkaException):
            one.commit(asynchronous=False)
    third.close()
    second.close()
    until(lambda: len(held(first)) == 6, first)
    first.close()


def test_every_record_is_read_once_while_members_change_and_the_broker_is_killed(start):
    port = free_port()
    andiron = start(kafka_port=port)
    create(andiron.bootstrap, "through", 4)
    produce(andiron.bootstrap, "through", [b"%d" % i for i in range(1_000)], 4)
    first = consumer(andiron.bootstrap, "through")
    first.subscribe(["through"])
    got = read([first], 400)
    first.commit(asynchronous=False)
    before = held(first)
    andiron.kill()
    andiron.start()
    produce(andiron.bootstrap, "through", [b"%d" % i for i in range(1_000, 2_000)], 4)
    second = consumer(andiron.bootstrap, "through")
    second.subscribe(["through"])
    got += read([first, second], 2_000 - len(got))
    assert {m.value() for m in got} == {b"%d" % i for i in range(2_000)}
    assert before == {("through", p) for p in range(4)}
    until(lambda: len(held(first)) == len(held(second)) == 2, first, second)
    first.close()
    second.close()


def test_a_static_member_keeps_its_place(andiron):
    create(andiron.bootstrap, "static", 4)
    members = [consumer(andiron.bootstrap, "static", **{"group.instance.id": f"i{n}"}) for n in range(2)]
    for one in members:
        one.subscribe(["static"])
    until(lambda: all(len(held(c)) == 2 for c in members), *members)
    kept, place = held(members[1]), held(members[0])
    members[1].close()
    back = consumer(andiron.bootstrap, "static", **{"group.instance.id": "i1"})
    back.subscribe(["static"])
    until(lambda: held(back) == kept, members[0], back)
    assert held(members[0]) == place, "nobody else was disturbed"
    twice = consumer(andiron.bootstrap, "static", **{"group.instance.id": "i1"})
    twice.subscribe(["static"])
    with pytest.raises(KafkaException) as refused:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            message = twice.poll(0.5)
            if message is not None and message.error():
                raise KafkaException(message.error())
    assert "instance ID is still used by another member" in str(refused.value), refused.value
    for one in (members[0], back, twice):
        one.close()


def test_a_pattern_finds_topics_old_and_new(andiron):
    create(andiron.bootstrap, "match-1", 2)
    create(andiron.bootstrap, "other", 1)
    one = consumer(andiron.bootstrap, "pattern")
    one.subscribe(["^match-.*"])
    until(lambda: held(one) == {("match-1", 0), ("match-1", 1)}, one)
    create(andiron.bootstrap, "match-2", 1)
    until(lambda: len(held(one)) == 3, one)
    admin = AdminClient({"bootstrap.servers": andiron.bootstrap})
    admin.create_partitions([NewPartitions("match-2", 2)])["match-2"].result()
    until(lambda: len(held(one)) == 4, one)
    one.close()


def test_commits_of_members_and_of_others(andiron):
    create(andiron.bootstrap, "commits", 2)
    produce(andiron.bootstrap, "commits", [b"x"] * 20, 2)
    one = consumer(andiron.bootstrap, "commits")
    one.subscribe(["commits"])
    assert len(read([one], 20)) == 20
    one.commit(asynchronous=False)
    outsider = Consumer({"bootstrap.servers": andiron.bootstrap, "group.id": "commits"})
    with pytest.raises(KafkaException) as refused:
        outsider.commit(offsets=[TopicPartition("commits", 0, 1)], asynchronous=False)
    assert refused.value.args[0].code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError._FAIL, KafkaError.STALE_MEMBER_EPOCH)
    one.close()
    again = consumer(andiron.bootstrap, "commits")
    again.subscribe(["commits"])
    until(lambda: len(held(again)) == 2, again)
    assert [t.offset for t in again.committed([TopicPartition("commits", p) for p in range(2)], timeout=10)] == [10, 10]
    again.close()
    outsider.close()


# --------------------------------------------------------------------------------------------------- both protocols, Java

def listed(bootstrap, group):
    admin = AdminClient({"bootstrap.servers": bootstrap})  # its futures die with it
    groups = admin.list_consumer_groups().result().valid
    return next((str(g.type).rsplit(".", 1)[-1] for g in groups if g.group_id == group), None)


def test_a_classic_group_changes_its_protocol_and_back_with_members_in_it(andiron):
    from kafka import KafkaConsumer
    create(andiron.bootstrap, "mixed", 4)
    old = KafkaConsumer("mixed", bootstrap_servers=andiron.bootstrap, group_id="mixed", auto_offset_reset="earliest")
    deadline = time.monotonic() + 40
    while len(old.assignment()) < 4 and time.monotonic() < deadline:
        old.poll(200)
    assert len(old.assignment()) == 4 and listed(andiron.bootstrap, "mixed") == "CLASSIC"
    stop = threading.Event()

    def keep_polling():
        while not stop.is_set():
            old.poll(200)

    polling = threading.Thread(target=keep_polling)
    polling.start()
    try:
        new = consumer(andiron.bootstrap, "mixed")
        new.subscribe(["mixed"])
        until(lambda: len(held(new)) == 2 and len(old.assignment()) == 2, new)
        assert listed(andiron.bootstrap, "mixed") == "CONSUMER"
        assert held(new).isdisjoint({(t.topic, t.partition) for t in old.assignment()})
        new.close()
        deadline = time.monotonic() + 40
        while len(old.assignment()) < 4 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert len(old.assignment()) == 4 and listed(andiron.bootstrap, "mixed") == "CLASSIC"
    finally:
        stop.set()
        polling.join()
    old.close()


def test_java_s_consumer_reads_with_the_new_protocol(andiron):
    create(andiron.bootstrap, "java", 3)
    lines = [b"line %d" % i for i in range(90)]
    produce(andiron.bootstrap, "java", lines, 3)
    out = tool("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", andiron.bootstrap, "--topic", "java",
               "--group", "java", "--from-beginning", "--max-messages", "90", "--timeout-ms", "60000",
               "--command-property", "group.protocol=consumer")
    assert sorted(out.encode().splitlines()) == sorted(lines)
    assert listed(andiron.bootstrap, "java") == "CONSUMER"
    out = tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--bootstrap-server", andiron.bootstrap,
               "--delete-offsets", "--group", "java", "--topic", "java:0")
    assert re.search(r"java\s+0\s+Successful", out), out


# ------------------------------------------------------------------------------------------------------------- the folder

def decoded(log_dir):
    logs = sorted(pathlib.Path(log_dir).glob("__consumer_offsets-*/*.log"))
    logs = [log for log in logs if log.stat().st_size]
    return tool("org.apache.kafka.tools.DumpLogSegments", "--offsets-decoder", "--files", ",".join(map(str, logs)))


class Settling:
    """Members that behave well: they give up what is taken from them, and take what they are given."""

    def __init__(self, topic, **epochs):
        self.topic, self.state = topic, {member: (epoch, []) for member, epoch in epochs.items()}

    def join(self, wire, member):
        error, message, _, epoch, has = wire.beat("kept", member, 0, topics=["kept"])
        assert error == 0, message
        self.state[member] = (epoch, (has or {}).get(self.topic, []))

    def settled(self, wire):
        """Beats until nothing moves; epoch and partitions of each."""
        deadline, quiet = time.monotonic() + 40, 0
        while quiet < 2:
            assert time.monotonic() < deadline, self.state
            quiet += 1
            for member, (epoch, has) in self.state.items():
                wants = {"regex": "kep.*", "instance": "i"} if member == "static" else {"topics": ["kept"]}
                error, message, _, now, told = wire.beat("kept", member, epoch, owns={self.topic: has}, rebalance=30_000, **wants)
                assert error == 0, (member, error, message)
                now = (now, (told or {}).get(self.topic, []))
                if now != self.state[member]:
                    self.state[member], quiet = now, 0
        return dict(self.state)


@pytest.mark.wide
def test_a_folder_goes_from_apache_kafka_to_here_and_back_with_members_in_a_group(original, start, tmp_path):
    """Members go on with the ids and epochs they have, in the group as it was."""
    del original  # its presence says that there is a Java
    kafka = ApacheKafka(tmp_path / "data", overrides={**AT_ONCE, "offsets.topic.num.partitions": 1}).start()
    wake(kafka.bootstrap)
    members = Settling(create(kafka.bootstrap, "kept", 4))
    wire = Wire(kafka.bootstrap)
    members.join(wire, "m1")
    error, message, _, epoch, _ = wire.beat("kept", "static", 0, regex="kep.*", instance="i")
    assert error == 0, message
    members.state["static"] = (epoch, [])
    time.sleep(1)
    settled = members.settled(wire)
    assert sorted(p for _, has in settled.values() for p in has) == [0, 1, 2, 3]
    kafka.stop()

    andiron = start(folder=tmp_path / "data", overrides=[f"{k}={v}" for k, v in AT_ONCE.items()])
    wire = Wire(andiron.bootstrap)
    assert members.settled(wire) == settled, "nothing has changed: no new epoch"
    members.join(wire, "m3")
    moved = members.settled(wire)
    assert sorted(p for _, has in moved.values() for p in has) == [0, 1, 2, 3] and all(has for _, has in moved.values())
    andiron.stop()
    out = decoded(andiron.log_dir)
    for kind in (3, 5, 6, 7, 8, 16):
        assert f'key: {{"type":"{kind}"' in out, f"Apache Kafka decodes no record of type {kind}: {out[-3000:]}"
    assert '"memberId":"m3"' in out

    kafka.start()
    assert members.settled(Wire(kafka.bootstrap)) == moved
    kafka.stop()
