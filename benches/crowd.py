"""What a crowd costs one broker: idle connections, partitions, members of a group, a reader that hardly reads. After each the
broker's memory is printed and a client that has nothing to do with it is served; a limit that is crossed ends the run."""
import pathlib
import resource
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time

import measure
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from server import Andiron, free_port

CONNECTIONS, TOPICS, PARTITIONS_EACH, MEMBERS, FETCH_BYTES = 10_000, 10, 1_000, 500, 50_000_000
# Resident megabytes of the broker: half again of what is needed now.
LIMITS_MB = {"idle connections": 120, "partitions": 200, "members": 300, "a slow reader": 300}
QUIET = {"log_level": 0, "log.connection.close": False}


def served(bootstrap, topic):
    """Milliseconds until a record that is sent now has been read back by a client of its own."""
    began = time.monotonic()
    told = []
    producer = Producer({**QUIET, "bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 0})
    producer.produce(topic, b"x", on_delivery=lambda error, message: told.append((error, message.offset())))
    producer.flush(30)
    assert told and told[0][0] is None, told
    consumer = Consumer({**QUIET, "bootstrap.servers": bootstrap, "group.id": "served", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, told[0][1])])
    message = consumer.poll(30)
    assert message is not None and message.error() is None, message
    consumer.close()
    return (time.monotonic() - began) * 1000


def api_versions(s):
    """Asks on an open connection; true when the answer has no error."""
    s.sendall(struct.pack(">ihhih5s", 15, 18, 0, 7, 5, b"crowd"))
    size = struct.unpack(">i", s.recv(4, socket.MSG_WAITALL))[0]
    return struct.unpack(">ih", s.recv(size, socket.MSG_WAITALL)[:6]) == (7, 0)


def idle_connections(port):
    held = []
    for n in range(CONNECTIONS):
        s = socket.create_connection(("127.0.0.1", port), timeout=30)
        # One in ten has said something.
        if n % 10 == 0:
            assert api_versions(s)
        held.append(s)
    assert all(api_versions(s) for s in held[1::1000])
    return held


def partitions(bootstrap):
    admin = AdminClient({**QUIET, "bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(f"wide-{n}", PARTITIONS_EACH) for n in range(TOPICS)],
                                      operation_timeout=120, request_timeout=120).values():
        future.result()
    producer = Producer({**QUIET, "bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 50})
    refused = []
    for n in range(TOPICS):
        for partition in range(PARTITIONS_EACH):
            producer.produce(f"wide-{n}", b"one", partition=partition, on_delivery=lambda e, _: e and refused.append(e))
        producer.poll(0)
    producer.flush(300)
    assert not refused, refused[:3]


def members(bootstrap):
    """A group of KIP-848 in which every partition has one member in the end; the members, and a thread that polls them."""
    group, done = [], threading.Event()
    for _ in range(MEMBERS):
        consumer = Consumer({**QUIET, "bootstrap.servers": bootstrap, "group.id": "crowd", "group.protocol": "consumer",
                             "auto.offset.reset": "earliest", "queued.max.messages.kbytes": 64})
        consumer.subscribe(["wide-0"])
        group.append(consumer)

    def poll():
        while not done.is_set():
            for consumer in group:
                consumer.poll(0)
            done.wait(0.05)

    thread = threading.Thread(target=poll)
    thread.start()
    deadline = time.monotonic() + 180
    while True:
        shares = [len(consumer.assignment()) for consumer in group]
        if sum(shares) == PARTITIONS_EACH and min(shares) > 0:
            break
        assert time.monotonic() < deadline, f"{sum(1 for s in shares if s)} members hold {sum(shares)} partitions"
        time.sleep(0.2)

    def close():
        done.set()
        thread.join()
        closing = [threading.Thread(target=consumer.close) for consumer in group]
        for one in closing:
            one.start()
        for one in closing:
            one.join()

    return close


def slow_reader(port, topic, seconds):
    """Fetches 50 MB and takes a byte a second of it."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", port))
    name = topic.encode()
    body = struct.pack(">iiiib", -1, 500, 1, FETCH_BYTES, 0) + struct.pack(">i", 1) + struct.pack(">h", len(name)) + name
    body += struct.pack(">iiqi", 1, 0, 0, FETCH_BYTES)
    head = struct.pack(">hhih5s", 1, 4, 9, 5, b"crowd")
    s.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
    size = struct.unpack(">i", s.recv(4, socket.MSG_WAITALL))[0]
    assert size > FETCH_BYTES * 0.9, size
    for _ in range(seconds):
        assert len(s.recv(1)) == 1
        time.sleep(1)
    return s


def main():
    binary, folder = sys.argv[1], pathlib.Path(tempfile.mkdtemp(prefix="andiron-bench-"))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Andiron(binary, folder / "andiron", kafka_port=free_port(),
                     overrides=["group.consumer.max.size=1000", "num.network.threads=3"]).start()
    port, rows = int(server.bootstrap.rsplit(":", 1)[1]), []

    def note(what, began):
        took, ms = time.monotonic() - began, served(server.bootstrap, "apart")
        resident = measure.memory_mb(server.process.pid)
        rows.append((what, f"{took:.1f}", f"{resident:.0f}", f"{ms:.0f}"))
        print(f"  {what}: {took:.1f} s, {resident:.0f} MB, another client is served in {ms:.0f} ms", flush=True)
        limit = next((mb for name, mb in LIMITS_MB.items() if name in what), None)
        if limit and resident > limit:
            sys.exit(f"{what}: {resident:.0f} MB resident, {limit} are allowed")

    try:
        admin = AdminClient({**QUIET, "bootstrap.servers": server.bootstrap})
        for future in admin.create_topics([NewTopic("apart", 1), NewTopic("bulk", 1)]).values():
            future.result()
        note("at first", time.monotonic())
        began = time.monotonic()
        held = idle_connections(port)
        note(f"{CONNECTIONS:,} idle connections", began)
        began = time.monotonic()
        partitions(server.bootstrap)
        note(f"{TOPICS * PARTITIONS_EACH:,} partitions, a record in each", began)
        began = time.monotonic()
        close = members(server.bootstrap)
        note(f"a group of {MEMBERS} members", began)
        close()
        producer = Producer({**QUIET, "bootstrap.servers": server.bootstrap, "acks": "all"})
        for _ in range(FETCH_BYTES // 100_000 + 10):
            producer.produce("bulk", bytes(100_000))
            producer.poll(0)
        producer.flush(60)
        began = time.monotonic()
        reader = slow_reader(port, "bulk", 10)
        note("a slow reader of 50 MB, after ten bytes", began)
        reader.close()
        began = time.monotonic()
        for s in held:
            s.close()
        note("the connections have gone", began)
        began = time.monotonic()
        server.stop()
        rows.append(("stopped", f"{time.monotonic() - began:.1f}", "-", "-"))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    measure.table("bench crowd: one broker, and who comes to it one after the other", ["seconds", "resident, MB", "another is served in, ms"], rows)


main()
