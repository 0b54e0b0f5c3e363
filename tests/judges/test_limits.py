"""What a broker takes from one client: partitions made in a second, connections at once and in a second. Apache Kafka and Andiron
are given the same limits and must turn the same away, in the same words."""
import os
import socket
import struct
import subprocess
import time

import pytest

from peers import ApacheKafka, tool
from server import Andiron

pytestmark = pytest.mark.kafka
AN_ADDRESS_MAX = 3
TOPICS = "org.apache.kafka.tools.TopicCommand"


@pytest.fixture(scope="module", params=["Apache Kafka", "Andiron"])
def broker(request, binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    started = ApacheKafka(folder) if request.param == "Apache Kafka" else Andiron(binary, folder)
    yield started.start()
    started.stop()


def topics(broker, *words):
    """What kafka-topics says first, and for how long it was at it."""
    began = time.monotonic()
    try:
        said = tool(TOPICS, "--bootstrap-server", broker.bootstrap, *words)
    except AssertionError as complaint:
        said = str(complaint).split("\n", 1)[1]
    return said.splitlines()[0] if said else "", time.monotonic() - began


def limit(broker, entity, *what):
    """Through our own kafka-configs, which starts in milliseconds."""
    command = [os.environ["ANDIRON"], "kafka-configs", "--bootstrap-server", broker.bootstrap, "--alter", *entity, *what]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def answered(broker, wait=5.0):
    """A connection on which ApiVersions was answered, or none if it was closed or says nothing."""
    host, port = broker.bootstrap.rsplit(":", 1)
    s = socket.create_connection((host, int(port)), timeout=wait)
    try:
        s.sendall(struct.pack(">ihhih5s", 15, 18, 0, 7, 5, b"judge"))
        if len(s.recv(4, socket.MSG_WAITALL)) == 4:
            return s
    except OSError:
        pass
    s.close()
    return None


def test_partitions_beyond_the_rate_are_refused(broker):
    clients = ("--entity-type", "clients", "--entity-default")
    limit(broker, clients, "--add-config", "controller_mutation_rate=0.5")
    told = [topics(broker, "--create", "--topic", f"t{n}", "--partitions", "20")[0] for n in range(2)]
    refused = "Error while executing topic command : The throttling quota has been exceeded."
    assert told == ["Created topic t0.", refused]
    assert topics(broker, "--delete", "--topic", "t0")[0] == refused
    assert topics(broker, "--alter", "--topic", "t0", "--partitions", "21")[0] == refused
    limit(broker, clients, "--delete-config", "controller_mutation_rate")
    assert topics(broker, "--create", "--topic", "t1", "--partitions", "20")[0] == "Created topic t1."


def let_in(broker, tries):
    """How many of so many are let in while those before them stay."""
    inside = [one for one in (answered(broker) for _ in range(tries)) if one]
    for one in inside:
        one.close()
    return len(inside)


def becomes(wanted, act, seconds=60):
    """Whether it does: a broker learns of its configs a moment after the tool has been answered, and one who was told to wait is
    held, and counts, until his time is over, though he has hung up."""
    deadline = time.monotonic() + seconds
    while act() != wanted:
        if time.monotonic() > deadline:
            return False
    return True


def test_an_address_has_so_many_connections_and_no_more(broker):
    brokers, tries = ("--entity-type", "brokers", "--entity-default"), AN_ADDRESS_MAX + 2
    limit(broker, brokers, "--add-config", f"max.connections.per.ip={AN_ADDRESS_MAX}")
    assert becomes(AN_ADDRESS_MAX, lambda: let_in(broker, tries))
    limit(broker, brokers, "--delete-config", "max.connections.per.ip")
    assert becomes(tries, lambda: let_in(broker, tries))


def test_who_connects_too_often_is_kept_waiting_and_then_turned_away(broker):
    address = ("--entity-type", "ips", "--entity-name", "127.0.0.1")
    limit(broker, address, "--add-config", "connection_creation_rate=2")
    began, came, turned_away = time.monotonic(), 0, 0
    while not turned_away and time.monotonic() - began < 30:
        one = answered(broker)
        if one:
            came += 1
            one.close()
        else:
            turned_away += 1
    most = 2 * (11 + time.monotonic() - began) + 3
    assert turned_away and 5 <= came <= most, f"{came}, not up to {most}: two a second over eleven windows and the time since"
