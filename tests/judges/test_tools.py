"""Kafka's shell tools, ours and Apache Kafka's own, over both brokers: what they print, what they complain of and how they
exit must be the same. Each tool has a broker of each kind to itself, so that both find the same state under the same names.

A line of a table is `ok` or `no`, then the arguments; `no` is what ends in a complaint, whatever the exit code. Only what
cannot be the same is made alike before it is compared: ports, ids, times, the places in a Java stack trace, and the help."""
import collections
import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess
import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from pairs import FAILURES_MIN, SUCCESSES_MIN, count
from peers import ApacheKafka, Jvm, free_port, tool
from server import Andiron
from tools_table import CLASSES, LARGER, TABLES

pytestmark = [pytest.mark.kafka, pytest.mark.wide, pytest.mark.usefixtures("java")]


class Side:
    """A tool and a broker, with a folder for the files that its invocations name."""

    def __init__(self, tools, broker, server, folder, controller):
        self.tools, self.broker, self.server, self.folder = tools, broker, server, folder
        self.controller = f"127.0.0.1:{controller}"
        self.jvm = Jvm() if tools == "original" else None
        self.said = {}

    def words(self, text):
        text = text.replace("{server}", self.server.bootstrap).replace("{dir}", str(self.folder))
        text = text.replace("{controller}", self.controller)
        return [self.said.get(word[1:-1], word) if word.startswith("<") and word.endswith(">") else word
                for word in shlex.split(text)]

    def run(self, tool, text):
        words = self.words(text)
        if self.jvm:
            code, out, err = self.jvm.run([CLASSES[tool], *words])
        else:
            done = subprocess.run([os.environ["ANDIRON"], tool, *words], capture_output=True, text=True, timeout=150,
                                  cwd=self.folder, stdin=subprocess.DEVNULL)
            code, out, err = done.returncode, done.stdout, done.stderr
        return code, self.alike(out), complaints(self.alike(err))

    def stop(self):
        if self.jvm:
            self.jvm.close()
        self.server.stop()

    def alike(self, text):
        """The text without what is each run's own."""
        text = text.replace(str(self.folder), "{dir}").replace(str(self.server.log_dir), "{log}")
        text = text.replace(str(self.folder.parent / "data"), "{data}")
        text = text.replace(self.server.bootstrap, "{server}").replace(self.controller, "{controller}")
        for name, address in (("port", self.server.bootstrap), ("cport", self.controller)):
            text = re.sub(rf"\b{address.rsplit(':', 1)[1]}\b", f"{{{name}}}", text)
        text = re.sub(r"(?m)^(\tat |\t\.\.\. \d+ more).*\n", "", text)  # the places in a trace that a tool prints as output
        text = re.sub(r"\b[A-Za-z0-9_-]{22}\b(?<=[A-Za-z0-9_-]{22})", lambda m: "{id}" if looks_like_id(m[0]) else m[0], text)
        return text


def looks_like_id(text):
    """Kafka's ids are 22 characters of which some are of each kind."""
    return any(c.isupper() for c in text) and any(c.islower() for c in text) and not text.endswith("Exception")


def complaints(text):
    """Standard error without what a script cannot mean: stack traces, clients' own warnings, help."""
    lines, usage, logged = [], False, False
    for line in text.splitlines():
        # What this class of the client logs ends with an exception.
        of_log, logged = logged, False
        if of_log and re.match(r"^[\w.$]+(Exception|Error)\b", line):
            continue
        line = re.sub(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]", "[time]", line)
        if re.match(r"^(Option  |Option \(\* = required\)|Usage: )", line):
            break  # the help goes to the end
        if line.startswith("usage: "):
            usage = True
        if usage:
            if re.match(r"^\S+:\s+error:", line):
                usage = False
            else:
                continue
        if re.match(r"^(\tat |\t\.\.\. \d+ more|Did you mean )", line) or re.match(r"^ \(org\.apache\.kafka", line):
            continue
        if "org.apache.kafka.clients" in line and ("WARN" in line or "ERROR" in line) or "WARN No protocol" in line:
            logged = "PartitionLeaderStrategy" in line
            continue
        if not line.strip():
            continue
        line = re.sub(r"\s+", " ", line).strip()
        if lines and re.match(r"^\S+: error: ", lines[-1]):
            # argparse4j breaks its complaint at 75 columns, after a dash too.
            lines[-1] += ("" if lines[-1].endswith("-") else " ") + line
        else:
            lines.append(line)
    return " / ".join(lines)


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """The four pairings."""
    made = []
    for tools in ("original", "ours"):
        for broker in ("kafka", "andiron"):
            folder = tmp_path_factory.mktemp(f"{tools}-{broker}")
            # The tables' records are years old.
            kafka = ApacheKafka(folder / "data", overrides={"log.retention.ms": "-1"})
            server = kafka if broker == "kafka" else Andiron(
                os.environ["ANDIRON"], folder / "data", overrides=[f"{k}={v}" for k, v in kafka.properties.items()])
            files = folder / "files"
            files.mkdir()
            made.append(Side(tools, broker, server, files, kafka.controller))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda side: side.server.start(), made))
    yield made
    for side in made:
        side.stop()


