"""What the judges share: the binary under test, a server of one's own, topics and records."""
import collections
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests/peers")]

import pairs  # noqa: E402
from peers import Missing, jars  # noqa: E402
from server import Andiron  # noqa: E402
from tools_table import DIFFERENT  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "kafka: judged by a Kafka client or tool")
    config.addinivalue_line("markers", "spark: judged by PySpark")
    config.addinivalue_line("markers", "wide: beside Apache Kafka at length; run by `cargo xtask judges --wide`")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """A judge whose language is not on this machine is named and not run; a failure where CI=true."""
    try:
        return (yield)
    except Missing as why:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(why))


@pytest.fixture(autouse=True)
def compared(record_property):
    """What a case compared is told to whoever started the case."""
    before = pairs.COMPARED.copy()
    yield
    record_property("compared", [[*key, number] for key, number in (pairs.COMPARED - before).items()])


def pytest_terminal_summary(terminalreporter):
    """How many invocations of each tool were compared with Apache Kafka's own, one a broker."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    total = collections.Counter()
    for report in reports:
        if getattr(report, "when", None) == "teardown":
            for tool, kind, number in dict(report.user_properties).get("compared", []):
                total[tool, kind] += number
    tools = sorted({tool for tool, _ in total})
    for tool in tools:
        terminalreporter.write_line(f"{tool}: {total[tool, 'successes']} successes, {total[tool, 'failures']} failures")
    if tools:
        terminalreporter.write_line(f"{len(tools)} tools: {total.total()} invocations compared")
        for tool, what, why in DIFFERENT:
            terminalreporter.write_line(f"not compared: {tool} {what}: {why}")


@pytest.fixture(scope="session")
def binary():
    """The binary that is judged."""
    return os.environ["ANDIRON"]


@pytest.fixture(scope="module")
def java():
    """What is judged needs Java and Maven."""
    jars("kafka")


@pytest.fixture
def start(binary, tmp_path):
    """start(**options) -> a running Andiron on a folder of its own, stopped when the case ends."""
    running = []

    def begin(folder=None, **options):
        andiron = Andiron(binary, folder or tmp_path / "andiron", **options).start()
        running.append(andiron)
        return andiron

    yield begin
    for andiron in running:
        andiron.stop()


@pytest.fixture(scope="module")
def andiron(binary, tmp_path_factory):
    """One server for the cases of a file."""
    server = Andiron(binary, tmp_path_factory.mktemp("andiron")).start()
    yield server
    server.stop()
