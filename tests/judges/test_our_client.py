"""Our own Kafka client (crates/client/tests), judged over two brokers: ours, and Apache Kafka itself."""
import os
import subprocess
import sys
import threading

import pytest

from peers import ApacheKafka, jars, tool
from server import Andiron, free_port

pytestmark = pytest.mark.kafka
RESTART = "judged::an_idempotent_producer_writes_each_record_once_across_a_restart"


@pytest.fixture
def broker(request, binary, tmp_path):
    if request.param == "andiron":
        server = Andiron(binary, tmp_path / "data", kafka_port=free_port())
    else:
        jars("kafka")
        server = ApacheKafka(tmp_path / "data")
    server.start()
    yield server
    server.stop()


BOTH = pytest.mark.parametrize("broker", ["andiron", pytest.param("apache-kafka", marks=pytest.mark.wide)], indirect=True)


@BOTH
def test_our_client(broker):
    run_cases(broker, "--skip", RESTART)


@BOTH
def test_our_client_while_the_broker_is_killed(broker, tmp_path):
    asked, done = tmp_path / "asked", tmp_path / "done"
    os.mkfifo(asked)
    os.mkfifo(done)

    def restart():
        with open(asked):
            broker.kill()
            broker.start()
        with open(done, "w") as answer:
            answer.write("started\n")

    threading.Thread(target=restart, daemon=True).start()
    run_cases(broker, RESTART, restart=f"echo now > {asked}; cat {done}")


@pytest.mark.wide
@pytest.mark.parametrize("broker", ["apache-kafka"], indirect=True)
def test_our_transactions_of_the_first_version(broker):
    """A cluster that was not told to have KIP-890 yet: partitions are added before they are written to."""
    tool("org.apache.kafka.tools.FeatureCommand", "--bootstrap-server", broker.bootstrap, "downgrade", "--feature",
         "transaction.version=1")
    run_cases(broker, "transactions::")


def run_cases(broker, *filters, restart=""):
    ran = subprocess.run(
        # Groups mostly wait, so their cases wait together.
        [os.environ["ANDIRON_CLIENT_TESTS"], "--include-ignored", "--test-threads=8", *filters], capture_output=True, text=True, timeout=600,
        env={**os.environ, "ANDIRON_TEST_BOOTSTRAP": broker.bootstrap, "ANDIRON_TEST_PYTHON": sys.executable,
             "ANDIRON_TEST_RESTART": restart})
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-3000:]
    assert "0 passed" not in ran.stdout, ran.stdout