def prepare(side, step):
    """What a table needs besides the tools: records, offsets, files."""
    what, *rest = step
    if what == "topic":
        topic, partitions = rest
        admin = AdminClient({"bootstrap.servers": side.server.bootstrap})
        new = NewTopic(topic, partitions, replication_factor=1, config={"retention.ms": "-1"})
        try:
            admin.create_topics([new])[topic].result()
        except KafkaException as error:
            assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS, error
    elif what == "produce":
        topic, partition, count = rest
        producer = Producer({"bootstrap.servers": side.server.bootstrap})
        for number in range(count):
            producer.produce(topic, value=f"{number}", partition=partition, timestamp=1_700_000_000_000 + number * 1000)
        assert producer.flush(30) == 0
    elif what == "commit":
        group, topic, partition, offset = rest
        consumer = Consumer({"bootstrap.servers": side.server.bootstrap, "group.id": group})
        consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
        consumer.close()
    elif what == "file":
        name, text = rest
        (side.folder / name).write_text(text.replace("{log}", str(side.server.log_dir)))
    elif what == "placed":
        topic, replicas = rest
        new = NewTopic(topic, len(replicas), replica_assignment=replicas)
        admin = AdminClient({"bootstrap.servers": side.server.bootstrap})
        admin.create_topics([new])[topic].result()
    elif what == "megabytes":
        topic, partition, count = rest
        producer = Producer({"bootstrap.servers": side.server.bootstrap})
        for _ in range(count * 10):
            producer.produce(topic, value=os.urandom(100_000), partition=partition)
        assert producer.flush(60) == 0
    elif what == "transaction":
        transactional_id, topic = rest
        producer = Producer({"bootstrap.servers": side.server.bootstrap, "transactional.id": transactional_id})
        producer.init_transactions()
        producer.begin_transaction()
        producer.produce(topic, value=b"v", partition=0)
        producer.commit_transaction()
        # Its markers are written after the answer.
        describe = [os.environ["ANDIRON"], "kafka-transactions", "--bootstrap-server", side.server.bootstrap, "describe",
                    "--transactional-id", transactional_id]
        while "CompleteCommit" not in subprocess.run(describe, capture_output=True, text=True, timeout=60, check=True).stdout:
            pass
    elif what == "wait":
        time.sleep(*rest)
    else:
        raise ValueError(step)


