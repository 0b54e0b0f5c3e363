"""Our tools that read files and move records beside Apache Kafka's: the same words, the same files, the same answers."""
import os
import pathlib
import re
import shutil

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, ScramMechanism

from load import create
from pairs import Pairs, count, enough
from peers import ApacheKafka

pytestmark = [pytest.mark.kafka, pytest.mark.wide, pytest.mark.usefixtures("java")]
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
CLUSTER = "AjtJUBfaRYS1fqhWubkuTg"


@pytest.fixture(scope="module")
def pairs(request, binary):
    yield Pairs(binary)
    enough(request, "kafka-dump-log", "kafka-storage")


def produce(bootstrap, codec, n=400):
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 20, "batch.num.messages": 40,
                         "enable.idempotence": codec != "gzip"})
    for i in range(n):
        producer.produce("all", key=None if i % 7 == 0 else f"k{i}é", value=None if i % 11 == 0 else os.urandom(600).hex(),
                         headers=[] if i % 3 else [("h", b"v"), ("n", None), ("h", "ü".encode())])
        producer.poll(0)
    assert producer.flush(30) == 0


def read_in_group(bootstrap, group, **options):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, **options})
    consumer.subscribe(["all"])
    got = 0
    while got < 50:
        got += len(consumer.consume(50, timeout=10))
    consumer.commit(asynchronous=False)
    consumer.close()


def transactions(bootstrap):
    create(bootstrap, "transactional", 2)
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "t"})
    producer.init_transactions()
    for i in range(4):
        producer.begin_transaction()
        for j in range(4):
            producer.produce("transactional", key=b"%d" % j, value=b"v", partition=j % 2)
        producer.flush()
        producer.commit_transaction() if i % 2 else producer.abort_transaction()


def fill(bootstrap):
    create(bootstrap, "all", **{"segment.bytes": "1048576"})
    for codec in CODECS:
        produce(bootstrap, codec)
    create(bootstrap, "appended", **{"message.timestamp.type": "LogAppendTime"})
    producer = Producer({"bootstrap.servers": bootstrap})
    for i in range(10):
        producer.produce("appended", value=b"%d" % i)
    assert producer.flush(30) == 0
    read_in_group(bootstrap, "classic-group")


@pytest.fixture(scope="module", params=["Apache Kafka", "Andiron"])
def folder(request, binary, tmp_path_factory):
    """The log directory that a broker left after a clean stop."""
    from server import Andiron
    where = tmp_path_factory.mktemp("files")
    server = ApacheKafka(where) if request.param == "Apache Kafka" else Andiron(binary, where)
    server.start()
    fill(server.bootstrap)
    if request.param == "Apache Kafka":
        transactions(server.bootstrap)
        read_in_group(server.bootstrap, "consumer-group", **{"group.protocol": "consumer"})
    server.stop()
    return pathlib.Path(server.log_dir)


def files(folder, pattern):
    found = sorted(str(p) for p in folder.glob(pattern) if p.stat().st_size)
    return ",".join(found)


@pytest.mark.parametrize("options", [[], ["--deep-iteration"], ["--print-data-log"], ["--print-data-log", "--skip-record-metadata"]])
def test_data_logs_are_shown_alike(pairs, folder, options):
    said = pairs.same("kafka-dump-log", "--files", files(folder, "[a-z]*-[0-9]/*.log"), *options)
    assert set(re.findall(r"compresscodec: (\w+)", said.out)) == set(CODECS)
    assert said.out.count("baseOffset: ") >= 10


def test_records_of_the_coordinators_and_of_the_quorum_are_decoded_alike(pairs, folder):
    said = pairs.same("kafka-dump-log", "--offsets-decoder", "--files", files(folder, "__consumer_offsets-*/*.log"))
    assert '"group":"classic-group"' in said.out
    metadata = files(folder, "__cluster_metadata-0/*.log") + "," + files(folder, "**/*.checkpoint")
    said = pairs.same("kafka-dump-log", "--cluster-metadata-decoder", "--files", metadata)
    assert "REGISTER_BROKER_RECORD" in said.out and "LeaderChange: {" in said.out and "KRaftVoters {" in said.out
    pairs.same("kafka-dump-log", "--cluster-metadata-decoder", "--skip-record-metadata", "--files", metadata)
    if transactions := files(folder, "__transaction_state-*/*.log"):
        said = pairs.same("kafka-dump-log", "--transaction-log-decoder", "--files", transactions)
        assert '"transactionalId":"t"' in said.out


