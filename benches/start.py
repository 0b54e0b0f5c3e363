"""From the start of the process to an answered ApiVersions and an answered Connect Config call; memory idle and after a
first query. Beside Apache Kafka (to ApiVersions) and Apache Spark Connect (to Config)."""
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import measure
import grpc
import pyspark.sql.connect.proto as proto
from pyspark.sql.connect.proto import base_pb2_grpc

from peers import ApacheKafka, ApacheSpark, Missing
from server import Andiron, free_port

ROUNDS = 7


def wait_listening(port, process):
    while True:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            sys.exit(f"the server ended with exit code {process.returncode}")
        time.sleep(0.0005)


def ask_config(port):
    request = proto.ConfigRequest(session_id="00000000-0000-4000-8000-000000000001", client_type="bench",
                                  user_context=proto.UserContext(user_id="bench"))
    request.operation.get_with_default.pairs.add(key="spark.sql.session.timeZone", value="UTC")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = base_pb2_grpc.SparkConnectServiceStub(channel).Config(request, timeout=30)
    assert len(answer.pairs) == 1, answer


def first_query(remote):
    """In a process of its own, so that its memory is not ours."""
    code = ("import os; from pyspark.sql import SparkSession; s = SparkSession.builder.remote(os.environ['R']).getOrCreate();"
            "assert s.range(1000).selectExpr('sum(id) s').collect()[0].s == 499500")
    subprocess.run([sys.executable, "-c", code], check=True, env={"R": remote, "PATH": "/usr/bin:/bin"}, stderr=subprocess.DEVNULL)


def andiron(binary, folder):
    milliseconds = []
    for round_number in range(ROUNDS + 1):
        kafka, connect = free_port(), free_port()
        server = Andiron(binary, folder / f"a{round_number}", kafka_port=kafka, connect_port=connect)
        # The folder is new each time: formatting it belongs to the start.
        server.folder.mkdir()
        began = time.perf_counter()
        command = [server.binary, "serve", *(w for o in server.overrides for w in ("--override", o))]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_listening(kafka, process)
        assert measure.ask_api_versions(kafka)
        wait_listening(connect, process)
        ask_config(connect)
        if round_number:  # the first one warms the page cache
            milliseconds.append((time.perf_counter() - began) * 1000)
        if round_number < ROUNDS:
            process.terminate()
            process.wait()
    time.sleep(1)
    idle = measure.memory_mb(process.pid)
    first_query(f"sc://127.0.0.1:{connect}")
    after = measure.memory_mb(process.pid)
    process.terminate()
    process.wait()
    return milliseconds, idle, after


def peer(server, port, ask, remote=None):
    began = time.perf_counter()
    server.start()
    ask(port)
    milliseconds = (time.perf_counter() - began) * 1000
    time.sleep(1)
    idle = measure.memory_mb(server.process.pid)
    after = None
    if remote:
        first_query(remote)
        after = measure.memory_mb(server.process.pid)
    server.stop()
    return [milliseconds], idle, after


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="andiron-bench-"))
    columns, figures = ["Andiron"], [andiron(sys.argv[1], folder)]
    try:
        kafka = ApacheKafka(folder / "kafka").start()
        kafka.stop()  # formatted now; what is measured is the start
        columns, figures = columns + ["Apache Kafka 4.3.1"], figures + [peer(kafka, kafka.port, measure.ask_api_versions)]
        spark = ApacheSpark(folder / "spark")
        columns, figures = columns + ["Spark Connect 3.5"], figures + [peer(spark, spark.port, ask_config, spark.remote)]
    except Missing as why:
        print(f"without a peer: {why}")
    measure.table("bench start: from exec to answers, memory", columns, [
        ("start, ms (median)", *(f"{statistics.median(ms):.0f}" for ms, _, _ in figures)),
        ("start, ms (worst)", *(f"{max(ms):.0f}" for ms, _, _ in figures)),
        ("resident idle, MB", *(f"{idle:.0f}" for _, idle, _ in figures)),
        ("resident after a first query, MB", *("-" if after is None else f"{after:.0f}" for _, _, after in figures))])


main()
