"""The originals to be judged by and measured beside: Apache Kafka 4.3.1 with its tools, and Apache Spark 3.5 Connect.

Fetched from Maven once, kept under $ANDIRON_CACHE/peers (else ~/.cache/andiron/peers).
"""
import base64
import hashlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from server import free_port

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("ANDIRON_CACHE", pathlib.Path.home() / ".cache/andiron")) / "peers"
LOGGING = """status=error
appender.c.type=Console
appender.c.name=C
appender.c.target=SYSTEM_ERR
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=info
rootLogger.appenderRef.c.ref=C
"""


class Missing(Exception):
    """What a peer needs is not on this machine; the text says what."""


def needs(what, *programs):
    """Names the program that `what` cannot be run without, if one is missing."""
    for program in programs:
        if not shutil.which(program):
            raise Missing(f"no {program}: {what} cannot be run")


def jars(name):
    """The folder with a peer's jars, fetched if need be."""
    needs(f"Apache {name.title()}", "java", "mvn")
    pom = HERE / f"{name}.pom.xml"
    folder = CACHE / f"{name}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        print(f"set-up: Apache {name.title()} -> {folder}", file=sys.stderr, flush=True)
        done = subprocess.run(["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
                               f"-DoutputDirectory={folder / 'jars'}"], capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"Maven could not fetch Apache {name.title()}: {done.stdout[-500:]}{done.stderr[-500:]}")
        (folder / "log4j2.properties").write_text(LOGGING)
        (folder / "tools.properties").write_text(LOGGING.replace("=info", "=warn"))
        (folder / "complete").touch()
    return folder


def tool_command(java_class, *arguments):
    """The command line of one of Kafka's shell tools."""
    folder = jars("kafka")
    return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={folder / 'tools.properties'}", "-cp", f"{folder / 'jars'}/*", java_class,
            *map(str, arguments)]


def tool(java_class, *arguments, stdin=None, timeout=120):
    """Runs one of Kafka's shell tools; returns what it printed, and fails with it."""
    done = subprocess.run(tool_command(java_class, *arguments), input=stdin, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{java_class} {arguments}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


class Jvm:
    """Kafka's tools, one after the other in one JVM. What ends the JVM (argparse4j does with its complaints) is asked again in
    one of its own."""

    def __init__(self):
        self._start()

    def _start(self):
        folder = jars("kafka")
        self.process = subprocess.Popen(
            ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
             f"-Dlog4j2.configurationFile={folder / 'tools.properties'}", "-cp", f"{folder / 'jars'}/*", str(HERE / "Tools.java")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, words):
        """(exit code, stdout, stderr)"""
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            self.close()
            self._start()
            done = subprocess.run(tool_command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150)
            return done.returncode, done.stdout, done.stderr
        code, out, err = answer.rstrip("\n").split(" ")
        return int(code), base64.b64decode(out).decode(), base64.b64decode(err).decode()

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def wait_for_port(port, process, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise RuntimeError(f"the process on port {port} ended with exit code {process.returncode}")
        time.sleep(0.02)
    raise RuntimeError(f"nothing listened on port {port} for {seconds} s")


class Server:
    """A child process that is stopped by SIGTERM and knows its memory and CPU."""

    process = None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class ApacheKafka(Server):
    """One KRaft node. A folder that is there already is opened as it is."""

    def __init__(self, folder, port=0, node_id=1, overrides=None):
        self.folder, self.port, self.controller = pathlib.Path(folder), port or free_port(), free_port()
        self.log_dir = self.folder / "log"
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.properties = {
            "process.roles": "broker,controller", "node.id": node_id, "controller.listener.names": "CONTROLLER",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller}",
            "log.dirs": self.log_dir, "offsets.topic.replication.factor": 1, "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1, "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1, "group.initial.rebalance.delay.ms": 0, **(overrides or {})}

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "server.properties"
        config.write_text("".join(f"{k}={v}\n" for k, v in self.properties.items()))
        if not (self.log_dir / "meta.properties").exists():
            tool("kafka.tools.StorageTool", "format", "--standalone", "-t", "AjtJUBfaRYS1fqhWubkuTg", "-c", config)
        folder = jars("kafka")
        self.process = subprocess.Popen(
            ["java", "-Xms512m", "-Xmx1g", "-XX:+UseG1GC", f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
             "-cp", f"{folder / 'jars'}/*", "kafka.Kafka", str(config)],
            stdout=open(self.folder / "kafka.log", "a"), stderr=subprocess.STDOUT)
        wait_for_port(self.port, self.process)
        return self

    def said(self):
        return (self.folder / "kafka.log").read_text()


class ApacheSpark(Server):
    """Spark Connect 3.5 with the Kafka connector and Delta. Needs a Python whose PySpark 3.5 carries Spark's jars."""

    def __init__(self, folder, python=sys.executable):
        self.folder, self.port, self.python = pathlib.Path(folder), free_port(), python
        self.remote = f"sc://127.0.0.1:{self.port}"

    def start(self):
        home = subprocess.run([self.python, "-c", "import pyspark, os; print(os.path.dirname(pyspark.__file__))"],
                              capture_output=True, text=True, check=True).stdout.strip()
        if not pathlib.Path(home, "jars").exists():
            raise Missing(f"{self.python} has no PySpark with Spark's jars")
        wanted = re.compile(r"(commons-pool2|delta-spark|delta-storage|kafka-clients|spark-connect|spark-sql-kafka|spark-token-provider-kafka)")
        extra = [str(p) for p in sorted((jars("spark") / "jars").glob("*.jar"))
                 if wanted.match(p.name) and not pathlib.Path(home, "jars", p.name).exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            "spark.connect.grpc.binding.port": self.port, "spark.ui.enabled": "false",
            "spark.sql.warehouse.dir": self.folder / "warehouse"}
        self.process = subprocess.Popen(
            [f"{home}/bin/spark-submit", "--class", "org.apache.spark.sql.connect.service.SparkConnectServer",
             "--master", "local[2]", "--driver-memory", "4g", "--jars", ",".join(extra),
             *(word for k, v in settings.items() for word in ("--conf", f"{k}={v}")), "spark-internal"],
            stdout=open(self.folder / "spark.log", "w"), stderr=subprocess.STDOUT, cwd=self.folder,
            env={**os.environ, "SPARK_HOME": home, "PYSPARK_PYTHON": self.python, "PYTHONPATH": f"{home}/python"})
        wait_for_port(self.port, self.process, 120)
        return self