@pytest.mark.parametrize("options", [[], ["--verify-index-only"], ["--index-sanity-check"]])
def test_indexes_are_shown_and_checked_alike(pairs, folder, options):
    names = [p.with_suffix("") for p in sorted(folder.glob("[a-z]*-[0-9]/*.log")) if p.stat().st_size]
    assert names
    for suffix in ("index", "timeindex"):
        said = pairs.same("kafka-dump-log", "--files", ",".join(f"{name}.{suffix}" for name in names), *options)
        assert said.err == ""


def test_states_of_producers_and_aborted_transactions_are_shown_alike(pairs, folder):
    found = ",".join(filter(None, [files(folder, "*/*.snapshot"), files(folder, "*/*.txnindex")]))
    said = pairs.same("kafka-dump-log", "--files", found)
    assert "producerId: " in said.out


def test_what_is_broken_is_told_alike(pairs, folder, tmp_path):
    """A log cut short, zeros behind it, an index that lies, a torn snapshot, and files that are none."""
    log = max(folder.glob("all-0/*.log"), key=lambda p: p.stat().st_size)
    short, zeros = tmp_path / "s" / log.name, tmp_path / "z" / log.name
    for copy in (short, zeros):
        copy.parent.mkdir()
        for file in log.parent.glob(log.stem + ".*"):
            shutil.copy(file, copy.parent)
    short.write_bytes(log.read_bytes()[:-7])
    zeros.write_bytes(log.read_bytes() + bytes(1000))
    pairs.same("kafka-dump-log", "--files", short)
    said = pairs.same("kafka-dump-log", "--files", zeros)
    assert said.code == 1 and "CorruptRecordException" in said.err
    flipped = bytearray(log.read_bytes())
    flipped[200] ^= 1
    short.write_bytes(flipped)
    assert "isvalid: false" in pairs.same("kafka-dump-log", "--files", short).out
    for suffix, size in (("index", 8), ("timeindex", 12)):
        index = short.with_suffix(f".{suffix}")
        entries = bytearray(index.read_bytes())
        assert len(entries) >= 2 * size
        entries[{"index": 3, "timeindex": 7}[suffix]] ^= 1  # the low byte of an offset, of a timestamp
        index.write_bytes(entries)
        short.write_bytes(log.read_bytes())
        said = pairs.same("kafka-dump-log", "--files", index)
        assert "ismatch" in said.err
        index.write_bytes(entries + b"\0")
        pairs.same("kafka-dump-log", "--index-sanity-check", "--files", index)
    torn = tmp_path / "00000000000000000007.snapshot"
    torn.write_bytes(bytes([0, 9]) + bytes(20))
    pairs.same("kafka-dump-log", "--files", f"{torn},{tmp_path}/x.foo,{tmp_path}//nothing/")


FIRST = "all-0/00000000000000000000.log"


@pytest.mark.parametrize("words", [
    ["--files", "/nowhere/00000000000000000000.log"], ["--files", "/tmp/abc.log"], ["--print-data-log"], ["--nope"],
    ["--files", FIRST, "--value-decoder-class", "no.Such"], ["--files", FIRST, "--max-bytes", "5000"],
    ["--files", FIRST, "--offsets-decoder"], ["--files", FIRST, "--cluster-metadata-decoder", "--max-bytes", "9000"],
    ["--files", "appended-0/00000000000000000000.log", "--value-decoder-class", "org.apache.kafka.tools.api.IntegerDecoder"],
    ["--files", "appended-0/00000000000000000000.log", "--key-decoder-class", "--deep-iteration"],
])
def test_the_dump_tool_refuses_alike(pairs, folder, words):
    pairs.same("kafka-dump-log", *(str(folder / w) if "-0/" in w else w for w in words))


