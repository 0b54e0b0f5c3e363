"""kill -9 again and again under idempotent producers, transactional producers and a reader of what is committed: nothing that
was acknowledged is lost or comes twice, nothing aborted is seen, order is kept."""
import collections
import os
import random
import socket
import struct
import time

import pytest

from load import PARTITIONS, Idempotent, Reader, Transactional, at_work, create, nothing_is_lost
from server import free_port

RECORDS_A_KILL = 1_000


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


@pytest.mark.kafka
@pytest.mark.parametrize("wanted", [10, pytest.param(100, marks=pytest.mark.wide)])
def test_kills_lose_nothing_that_was_acknowledged(start, wanted):
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}")
    draw = random.Random(seed)
    andiron = start(kafka_port=free_port())
    port = int(andiron.bootstrap.rsplit(":", 1)[1])
    for topic in ("plain", "txn"):
        create(andiron.bootstrap, topic, PARTITIONS)
    plain = [Idempotent(andiron.bootstrap, f"i{n}") for n in range(2)]
    transactional = [Transactional(andiron.bootstrap, f"t{n}", random.Random(seed + n)) for n in range(2)]
    clients = [*plain, *transactional]
    reader = Reader(andiron.bootstrap)
    reader.start()
    kills = 0

    def acknowledged():
        return sum(c.count() for c in clients)

    deadline = time.monotonic() + 500
    with at_work(clients):
        while kills < wanted or acknowledged() < wanted * RECORDS_A_KILL:
            assert time.monotonic() < deadline, f"{kills} kills, {acknowledged()} records acknowledged"
            assert all(c.wrong is None for c in clients)
            answers(port)
            time.sleep(draw.uniform(0, 0.5))
            if kills < wanted:
                andiron.kill()
                andiron.start()
                kills += 1
    seen = reader.to_the_end()
    outcomes = collections.Counter(what for t in transactional for what in t.outcome.values())
    print(f"{kills} kills, {acknowledged()} records acknowledged, transactions: {dict(outcomes)}")
    nothing_is_lost(plain, transactional, seen)
