"""Three times the flights (1,010,328 rows) from one topic to Delta: Andiron beside Apache Spark 3.5 in one run.

Rows per second count from the query's start to its end; rows per CPU second count the whole process (Andiron's broker
included). The column checksums of both tables must be equal, and equal to the source's.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import measure
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from demo import flights
from peers import ApacheSpark, Missing
from server import Andiron

TIMES, HERE = 3, pathlib.Path(__file__).resolve().parent
NUMBERS = ["dep_time", "arr_delay", "flight", "air_time", "distance"]


def send(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 3)])[topic].result()
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "compression.type": "lz4", "queue.buffering.max.messages": 500_000})
    rows, sums = 0, dict.fromkeys(NUMBERS, 0)
    records = list(flights())
    for _ in range(TIMES):
        for key, value in records:
            while True:
                try:
                    producer.produce(topic, key=key, value=value)
                    break
                except BufferError:
                    producer.poll(0.1)
            rows += 1
    for _, value in records:
        parsed = json.loads(value)
        for name in NUMBERS:
            sums[name] += TIMES * (parsed[name] or 0)
    assert producer.flush(120) == 0
    return rows, sums


def checksums(table):
    from deltalake import DeltaTable
    import pyarrow.compute as pc
    data = DeltaTable(str(table)).to_pyarrow_table()
    sums = {name: pc.sum(data[name]).as_py() for name in NUMBERS}
    texts = {name: (data[name].null_count, pc.sum(pc.binary_length(data[name])).as_py()) for name in ("carrier", "tailnum", "dest", "time_hour")}
    return data.num_rows, sums, texts


def job(remote, bootstrap, folder, pid):
    before = measure.cpu_seconds(pid)
    done = subprocess.run([sys.executable, str(HERE / "flights_job.py"), remote, bootstrap, "flights", str(folder)],
                          capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return float(re.search(r"SECONDS ([\d.]+)", done.stdout)[1]), measure.cpu_seconds(pid) - before


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="andiron-bench-"))
    andiron = Andiron(sys.argv[1], folder / "andiron").start()
    results, sums = {}, {}
    try:
        rows, source = send(andiron.bootstrap, "flights")
        spark = None
        try:
            spark = ApacheSpark(folder / "spark").start()
        except Missing as why:
            print(f"Andiron's column alone: {why}")
        servers = {"Andiron": (andiron.remote, andiron.process.pid)}
        if spark:
            servers["Apache Spark 3.5"] = (spark.remote, spark.process.pid)
        for n in range(3):
            for name, (remote, pid) in servers.items():
                out = folder / f"{name.replace(' ', '-')}-{n}"
                seconds, cpu = job(remote, andiron.bootstrap, out, pid)
                print(f"  {'warm-up' if n == 0 else f'round {n}'}: {name}: {seconds:.2f} s, {cpu:.2f} CPU s", flush=True)
                sums[name, n] = checksums(out / "table")
                results.setdefault(name, []).append((seconds, cpu, measure.memory_mb(pid, "VmHWM")))
                shutil.rmtree(out)
        if spark:
            spark.stop()
    finally:
        andiron.stop()
    assert len({json.dumps(s, sort_keys=True) for s in sums.values()}) == 1, sums
    assert next(iter(sums.values()))[:2] == (rows, source), (sums, source)
    best = {name: min(figures[1:]) for name, figures in results.items()}
    measure.table(f"bench flights: {rows:,} rows, Kafka (lz4) -> from_json -> Delta (snappy), checksums equal; best of 2 after a warm-up",
                  list(best), [
                      ("rows/s", *(f"{rows / s:,.0f}" for s, _, _ in best.values())),
                      ("rows per CPU second", *(f"{rows / c:,.0f}" for _, c, _ in best.values())),
                      ("rows/s, first run", *(f"{rows / figures[0][0]:,.0f}" for figures in results.values())),
                      ("peak resident, MB", *(f"{figures[-1][2]:.0f}" for figures in results.values()))])
    shutil.rmtree(folder, ignore_errors=True)


main()