def properties(folder, quorum):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "server.properties"
    file.write_text(
        "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"
        "listeners=PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093\n"
        f"log.dirs={folder}/a,{folder}/b\n{quorum}\n")
    return file


DYNAMIC, STATIC = "controller.quorum.bootstrap.servers=127.0.0.1:19093", "controller.quorum.voters=1@127.0.0.1:19093"
FORMAT = ["format", "-c", "CONFIG", "-t", CLUSTER]
SALT = "salt=MWx2NHBkbnc0ZndxN25vdGN4bTB5Y3h2eA=="
STORAGE = [
    (DYNAMIC, [[*FORMAT, "--standalone"], [*FORMAT, "--standalone"], ["info", "-c", "CONFIG"], [*FORMAT, "-s", "-g"]]),
    (DYNAMIC, [[*FORMAT, "--no-initial-controllers"], ["format", "-c", "CONFIG", "-t", "another", "-N"]]),
    (DYNAMIC, [[*FORMAT, "-I", "1@127.0.0.1:19093:JEXY6aqzQY-32P5TStzaFg,2@h:2:MvDxzVmcRsaTz33bUuRU6A"]]),
    (DYNAMIC, [[*FORMAT, "-I", "5@127.0.0.1:19093:JEXY6aqzQY-32P5TStzaFg"]]),
    (DYNAMIC, [[*FORMAT, "-I", "5@127.0.0.1"]]),
    (STATIC, [FORMAT, ["info", "-c", "CONFIG"]]),
    (STATIC, [[*FORMAT, "--standalone"]]),
    (DYNAMIC, [FORMAT, ["info", "-c", "CONFIG"]]),
    (DYNAMIC, [[*FORMAT, "-s", "--feature", "group.version=0", "-f", "transaction.version=1", "-r", "4.1"]]),
    (DYNAMIC, [[*FORMAT, "-s", "--release-version", "3.9-IV0"]]),
    (DYNAMIC, [[*FORMAT, "-s", "-r", "9.1"], [*FORMAT, "-s", "-f", "nope=1"], [*FORMAT, "-s", "-f", "group.version=7"],
               [*FORMAT, "-s", "-f", "kraft.version=0"], [*FORMAT, "-s", "-f", "group.version"], [*FORMAT, "-s", "-N"],
               ["format", "-c", "CONFIG"], ["info", "-c", "/nowhere"], ["nope"], []]),
    (DYNAMIC, [[*FORMAT, "-s", "--add-scram", f"SCRAM-SHA-256=[name=alice,password=secret,iterations=8192,{SALT}]",
                "-S", f'SCRAM-SHA-512=[name="bob",password="pass=word",{SALT}]',
                "-S", f"SCRAM-SHA-256=[name=carol,{SALT},saltedpassword=mT0yyUUxnlJaC99HXgRTSYlbuqa4FSGtJCJfTMvjYCE=]"]]),
    (DYNAMIC, [[*FORMAT, "-s", "-S", f"SCRAM-SHA-512=[name=a,password=b,{SALT},]", "-r", "3.5"]]),
    (DYNAMIC, [[*FORMAT, "-s", "-S", "SCRAM-SHA-512=[name=a,password=b]", "-r", "3.4"], *(
        [*FORMAT, "-s", "-S", text] for text in (
            "x", "SCRAM-SHA-1=[name=a,password=b]", "SCRAM-SHA-256=name=a", "SCRAM-SHA-256=[name=a", "SCRAM-SHA-256=[]",
            "SCRAM-SHA-256=[,]", "SCRAM-SHA-256=[password=b]", "SCRAM-SHA-256=[name=a]",
            "SCRAM-SHA-256=[name=a,saltedpassword=YQ==]", "SCRAM-SHA-256=[name=a,password=b,salt=!]",
            "SCRAM-SHA-256=[name=a,password=b,iterations=x]", "SCRAM-SHA-256=[name=a,password=b,iterations=1]",
            "SCRAM-SHA-512=[name=a,password=b,iterations=16385]", "SCRAM-SHA-256=[name=a,password=b,z=1,y=2]",
            f"SCRAM-SHA-256=[name=a,{SALT},saltedpassword=!]"))]),
    (DYNAMIC, [["version-mapping"], ["version-mapping", "-r", "3.7"], ["version-mapping", "-r", "4.0-IV2"],
               ["version-mapping", "-r", "1.0"]]),
    (DYNAMIC, [["feature-dependencies", "-f", "group.version=1", "--feature", "eligible.leader.replicas.version=1",
                "-f", "metadata.version=20"],
               *(["feature-dependencies", "-f", f] for f in ("group.version", "x=1", "group.version=9", "metadata.version=99"))]),
]


