"""Our tools that move records beside Apache Kafka's, over both brokers: what one tool wrote the other reads, in all four
pairings, and what they print of it is equal."""
import json
import re
import signal
import subprocess
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from load import create
from pairs import Pairs, count, enough
from peers import ApacheKafka, tool_command

pytestmark = [pytest.mark.kafka, pytest.mark.wide, pytest.mark.usefixtures("java")]
FORMATTERS = "org.apache.kafka.tools.consumer."
SERDES = "org.apache.kafka.common.serialization."


@pytest.fixture(scope="module")
def pairs(request, binary):
    yield Pairs(binary)
    enough(request, "kafka-console-producer", "kafka-console-consumer", "kafka-producer-perf-test", "kafka-consumer-perf-test",
           "kafka-e2e-latency", "kafka-verifiable-producer", "kafka-verifiable-consumer")


@pytest.fixture(scope="module", params=["Andiron", "Apache Kafka"])
def broker(request, binary, tmp_path_factory):
    """Either broker, for the cases of the file."""
    from server import Andiron
    where = tmp_path_factory.mktemp("broker")
    server = (Andiron(binary, where) if request.param == "Andiron" else ApacheKafka(where)).start()
    yield server.bootstrap
    server.stop()


def records(bootstrap, topic, partition=0, least=0):
    """(key, value, headers) of all records, as soon as there are that many: what not every replica has acknowledged may be
    seen later than it was written."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "judge"})
    low, high, deadline = 0, -1, time.monotonic() + 20
    while high - low < least and time.monotonic() < deadline:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
    consumer.assign([TopicPartition(topic, partition, low)])
    out = []
    while len(out) < high - low:
        out += [(m.key(), m.value(), m.headers() or []) for m in consumer.consume(high - low - len(out), timeout=10)]
    consumer.close()
    return out


WRITTEN = [
    ("plain", [], "one\ntwo\r\nthree"),
    ("keys", ["--reader-property", "parse.key=true"], "k\tv\nk2\t\n"),
    ("separated", ["--property", "parse.key=true", "--property", "key.separator=::"], "k::v::w\n"),
    ("headers", ["--reader-property", "parse.headers=true", "--reader-property", "parse.key=true",
                 "--reader-property", "null.marker=NULL"], "a:1,b:NULL\tk\tv\nNULL\tNULL\tNULL\n"),
    ("lenient", ["--reader-property", "parse.key=true", "--reader-property", "ignore.error=true"], "no key\nk\tv\n"),
    ("sync", ["--sync", "--request-required-acks", "1"], "a\nb\n"),
    *((f"codec-{codec}", ["--compression-codec", codec, "--batch-size", "1000"], "x\n" * 50)
      for codec in ("none", "gzip", "snappy", "lz4", "zstd")),
    ("codec-default", ["--compression-codec"], "x\n" * 5),
    ("utf-8", [], "zwölf Boxkämpfer\n".encode() + b"\xff\xfe\n"),
]


@pytest.mark.parametrize("name,options,text", WRITTEN, ids=[w[0] for w in WRITTEN])
def test_lines_become_the_same_records(pairs, broker, name, options, text):
    seen = {}
    for whose in ("ours", "theirs"):
        topic = f"{name}-{whose}"
        create(broker, topic)
        said = pairs.run(whose, "kafka-console-producer", "--bootstrap-server", broker, "--topic", topic, *options, stdin=text)
        seen[whose] = said.told(), records(broker, topic)
    assert seen["ours"] == seen["theirs"]
    assert seen["ours"][1]
    count("kafka-console-producer", said.code == 0)


SERVER = ["--bootstrap-server", "SERVER"]


@pytest.mark.parametrize("words,text", [
    (["--topic", "refused", *SERVER, "--reader-property", "parse.key=true"], "k\tv\nno key\n"),
    (["--topic", "refused", *SERVER, "--reader-property", "headers.delimiter=,"], "a\n"),
    (["--topic", "refused", *SERVER, "--reader-property", "parse.headers=true"], "a\tb\n"),
    (["--topic", "refused", *SERVER, "--line-reader", "no.Such"], "a\n"),
    (["--topic", "refused"], ""), (SERVER, ""), (["--topic", "t", "--bootstrap-server", "nowhere"], ""),
    (["--topic", "t", *SERVER, "--property", "a=b", "--reader-property", "a=b"], ""),
    (["--topic", "t", *SERVER, "--nope"], ""),
    (["--topic", "t", *SERVER, "--command-config", "/nowhere"], ""),
])
def test_the_console_producer_refuses_alike(pairs, broker, words, text):
    if "refused" not in AdminClient({"bootstrap.servers": broker}).list_topics(timeout=20).topics:
        create(broker, "refused")
    said = pairs.same("kafka-console-producer", *(broker if w == "SERVER" else w for w in words), stdin=text)
    assert said.code == 1


@pytest.fixture(scope="module")
def filled(broker):
    """A topic with keys, headers, nulls and numbers; one in which transactions were aborted."""
    create(broker, "filled", 2, **{"retention.ms": "-1"})  # its records are years old
    producer = Producer({"bootstrap.servers": broker})
    for i in range(20):
        producer.produce("filled", key=None if i % 5 == 0 else b"k%d" % i, value=None if i % 7 == 0 else b"v%d" % i,
                         headers=[] if i % 2 else [("h", b"1"), ("n", None)], timestamp=1_700_000_000_000 + i, partition=0)
    producer.produce("filled", key=(7).to_bytes(4, "big"), value=(1 << 40).to_bytes(8, "big"), partition=1,
                     timestamp=1_700_000_000_000)
    assert producer.flush(20) == 0
    return broker


READ = [
    ["--topic", "filled", "--partition", "0", "--offset", "earliest", "--max-messages", "20"],
    ["--topic", "filled", "--partition", "0", "--offset", "13", "--max-messages", "3", "--formatter-property", "print.offset=true"],
    ["--topic", "filled", "--partition", "0", "--from-beginning", "--max-messages", "20",
     *(w for p in ("timestamp", "key", "offset", "partition", "epoch", "delivery", "headers")
       for w in ("--formatter-property", f"print.{p}=true"))],
    ["--topic", "filled", "--partition", "0", "--from-beginning", "--max-messages", "20", "--property", "print.key=true",
     "--property", "key.separator=|", "--property", "null.literal=NIL", "--property", "line.separator=#"],
    ["--topic", "filled", "--partition", "1", "--from-beginning", "--max-messages", "1", "--formatter-property", "print.key=true",
     "--key-deserializer", SERDES + "IntegerDeserializer", "--value-deserializer", SERDES + "LongDeserializer"],
    ["--topic", "filled", "--partition", "0", "--from-beginning", "--max-messages", "20", "--formatter", FORMATTERS + "NoOpMessageFormatter"],
    ["--topic", "filled", "--partition", "0", "--from-beginning", "--timeout-ms", "3000", "--enable-systest-events"],
    ["--topic", "filled", "--partition", "0", "--from-beginning", "--max-messages", "2",
     "--value-deserializer", SERDES + "LongDeserializer", "--skip-message-on-error"],
    ["--topic", "filled", "--partition", "0", "--from-beginning", "--max-messages", "2",
     "--value-deserializer", SERDES + "LongDeserializer"],
    ["--topic", "filled", "--from-beginning", "--max-messages", "0"],
]


@pytest.mark.parametrize("case", range(len(READ)))
def test_records_are_printed_alike(pairs, filled, case):
    said = pairs.same("kafka-console-consumer", "--bootstrap-server", filled, *READ[case])
    assert "Processed a total of " in said.err


@pytest.mark.parametrize("words", [
    SERVER, ["--topic", "filled"], ["--topic", "t", "--include", "t", *SERVER], ["--partition", "0", "--include", "t", *SERVER],
    ["--topic", "t", "--offset", "3", *SERVER], ["--topic", "t", "--partition", "0", "--offset", "x", *SERVER],
    ["--topic", "t", "--partition", "0", "--offset", "3", "--from-beginning", *SERVER],
    ["--topic", "t", "--partition", "0", "--group", "g", *SERVER], ["--topic", "t", "--formatter", "no.Such", *SERVER],
    ["--topic", "t", "--group", "g", "--command-property", "group.id=h", *SERVER], ["--topic", "t", "--nope", *SERVER],
    ["--topic", "t", "--from-beginning", "--command-property", "auto.offset.reset=latest", *SERVER],
    ["--topic", "t", "--isolation-level", "nope", *SERVER],
])
def test_the_console_consumer_refuses_alike(pairs, broker, words):
    said = pairs.same("kafka-console-consumer", *(broker if w == "SERVER" else w for w in words))
    assert said.code == 1


@pytest.mark.parametrize("writer", ["ours", "theirs"])
@pytest.mark.parametrize("reader", ["ours", "theirs"])
def test_what_one_writes_the_other_reads_in_a_group_and_goes_on_where_it_stopped(pairs, broker, writer, reader):
    topic = f"lines-{writer}-{reader}"
    create(broker, topic, 3)
    lines = [f"k{i}\tline {i}" for i in range(300)]
    said = pairs.run(writer, "kafka-console-producer", "--bootstrap-server", broker, "--topic", topic,
                     "--reader-property", "parse.key=true", stdin="\n".join(lines) + "\n")
    assert said.code == 0, said
    group = ["--bootstrap-server", broker, "--topic", topic, "--group", topic, "--from-beginning",
             "--formatter-property", "print.key=true"]
    first = pairs.run(reader, "kafka-console-consumer", *group, "--max-messages", "100")
    other = "theirs" if reader == "ours" else "ours"
    rest = pairs.run(other, "kafka-console-consumer", *group, "--max-messages", "200", "--timeout-ms", "30000")
    assert "Processed a total of 100 messages" in first.err and "Processed a total of 200 messages" in rest.err, (first, rest)
    assert sorted(first.out.splitlines() + rest.out.splitlines()) == sorted(lines)


def test_committed_offsets_are_shown_as_json_alike(pairs, filled):
    group = ["--bootstrap-server", filled, "--topic", "filled", "--group", "shown", "--from-beginning", "--max-messages", "21"]
    assert pairs.ours("kafka-console-consumer", *group).code == 0
    seen = []
    for run in (pairs.ours, pairs.theirs):
        lines = []
        for formatter in ("OffsetsMessageFormatter", "GroupMetadataMessageFormatter"):
            said = run("kafka-console-consumer", "--bootstrap-server", filled, "--topic", "__consumer_offsets", "--from-beginning",
                       "--formatter", FORMATTERS + formatter, "--timeout-ms", "6000", "--isolation-level", "read_committed")
            found = re.findall(r'\{"key":.*?\}\}\}|\{"key":.*?"value":null\}', said.out)
            lines.append(sorted(line for line in found if '"shown"' in line))
        seen.append(lines)
    assert seen[0] == seen[1]
    assert any('"topic":"filled"' in line for line in seen[0][0]) and seen[0][1]


@pytest.mark.parametrize("writer", ["ours", "theirs"])
@pytest.mark.parametrize("reader", ["ours", "theirs"])
def test_the_perf_tools_count_what_was_moved(pairs, broker, writer, reader):
    topic = f"perf-{writer}-{reader}"
    create(broker, topic, 2)
    said = pairs.run(writer, "kafka-producer-perf-test", "--topic", topic, "--num-records", "20000", "--record-size", "100",
                     "--throughput", "-1", "--bootstrap-server", broker, "--warmup-records", "5000")
    assert re.search(r"^20000 records sent, [\d.]+ records/sec \([\d.]+ MB/sec\), [\d.]+ ms avg latency, [\d.]+ ms max latency, "
                     r"\d+ ms 50th, \d+ ms 95th, \d+ ms 99th, \d+ ms 99.9th\.$", said.out, re.M), said
    assert re.search(r"^15000 steady state records sent, ", said.out, re.M), said
    said = pairs.run(reader, "kafka-consumer-perf-test", "--bootstrap-server", broker, "--topic", topic, "--num-records", "20000",
                     "--timeout", "30000")
    head, row = said.out.splitlines()
    assert head.startswith("start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms")
    assert row.split(", ")[2] == "1.9073" and row.split(", ")[4] == "20000", said


def without_figures(text):
    """What was measured taken out, and the places of tables that it stretches."""
    return re.sub(r"[ \t]+", " ", re.sub(r"-?\d[\d.]*(E-?\d+)?|NaN|-?Infinity|∞", "N", text))


PERFORMED = [
    ["--record-size", "64", "--command-property", "bootstrap.servers=SERVER", "acks=all"],
    ["--record-size", "10", *SERVER], ["--record-size", "20", *SERVER, "--reporting-interval", "100000"],
    ["--payload-file", "PAYLOADS", *SERVER], ["--payload-file", "PAYLOADS", "--payload-delimiter", ";", *SERVER],
    ["--payload-monotonic", *SERVER], ["--record-size", "5", *SERVER, "--warmup-records", "10"],
]


@pytest.mark.parametrize("case", range(len(PERFORMED)))
def test_the_perf_tool_sends_the_same_bytes(pairs, broker, tmp_path, case):
    payloads = tmp_path / "payloads"
    payloads.write_text("one;two\nthree\nfour;five\n")
    for whose in ("ours", "theirs"):
        create(broker, f"payload-{case}-{whose}")
    options = [word.replace("SERVER", broker).replace("PAYLOADS", str(payloads)) for word in PERFORMED[case]]
    said = pairs.both("kafka-producer-perf-test", lambda whose: [
        "--topic", f"payload-{case}-{whose}", "--num-records", "50", "--throughput", "1000", *options],
        without_figures, lambda whose: records(broker, f"payload-{case}-{whose}"))
    assert said.code == 0, said


FETCHED = [
    ["--num-records", "21"], ["--messages", "21"], ["--num-records", "21", "--hide-header"],
    ["--num-records", "21", "--show-detailed-stats", "--reporting-interval", "100000"],
    ["--num-records", "21", "--fetch-size", "1000", "--socket-buffer-size", "100000"],
    ["--num-records", "21", "--group", "perf-GROUP"], ["--num-records", "1", "--from-latest", "--timeout", "2000"],
]


@pytest.mark.parametrize("case", range(len(FETCHED)))
def test_the_consumers_perf_tool_prints_the_same(pairs, filled, case):
    said = pairs.both("kafka-consumer-perf-test", lambda whose: [
        "--bootstrap-server", filled, "--topic", "filled", *(w.replace("GROUP", whose) for w in FETCHED[case])], without_figures)
    assert said.code == 0 and said.out, said


@pytest.mark.parametrize("tool,words", [
    ("kafka-producer-perf-test", ["--topic", "t", "--num-records", "0", "--throughput", "-1", "--record-size", "1", *SERVER]),
    ("kafka-producer-perf-test", ["--topic", "t", "--num-records", "5", "--throughput", "-1", "--record-size", "1"]),
    ("kafka-producer-perf-test", ["--topic", "t", "--num-records", "5", "--throughput", "-1", *SERVER]),
    ("kafka-producer-perf-test", ["--topic", "t", "--num-records", "5", "--throughput", "-1", "--record-size", "1",
                                  "--warmup-records", "5", *SERVER]),
    ("kafka-producer-perf-test", ["--topic", "t", "--num-records", "5", "--throughput", "-1", "--payload-file", "/nowhere", *SERVER]),
    ("kafka-consumer-perf-test", ["--topic", "t", *SERVER]), ("kafka-consumer-perf-test", ["--num-records", "1", *SERVER]),
    ("kafka-consumer-perf-test", ["--topic", "t", "--num-records", "1", "--messages", "1", *SERVER]),
    ("kafka-e2e-latency", ["--topic", "t", *SERVER]), ("kafka-e2e-latency", ["a", "b"]),
    ("kafka-e2e-latency", ["--topic", "t", "--num-records", "1", "--producer-acks", "0", "--record-size", "1", *SERVER]),
    ("kafka-e2e-latency", ["--topic", "t", "--num-records", "0", "--producer-acks", "1", "--record-size", "1", *SERVER]),
    ("kafka-e2e-latency", ["--topic", "t", "--num-records", "x", "--producer-acks", "1", "--record-size", "1", *SERVER]),
    ("kafka-verifiable-producer", ["--topic", "t"]), ("kafka-verifiable-producer", [*SERVER]),
    ("kafka-verifiable-producer", ["--topic", "t", "--acks", "2", *SERVER]),
    ("kafka-verifiable-producer", ["--topic", "t", "--throughput", "x", *SERVER]),
    ("kafka-verifiable-consumer", ["--topic", "t", *SERVER]), ("kafka-verifiable-consumer", ["--group-id", "g", *SERVER]),
    ("kafka-verifiable-consumer", ["--topic", "t", "--group-id", "g"]),
    ("kafka-verifiable-consumer", ["--topic", "t", "--group-id", "g", "--max-messages", "x", *SERVER]),
    ("kafka-verifiable-consumer", ["--topic", "t", "--group-id", "g", "--reset-policy", "nope", *SERVER]),
])
def test_the_measuring_tools_refuse_alike(pairs, broker, tool, words):
    said = pairs.same(tool, *(broker if w == "SERVER" else w for w in words))
    assert said.code == 1


SENT_ROUND = [
    ["--producer-acks", "all", "--record-size", "10", "--record-key-size", "3", "--num-headers", "2",
     "--record-header-key-size", "2", "--record-header-size", "3"],
    ["--producer-acks", "1", "--record-size", "10"], ["--producer-acks", "1", "--record-size", "1", "--record-key-size", "1"],
    ["--producer-acks", "all", "--record-size", "100", "--num-headers", "1", "--record-header-key-size", "1",
     "--record-header-size", "1"], ["--producer-acks", "all", "--record-size", "1000", "--command-config", "CONFIG"],
]


@pytest.mark.parametrize("case", range(len(SENT_ROUND)))
def test_latencies_are_measured_over_records_of_the_same_bytes(pairs, broker, tmp_path, case):
    config = tmp_path / "client.properties"
    config.write_text("client.id=judge\n")
    options = [word.replace("CONFIG", str(config)) for word in SENT_ROUND[case]]
    said = pairs.both("kafka-e2e-latency", lambda whose: [
        "--bootstrap-server", broker, "--topic", f"e2e-{case}-{whose}", "--num-records", "10", *options],
        without_figures, lambda whose: records(broker, f"e2e-{case}-{whose}"))
    assert said.code == 0, said
    assert re.fullmatch(rf'Topic "e2e-{case}-ours" does not exist. Will create topic with 1 partition\(s\) and replication factor = 1\n'
                        r"0\t[\d.]+\nAvg latency: [\d.]+ ms\nPercentiles: 50th = \d+, 99th = \d+, 99.9th = \d+\n", said.out), said


def events(out):
    return [{k: v for k, v in json.loads(line).items() if k != "timestamp"} for line in out.splitlines()]


@pytest.mark.parametrize("writer", ["ours", "theirs"])
@pytest.mark.parametrize("reader", ["ours", "theirs"])
def test_the_verifiable_tools_tell_the_same_events(pairs, broker, writer, reader):
    topic = f"verifiable-{writer}-{reader}"
    create(broker, topic)
    said = pairs.run(writer, "kafka-verifiable-producer", "--bootstrap-server", broker, "--topic", topic, "--max-messages", "3",
                     "--repeating-keys", "2", "--value-prefix", "7")
    told = events(said.out)
    assert list(json.loads(said.out.splitlines()[1])) == ["timestamp", "name", "key", "value", "offset", "topic", "partition"]
    assert told[:-1] == [{"name": "startup_complete"},
                         *({"name": "producer_send_success", "key": str(i % 2), "value": f"7.{i}", "offset": i, "topic": topic,
                            "partition": 0} for i in range(3)), {"name": "shutdown_complete"}]
    assert told[-1].items() >= {"name": "tool_data", "sent": 3, "acked": 3, "target_throughput": -1}.items()
    said = pairs.run(reader, "kafka-verifiable-consumer", "--bootstrap-server", broker, "--topic", topic, "--group-id", topic,
                     "--max-messages", "3", "--verbose")
    place = {"topic": topic, "partition": 0}
    told = [e for e in events(said.out) if e["name"] != "partitions_revoked" or e["partitions"]]
    assert told == [
        {"name": "startup_complete"}, {"name": "partitions_assigned", "partitions": [place]},
        *({"name": "record_data", "key": str(i % 2), "value": f"7.{i}", **place, "offset": i} for i in range(3)),
        {"name": "records_consumed", "count": 3, "partitions": [{**place, "count": 3, "minOffset": 0, "maxOffset": 2}]},
        {"name": "offsets_committed", "offsets": [{**place, "offset": 3}], "success": True},
        {"name": "partitions_revoked", "partitions": [place]}, {"name": "shutdown_complete"}, {"name": "shutdown_requested"}]


def events_alike(text):
    """The events without times and throughput, and without that nothing was revoked; standard error as it is."""
    if not text.startswith("{"):
        return text
    told = [{k: v for k, v in event.items() if k != "avg_throughput"} for event in events(text)]
    return [event for event in told if event["name"] != "partitions_revoked" or event["partitions"]]


VERIFIED = [[], ["--throughput", "100"], ["--acks", "1"], ["--acks", "0"], ["--message-create-time", "1700000000000"],
            ["--value-prefix", "3"], ["--repeating-keys", "2"]]


@pytest.mark.parametrize("case", range(len(VERIFIED)))
def test_the_verifiable_producer_tells_and_sends_the_same(pairs, broker, case):
    for whose in ("ours", "theirs"):
        create(broker, f"verified-{case}-{whose}")
    said = pairs.both("kafka-verifiable-producer", lambda whose: [
        "--bootstrap-server", broker, "--topic", f"verified-{case}-{whose}", "--max-messages", "5", *VERIFIED[case]],
        events_alike, lambda whose: records(broker, f"verified-{case}-{whose}", least=5))
    assert said.code == 0, said


READ_VERIFIED = [
    [], ["--verbose"], ["--enable-autocommit"], ["--reset-policy", "earliest"], ["--group-instance-id", "i"],
    ["--assignment-strategy", "org.apache.kafka.clients.consumer.RoundRobinAssignor"], ["--group-protocol", "consumer"]]


@pytest.mark.parametrize("case", range(len(READ_VERIFIED)))
def test_the_verifiable_consumer_tells_the_same(pairs, broker, case):
    create(broker, f"read-{case}")
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 100})
    for i in range(5):
        producer.produce(f"read-{case}", value=b"%d" % i)
    assert producer.flush(20) == 0
    said = pairs.both("kafka-verifiable-consumer", lambda whose: [
        "--bootstrap-server", broker, "--topic", f"read-{case}", "--group-id", f"read-{case}-{whose}", "--max-messages", "5",
        *READ_VERIFIED[case]], events_alike)
    assert said.code == 0, said


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_signal_ends_a_consumer_that_tells_what_it_has_done(pairs, filled, whose):
    words = ["--bootstrap-server", filled, "--topic", "filled", "--from-beginning", "--enable-systest-events",
             "--formatter-property", "line.separator=\n"]
    command = [pairs.binary, "kafka-console-consumer", *words] if whose == "ours" else \
        tool_command("org.apache.kafka.tools.consumer.ConsoleConsumer", *words)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = [process.stdout.readline() for _ in range(20)]
    assert all(lines)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert b"shutdown_complete" in out and re.search(rb"Processed a total of 2[01] messages", err), (out, err)
    assert process.returncode in (143, -15)
