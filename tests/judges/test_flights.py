"""The main job under kill -9: a year of flights, every row once in Delta, every bad row in the dead-letter topic."""
import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from demo import HERE, send
from server import free_port

pytestmark = pytest.mark.spark

KILLS = 10
ROWS_PER_BATCH = 10_000


def newest(folder):
    """The highest batch id of an offset or commit log; -1 while it is empty."""
    try:
        return max((int(name) for name in os.listdir(folder) if name.isdigit()), default=-1)
    except FileNotFoundError:
        return -1


def read_all(bootstrap, topic):
    """Every record's value, as JSON."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "judge", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    left = sum(consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in partitions)
    values = []
    while len(values) < left:
        batch = consumer.consume(10_000, timeout=20)
        assert batch, f"{topic}: only {len(values)} of {left} records could be read"
        values += [json.loads(m.value()) for m in batch]
    consumer.close()
    return values


def test_every_row_once_after_ten_kills(start, tmp_path):
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}")
    draw = random.Random(seed)
    andiron = start(kafka_port=free_port(), connect_port=free_port())
    admin = AdminClient({"bootstrap.servers": andiron.bootstrap})
    for future in admin.create_topics([NewTopic("flights", 3), NewTopic("flights.DLT", 1)]).values():
        future.result()
    assert send(andiron.bootstrap, "flights") == 336_776

    checkpoint, table = tmp_path / "checkpoint", tmp_path / "delta"
    command = [sys.executable, str(HERE / "flights.py"), "--bootstrap", andiron.bootstrap, "--available-now",
               "--table", str(table), "--checkpoint", str(checkpoint), "--max-offsets-per-trigger", str(ROWS_PER_BATCH)]

    def pipeline():
        return subprocess.Popen(command, env={**os.environ, "SPARK_REMOTE": andiron.remote},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    cut = set()
    for number, target in enumerate(sorted(draw.sample(range(1, 33), KILLS))):
        client = pipeline()
        deadline = time.monotonic() + 60
        while newest(checkpoint / "offsets") < target and client.poll() is None:
            assert time.monotonic() < deadline, f"batch {target} did not begin: {andiron.said()[-2000:]}"
            time.sleep(0.0005)
        # Two of three kills fall as soon as the offsets are there, the others somewhere in what follows.
        time.sleep(draw.uniform(0, 0.005) if number % 3 else draw.uniform(0, 0.1))
        andiron.kill()
        began, committed = newest(checkpoint / "offsets"), newest(checkpoint / "commits")
        if began > committed:
            cut.add(began)
        client.kill()
        client.communicate()
        andiron.start()
    print(f"batches cut between their offsets and their commit: {sorted(cut)}")
    assert len(cut) >= 5, f"only {sorted(cut)} were cut between offsets and commit"

    for _ in range(2):  # the second run finds nothing left to do
        client = pipeline()
        said, _ = client.communicate(timeout=300)
        assert client.returncode == 0, said
    assert "0 rows in 0 batches" in said, said

    from deltalake import DeltaTable
    rows = DeltaTable(str(table)).to_pyarrow_table(columns=["partition", "offset", "dep_time"])
    places = collections.Counter(zip(rows["partition"].to_pylist(), rows["offset"].to_pylist()))
    assert rows.num_rows == 328_521 and max(places.values()) == 1, f"{rows.num_rows} rows, {max(places.values())} of one"
    assert rows["dep_time"].null_count == 0

    dead = collections.defaultdict(list)
    for value in read_all(andiron.bootstrap, "flights.DLT"):
        assert json.loads(value["original_value"])["dep_time"] is None and value["error_reason"] == "never_departed"
        assert {"timestamp", "batch_id"} <= value.keys(), value
        dead[value["partition"], value["offset"]].append(value["batch_id"])
    assert len(dead) == 8_255 and not dead.keys() & places.keys()
    repeated = {batch for batches in dead.values() if len(batches) > 1 for batch in batches}
    assert repeated <= cut, f"batches {sorted(repeated - cut)} repeated without having been cut"


def test_a_second_run_on_the_same_checkpoint_writes_nothing(start, tmp_path):
    """On a small topic, so that it is seen at once when the large one is not run."""
    from confluent_kafka import Producer
    andiron = start()
    admin = AdminClient({"bootstrap.servers": andiron.bootstrap})
    for future in admin.create_topics([NewTopic("flights", 3), NewTopic("flights.DLT", 1)]).values():
        future.result()
    producer = Producer({"bootstrap.servers": andiron.bootstrap})
    for i in range(30):
        producer.produce("flights", key=f"N{i}", value=json.dumps({"year": 2013, "dep_time": None if i % 10 == 0 else 500 + i}))
    assert producer.flush(20) == 0
    files = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, str(HERE / "flights.py"), "--bootstrap", andiron.bootstrap, "--available-now",
             "--table", str(tmp_path / "delta"), "--checkpoint", str(tmp_path / "checkpoint")],
            env={**os.environ, "SPARK_REMOTE": andiron.remote}, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        files.append(sorted(p.name for p in pathlib.Path(tmp_path, "delta", "_delta_log").glob("*.json")))
    assert files[0] == files[1] and "0 rows in 0 batches" in done.stdout, done.stdout
    from deltalake import DeltaTable
    assert DeltaTable(str(tmp_path / "delta")).to_pyarrow_table().num_rows == 27
    assert len(read_all(andiron.bootstrap, "flights.DLT")) == 3