def verdicts(table, tool, sides, pool):
    """Runs a table; (arguments, what differs) of each line that is not the same."""
    wrong = []
    for step in table:
        if step[0] not in ("ok", "no"):
            list(pool.map(lambda side: prepare(side, step), sides))
            continue
        kind, text, *flags = step
        lines = text if isinstance(text, list) else [text]
        for line in lines:
            results = list(pool.map(lambda side: side.run(tool, line), sides))
            by = {(side.tools, side.broker): result for side, result in zip(sides, results)}
            for broker in dict.fromkeys(side.broker for side in sides):
                theirs, ours = by["original", broker], by["ours", broker]
                count(tool, kind == "ok")
                if "sorted" in flags:
                    theirs, ours = [(r[0], sorted(r[1].splitlines()), r[2]) for r in (theirs, ours)]
                if "numbers" in flags:
                    theirs, ours = [(r[0], re.sub(r"\d+|[ \t]+", lambda m: " " if m[0].isspace() else "N", r[1]), r[2])
                                    for r in (theirs, ours)]
                if "chance" in flags:
                    theirs, ours = [(r[0], sorted(map(str.strip, r[1].splitlines())), r[2]) for r in (theirs, ours)]
                if "words" in flags:
                    theirs, ours = [(r[0], sorted(re.split(r"[\s,]+", r[1])), r[2]) for r in (theirs, ours)]
                if "sets" in flags:
                    theirs, ours = [(r[0], r[1], sorted(re.split(r"[\s,\[\]]+", r[2]))) for r in (theirs, ours)]
                if theirs != ours:
                    wrong.append(f"{tool} {line}\n  over {broker}, theirs: {theirs}\n  over {broker},   ours: {ours}")
            if "ANDIRON_SHOW_BROKERS" in os.environ and "brokers" not in flags:
                if by["original", "kafka"] != by.get(("original", "andiron"), by["original", "kafka"]):
                    print(f"{tool} {line}\n  kafka:   {by['original', 'kafka']}\n  andiron: {by['original', 'andiron']}")
            if "--help" not in line and kind == "ok":
                code, _, complaint = by["original", "kafka"]
                assert code == 0, f"{tool} {line} was to succeed: {code} {complaint}"
    return wrong


@pytest.mark.parametrize("tool", TABLES)
def test_both_tools_say_the_same_over_both_brokers(tool, sides):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = verdicts(TABLES[tool], tool, sides, pool)
    assert not wrong, "\n".join([f"{len(wrong)} differences", *wrong])


def test_the_tables_ask_enough_of_each_tool():
    for tool in TABLES:
        tables = [TABLES[tool], *(table for name, table in LARGER if name == tool)]
        steps = [step for table in tables for step in table]
        kinds = collections.Counter(step[0] for step in steps for _ in (step[1] if isinstance(step[1], list) else [0]))
        assert kinds["ok"] >= SUCCESSES_MIN and kinds["no"] >= FAILURES_MIN, (tool, kinds)


def test_links_answer_to_the_names_of_kafkas_scripts(tmp_path):
    binary = os.environ["ANDIRON"]
    subprocess.run([binary, "tools", tmp_path], check=True)
    for tool in TABLES:
        for name in (tool, f"{tool}.sh"):
            assert pathlib.Path(tmp_path, name).resolve() == pathlib.Path(binary).resolve()
    done = subprocess.run([tmp_path / "kafka-topics.sh", "--list"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("--bootstrap-server must be specified")


class TwoBrokers(ApacheKafka):
    """An Apache Kafka with an authorizer, with two log directories (`log` and `log2`), and with a second broker."""

    def __init__(self, folder):
        overrides = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                     "super.users": "User:ANONYMOUS"}
        super().__init__(folder / "1", overrides=overrides | {"log.dirs": f"{folder}/1/log,{folder}/1/log2"})
        port = free_port()
        listener = f"PLAINTEXT://127.0.0.1:{port}"
        self.second = ApacheKafka(folder / "2", port=port, node_id=2, overrides=overrides | {
            "process.roles": "broker", "listeners": listener, "advertised.listeners": listener,
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller}"})

    def start(self):
        super().start()
        self.second.folder.mkdir(parents=True)
        config = self.second.folder / "format.properties"
        config.write_text("".join(f"{k}={v}\n" for k, v in self.second.properties.items()))
        tool("kafka.tools.StorageTool", "format", "-t", "AjtJUBfaRYS1fqhWubkuTg", "-c", config)
        self.second.start()
        return self

    def stop(self):
        self.second.stop()
        super().stop()


def test_both_tools_say_the_same_of_access_control_lists_and_of_two_brokers(tmp_path, sides):
    """Over a cluster of Apache Kafka for each of the tools, since they change it."""
    own = []
    for tools in ("original", "ours"):
        files = tmp_path / tools / "files"
        files.mkdir(parents=True)
        server = TwoBrokers(tmp_path / tools / "data")
        own.append(Side(tools, "kafka", server, files, server.controller))
    wrong = []
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda side: side.server.start(), own))
            for name, table in LARGER:
                wrong += verdicts(table, name, own, pool)
    finally:
        for side in own:
            side.stop()
    assert not wrong, "\n".join([f"{len(wrong)} differences", *wrong])
