"""Captures the corpus: what three clients (librdkafka, kafka-python, Apache Kafka's Java tools) send to a broker, taken
down by a proxy, and the folders that the broker leaves.

    python fuzz/capture.py ANDIRON

ANDIRON is the binary; the Python needs tests/requirements/spark-3.5.txt. The clients talk to Andiron and then to Apache
Kafka (tests/peers), which offers what Andiron does not yet. Of many alike frames a few of each client, API and version
are kept. See docs/fuzzing.md.
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests/peers")]

# Only the Kafka door is waited for.
os.environ["ANDIRON_BROKER_ONLY"] = "1"

import confluent_kafka as ck  # noqa: E402
import confluent_kafka.admin as ck_admin  # noqa: E402
import kafka  # noqa: E402
import kafka.admin as kp_admin  # noqa: E402
from kafka.record.util import calc_crc32c  # noqa: E402
from peers import ApacheKafka, tool_command  # noqa: E402
from server import Andiron, free_port  # noqa: E402

CORPUS = ROOT / "fuzz/corpus"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# Frames above this are left out, and folders: the fuzzer mutates small inputs better.
FRAME_BYTES_MAX, FOLDER_BYTES_MAX = 2_000, 12_000
# Of each client, API and version.
FRAMES_MAX = 2
PRODUCE = 0
HEADER_BYTES = 61


class Proxy:
    """Passes everything on and keeps what clients send, a frame at a time."""

    def __init__(self):
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.behind = None
        self.client = "nobody"
        self.frames = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.door.accept()
            try:
                broker = socket.create_connection(self.behind)
            except OSError:
                client.close()
                continue
            threading.Thread(target=self.up, args=(client, broker), daemon=True).start()
            threading.Thread(target=self.down, args=(broker, client), daemon=True).start()

    def up(self, client, broker):
        pending = b""
        try:
            while data := client.recv(1 << 16):
                broker.sendall(data)
                pending += data
                while len(pending) >= 4 and len(pending) >= 4 + (size := int.from_bytes(pending[:4])):
                    self.frames.append((self.client, pending[:4 + size]))
                    pending = pending[4 + size:]
        except OSError:
            pass
        broker.close()

    def down(self, broker, client):
        try:
            while data := broker.recv(1 << 16):
                client.sendall(data)
        except OSError:
            pass
        client.close()


def attempt(what, act):
    """A step that this broker may refuse: the request is captured all the same."""
    try:
        return act()
    except Exception as error:
        print(f"  {what}: {type(error).__name__} {str(error)[:120]}", flush=True)


def results(futures):
    for name, future in futures.items():
        attempt(f"{name}", lambda: future.result(20))


def librdkafka(bootstrap, topic):
    admin = ck_admin.AdminClient({"bootstrap.servers": bootstrap})
    results(admin.create_topics([ck_admin.NewTopic(topic, 2, 1, config={"segment.ms": "300", "index.interval.bytes": "200"})]))
    for codec in CODECS:
        producer = ck.Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 50,
                                "enable.idempotence": codec in ("none", "lz4")})
        for i in range(12):
            producer.produce(topic, key=f"k{i % 3}" if i % 4 else None, value=f"{codec} value {i} " * 3, partition=0,
                             headers={"h": b"1", "empty": None} if i % 5 == 0 else None)
        producer.flush(20)
        time.sleep(0.35)
    producer = ck.Producer({"bootstrap.servers": bootstrap, "transactional.id": f"{topic}-t", "transaction.timeout.ms": 20_000})
    consumer = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": f"{topic}-g", "auto.offset.reset": "earliest",
                            "session.timeout.ms": 6_000})
    consumer.subscribe([topic])
    for _ in range(20):
        consumer.poll(0.5)
    attempt("commit", lambda: consumer.commit(asynchronous=False))
    attempt("committed", lambda: consumer.committed([ck.TopicPartition(topic, 0)], timeout=10))
    attempt("watermarks", lambda: consumer.get_watermark_offsets(ck.TopicPartition(topic, 0), timeout=10))
    attempt("times", lambda: consumer.offsets_for_times([ck.TopicPartition(topic, 0, 1)], timeout=10))

    def transactions():
        producer.init_transactions(20)
        for end in (producer.commit_transaction, producer.abort_transaction):
            producer.begin_transaction()
            producer.produce(topic, b"in a transaction", partition=1)
            producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 10)
            end(20)
    attempt("transactions", transactions)

    def new_group():
        new = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": f"{topic}-new", "group.protocol": "consumer", "auto.offset.reset": "earliest"})
        new.subscribe([topic])
        for _ in range(6):
            new.poll(0.5)
        new.close()
    attempt("a group of the new kind", new_group)
    attempt("list groups", lambda: admin.list_consumer_groups(request_timeout=10).result(10))
    results(admin.describe_consumer_groups([f"{topic}-g"], request_timeout=10))
    consumer.close()
    results(admin.list_consumer_group_offsets([ck.ConsumerGroupTopicPartitions(f"{topic}-g")], request_timeout=10))
    results(admin.alter_consumer_group_offsets(
        [ck.ConsumerGroupTopicPartitions(f"{topic}-g", [ck.TopicPartition(topic, 0, 3)])], request_timeout=10))
    resource = ck_admin.ConfigResource(ck_admin.ConfigResource.Type.TOPIC, topic)
    results(admin.describe_configs([resource], request_timeout=10))
    entry = ck_admin.ConfigEntry("retention.ms", "9000000", incremental_operation=ck_admin.AlterConfigOpType.SET)
    resource = ck_admin.ConfigResource(ck_admin.ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    results(admin.incremental_alter_configs([resource], request_timeout=10))
    results(admin.create_partitions([ck_admin.NewPartitions(topic, 3)], request_timeout=10))
    attempt("cluster", lambda: admin.describe_cluster(request_timeout=10).result(10))
    results(admin.describe_topics(ck.TopicCollection([topic]), request_timeout=10))
    results(admin.list_offsets({ck.TopicPartition(topic, 0): ck_admin.OffsetSpec.latest()}, request_timeout=10))
    results(admin.delete_records([ck.TopicPartition(topic, 0, 5)], request_timeout=10))
    attempt("quotas", lambda: admin.describe_user_scram_credentials(["a"], request_timeout=10)["a"].result(10))
    results(admin.delete_consumer_groups([f"{topic}-g"], request_timeout=10))
    results(admin.create_topics([ck_admin.NewTopic(f"{topic}-gone", 1, 1)], request_timeout=10))
    results(admin.delete_topics([f"{topic}-gone"], request_timeout=10))


def kafka_python(bootstrap, topic):
    admin = kafka.KafkaAdminClient(bootstrap_servers=bootstrap)
    attempt("create", lambda: admin.create_topics([kp_admin.NewTopic(topic, 2, 1)]))
    for codec in CODECS:
        def produce():
            producer = kafka.KafkaProducer(bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec, linger_ms=50)
            for i in range(6):
                producer.send(topic, f"{codec} value {i}".encode(), key=f"{i}".encode(), partition=0, headers=[("h", b"1")])
            producer.flush(20)
            producer.close()
        attempt(f"produce {codec}", produce)
    consumer = kafka.KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=f"{topic}-g", auto_offset_reset="earliest",
                                   consumer_timeout_ms=5_000)
    attempt("consume", lambda: [None for _ in consumer])
    attempt("commit", consumer.commit)
    place = kafka.TopicPartition(topic, 0)
    attempt("end", lambda: consumer.end_offsets([place]))
    attempt("times", lambda: consumer.offsets_for_times({place: 1}))

    def transaction():
        producer = kafka.KafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{topic}-t")
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, b"in a transaction", partition=1)
        producer.commit_transaction()
        producer.close()
    attempt("transaction", transaction)
    for name, arguments in [
            ("list_topics", []), ("describe_topics", [[topic]]), ("describe_cluster", []), ("list_groups", []),
            ("describe_groups", [[f"{topic}-g"]]), ("list_group_offsets", [f"{topic}-g"]),
            ("list_consumer_groups", []), ("describe_consumer_groups", [[f"{topic}-g"]]),
            ("list_consumer_group_offsets", [f"{topic}-g"]),
            ("describe_configs", [[kp_admin.ConfigResource(kp_admin.ConfigResourceType.TOPIC, topic)]]),
            ("alter_configs", [[kp_admin.ConfigResource(kp_admin.ConfigResourceType.TOPIC, topic, {"retention.ms": "8000000"})]]),
            ("describe_log_dirs", []), ("create_partitions", [{topic: kp_admin.NewPartitions(3)}]),
            ("delete_records", [{place: 2}]), ("delete_groups", [[f"{topic}-g"]]), ("delete_consumer_groups", [[f"{topic}-g"]]),
            ("delete_topics", [[topic]])]:
        if hasattr(admin, name):
            attempt(name, lambda: getattr(admin, name)(*arguments))
    attempt("close", consumer.close)
    admin.close()


def java(bootstrap, topic):
    at = ["--bootstrap-server", bootstrap]

    def run(java_class, *arguments, stdin=None):
        try:
            done = subprocess.run(tool_command(java_class, *arguments), input=stdin, capture_output=True, text=True, timeout=60)
            if done.returncode:
                print(f"  {java_class.rsplit('.', 1)[1]} {' '.join(arguments[2:])}: exit {done.returncode}", flush=True)
        except subprocess.TimeoutExpired:
            print(f"  {java_class}: no end", flush=True)

    tools = "org.apache.kafka.tools."
    topics, groups = f"{tools}TopicCommand", f"{tools}consumer.group.ConsumerGroupCommand"
    run(topics, *at, "--create", "--topic", topic, "--partitions", "2", "--config", "segment.ms=300")
    for codec in CODECS:
        run(f"{tools}ConsoleProducer", *at, "--topic", topic, "--compression-codec", codec, "--property", "parse.key=true",
            stdin="".join(f"k{i}\t{codec} value {i}\n" for i in range(6)))
    for protocol in ("classic", "consumer"):
        run(f"{tools}consumer.ConsoleConsumer", *at, "--topic", topic, "--from-beginning", "--timeout-ms", "6000",
            "--group", f"{topic}-{protocol}", "--consumer-property", f"group.protocol={protocol}")
    run(f"{tools}VerifiableProducer", *at, "--topic", topic, "--max-messages", "3", "--acks", "-1")
    run(topics, *at, "--describe", "--topic", topic)
    run(topics, *at, "--alter", "--topic", topic, "--partitions", "3")
    run(groups, *at, "--list")
    run(groups, *at, "--describe", "--all-groups")
    run(groups, *at, "--reset-offsets", "--group", f"{topic}-classic", "--topic", topic, "--to-earliest", "--execute")
    run(groups, *at, "--delete-offsets", "--group", f"{topic}-classic", "--topic", topic)
    run(groups, *at, "--delete", "--group", f"{topic}-classic")
    run("kafka.admin.ConfigCommand", *at, "--alter", "--topic", topic, "--add-config", "retention.ms=7000000")
    run("kafka.admin.ConfigCommand", *at, "--describe", "--topic", topic, "--all")
    run(f"{tools}GetOffsetShell", *at, "--topic", topic, "--time", "max-timestamp")
    run(f"{tools}TransactionsCommand", *at, "list")
    run(f"{tools}TransactionsCommand", *at, "describe-producers", "--topic", topic, "--partition", "0")
    run(f"{tools}LogDirsCommand", *at, "--describe")
    run(f"{tools}FeatureCommand", *at, "describe")
    run(f"{tools}BrokerApiVersionsCommand", *at)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as offsets:
        offsets.write(f'{{"partitions": [{{"topic": "{topic}", "partition": 0, "offset": 3}}], "version": 1}}')
        offsets.flush()
        run(f"{tools}DeleteRecordsCommand", *at, "--offset-json-file", offsets.name)
    run(topics, *at, "--delete", "--topic", topic)


CLIENTS = {"librdkafka": librdkafka, "kafka-python": kafka_python, "java": java}


def write(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    if not any(other.read_bytes() == data for other in folder.iterdir() if other.stat().st_size == len(data)):
        (folder / name).write_bytes(data)


def batches_in(frame):
    """The record batches that stand in a frame or a file: where a length fits and a checksum is right."""
    at = 0
    while at + HEADER_BYTES <= len(frame):
        size = 12 + int.from_bytes(frame[at + 8:at + 12], signed=True)
        if frame[at + 16] == 2 and HEADER_BYTES <= size <= len(frame) - at:
            batch = frame[at:at + size]
            if calc_crc32c(batch[21:]) == int.from_bytes(batch[17:21]):
                yield batch
                at += size
                continue
        at += 1


def keep_frames(frames):
    kept = {}
    for client, frame in sorted(frames, key=lambda f: len(f[1])):
        if len(frame) > FRAME_BYTES_MAX:
            continue
        key, version = int.from_bytes(frame[4:6]), int.from_bytes(frame[6:8])
        batch = next(batches_in(frame), None) if key == PRODUCE else None
        codec = CODECS[batch[22] & 7] if batch else ""
        alike = kept.setdefault((client, key, version, codec), [])
        # Correlation ids differ in all, lengths only where something else does.
        if len(alike) < FRAMES_MAX and all(len(frame) != len(other) for other in alike):
            alike.append(frame)
            name = f"{client}-api{key:02}-v{version}{codec and '-' + codec}-{len(alike)}"
            write("frame", name, frame)
            if batch and len(alike) == 1:
                write("batches", f"{client}-{codec}", bytes([1, 5]) + batch)
                if client == "java":
                    again = (CODECS.index(codec) + 1) % len(CODECS)
                    write("batches", f"{client}-{codec}-to-{CODECS[again]}", bytes([1, again]) + batch)


KINDS = ["log", "index", "timeindex", "txnindex", "snapshot", "log.swap", "index.swap", "timeindex.swap", "log.cleaned", "log.deleted",
         "leader-epoch-checkpoint", "partition.metadata", "recovery-point-offset-checkpoint", "replication-offset-checkpoint",
         "log-start-offset-checkpoint", "meta.properties", ".kafka_cleanshutdown"]
ENTRY_BYTES = {"index": 8, "timeindex": 12}


def keep_folder(folder, what):
    """One input for each partition: its files, and what the log directory says of it."""
    for partition in sorted(p for p in folder.iterdir() if (p / "leader-epoch-checkpoint").exists()):
        if re.match(r"__cluster_metadata", partition.name):
            continue
        topic, number = partition.name.rsplit("-", 1)
        packed, logs = bytes([1]), 0
        for file in sorted(partition.iterdir()):
            base, _, kind = file.name.partition(".") if file.name[0].isdigit() else ("0", "", file.name)
            if kind not in KINDS:
                continue
            data = file.read_bytes()
            if entry := ENTRY_BYTES.get(kind):
                # A live index is megabytes of zeros behind its entries.
                data = data[:-(-len(data.rstrip(b"\0")) // entry) * entry + (2 * entry if data.endswith(b"\0" * 4 * entry) else 0)]
            if kind == "partition.metadata":
                # The one id that the target opens logs with.
                data = b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABQ"
            logs += kind == "log" and bool(data)
            packed += pack(kind, int(base), data)
        for file in sorted(p for p in folder.iterdir() if p.name in KINDS):
            text = file.read_text()
            if file.name.endswith("-checkpoint"):
                lines = [f"t 0 {line.split()[2]}" for line in text.splitlines()[2:] if line.split()[:2] == [topic, number]]
                text = "".join(f"{line}\n" for line in ["0", len(lines), *lines])
            packed += pack(file.name, 0, text.encode())
        if logs and len(packed) <= FOLDER_BYTES_MAX:
            write("recovery", f"{what}-{re.sub('[.].*|_', '', partition.name)}", packed)


def pack(kind, base, data):
    return bytes([KINDS.index(kind)]) + base.to_bytes(2) + len(data).to_bytes(2) + data


def session(proxy, what, broker):
    """All three clients, and the folder as a kill leaves it."""
    proxy.behind = ("127.0.0.1", int(broker.bootstrap.rsplit(":", 1)[1]))
    for name, client in CLIENTS.items():
        print(f"{what}: {name}", flush=True)
        proxy.client = name
        attempt(name, lambda: client(proxy.bootstrap, f"{name}-{what}"))
    broker.kill()
    keep_folder(broker.log_dir, f"{what}-killed")


def main():
    proxy = Proxy()
    for target in ("frame", "batches", "recovery"):
        shutil.rmtree(CORPUS / target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        advertised = f"advertised.listeners=PLAINTEXT://{proxy.bootstrap}"
        andiron = Andiron(sys.argv[1], scratch / "andiron", overrides=[advertised]).start()
        session(proxy, "andiron", andiron)
        andiron.start()
        andiron.stop()
        keep_folder(andiron.log_dir, "andiron-clean")
        apache = ApacheKafka(scratch / "kafka")
        apache.properties["advertised.listeners"] = f"PLAINTEXT://{proxy.bootstrap},CONTROLLER://127.0.0.1:{apache.controller}"
        apache.start()
        apache.bootstrap = f"127.0.0.1:{apache.port}"
        session(proxy, "kafka", apache)
    keep_frames(proxy.frames)
    for target in sorted(p for p in CORPUS.iterdir() if p.is_dir()):
        sizes = [file.stat().st_size for file in target.iterdir()]
        print(f"{target.name}: {len(sizes)} inputs, {sum(sizes)} bytes; captured {len(proxy.frames)} frames", flush=True)


if __name__ == "__main__":
    main()
