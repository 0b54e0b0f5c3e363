"""An `andiron serve` of one's own, for the demo and the judges: free ports, a folder, and what it printed."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time


def free_port():
    """A port that was free a moment ago, for a server that must come back on the same one."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Andiron:
    """Started by `start()`; `bootstrap` and `remote` say where it listens. Port 0 means any."""

    def __init__(self, binary, folder, kafka_port=0, connect_port=0, overrides=()):
        self.binary, self.folder = str(binary), pathlib.Path(folder)
        self.log_dir = self.folder / "log"
        self.overrides = [
            f"listeners=PLAINTEXT://127.0.0.1:{kafka_port},CONTROLLER://127.0.0.1:0",
            f"spark.connect.grpc.binding.port={connect_port}", f"log.dirs={self.log_dir}", *overrides]
        self.process = self.bootstrap = self.remote = None

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bootstrap = self.remote = None
        command = [self.binary, "serve", *(word for o in self.overrides for word in ("--override", o))]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=open(self.folder / "andiron.log", "a"), text=True,
            env={"PYSPARK_PYTHON": sys.executable, **os.environ})
        wants_remote = "ANDIRON_BROKER_ONLY" not in os.environ
        for line in self.process.stdout:
            if found := re.match(r"PLAINTEXT listens on (\S+:\d+)", line):
                self.bootstrap = found[1]
            if found := re.match(r"Spark Connect listens on (\S+:\d+)", line):
                self.remote = f"sc://{found[1].replace('*', 'localhost')}"
            if self.bootstrap and (self.remote or not wants_remote):
                return self
        self.process.wait()
        raise RuntimeError(f"Andiron did not start (exit code {self.process.returncode}):\n{self.said()[-4000:]}")

    def said(self):
        """Everything on its standard error, over all its starts."""
        return (self.folder / "andiron.log").read_text()

    def memory_mb(self):
        """(now, peak) resident megabytes, where the system tells."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
            return tuple(int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1024 for field in ("VmRSS", "VmHWM"))
        except (OSError, TypeError):
            return 0.0, 0.0

    def stop(self):
        """SIGTERM, and how long it took to go, in seconds."""
        began = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        return time.monotonic() - began

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