def tree(folder):
    """Every file below but for ids and times: properties as text, checkpoints as what the dump tool says of them."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = None if path.is_dir() else path.read_bytes()
        if path.name == "meta.properties":
            found[name] = re.sub(r"(?m)^#.*$|(?<=directory.id=).*$", "", path.read_text())
    return found


@pytest.mark.parametrize("case", range(len(STORAGE)))
def test_storage_formats_and_tells_alike(pairs, tmp_path, case):
    quorum, steps = STORAGE[case]
    folder, seen = tmp_path / "same", {}
    scrub = lambda text: re.sub(r"(directory\.id=)[\w-]{22}", r"\1", text)  # noqa: E731
    for whose in ("theirs", "ours"):
        shutil.rmtree(folder, ignore_errors=True)
        config = str(properties(folder, quorum))
        said = []
        for words in steps:
            said.append(pairs.run(whose, "kafka-storage", *(config if w == "CONFIG" else w for w in words)).told(scrub))
        dumped = []
        for checkpoint in sorted(folder.rglob("*.checkpoint")):
            shown = pairs.theirs("kafka-dump-log", "--cluster-metadata-decoder", "--files", checkpoint).out
            shown = re.sub(r"(CreateTime|crc|lastContainedLogTimestamp\"): ?\d+|\"voterDirectoryId\":\"[^\"]*\"", r"\1", shown)
            dumped.append(shown)
            assert "isvalid: false" not in shown
        found = tree(folder)
        found = {name: len(what) if name.endswith(".checkpoint") else what for name, what in found.items()}
        seen[whose] = said, found, dumped
    assert seen["ours"] == seen["theirs"]
    for _, _, code in said:
        count("kafka-storage", code == 0)


def test_a_random_uuid_is_one(pairs):
    for run in (pairs.ours, pairs.theirs):
        assert re.fullmatch(r"[A-Za-z0-9_][\w-]{21}\n", run("kafka-storage", "random-uuid").out)


@pytest.mark.parametrize("formatted_by", ["ours", "theirs"])
def test_a_folder_that_either_formatted_is_opened_by_the_others_broker(pairs, binary, tmp_path, formatted_by):
    from server import Andiron
    kafka = ApacheKafka(tmp_path)
    config = tmp_path / "format.properties"
    config.write_text("".join(f"{k}={v}\n" for k, v in kafka.properties.items()))
    said = pairs.run(formatted_by, "kafka-storage", "format", "-c", config, "-t", CLUSTER, "--standalone",
                     "--add-scram", "SCRAM-SHA-256=[name=alice,password=secret]")
    assert said.code == 0, said
    server = kafka if formatted_by == "ours" else Andiron(binary, tmp_path)
    try:
        server.start()
        create(server.bootstrap, "made")
        producer = Producer({"bootstrap.servers": server.bootstrap})
        producer.produce("made", value=b"v")
        assert producer.flush(30) == 0
        admin = AdminClient({"bootstrap.servers": server.bootstrap})
        assert admin.describe_cluster().result().cluster_id == CLUSTER
        users = admin.describe_user_scram_credentials(["alice"])["alice"].result().scram_credential_infos
        assert [(info.mechanism, info.iterations) for info in users] == [(ScramMechanism.SCRAM_SHA_256, 4096)]
    finally:
        server.stop()
