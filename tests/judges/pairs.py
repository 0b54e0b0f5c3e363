"""One command line given to both: Apache Kafka's tool and ours of the same name. What they print and return must be equal,
but for what the caller scrubs (ids, times)."""
import collections
import os
import re
import subprocess

from peers import tool_command

CLASSES = {
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-e2e-latency": "org.apache.kafka.tools.EndToEndLatency",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
}

# How many invocations of a tool were compared in this process: {(tool, "successes" or "failures"): number}.
COMPARED = collections.Counter()
SUCCESSES_MIN, FAILURES_MIN = 5, 3


def count(tool, succeeded):
    COMPARED[tool, "successes" if succeeded else "failures"] += 1


def enough(request, *tools):
    """Each of the tools was compared often enough, if all cases of a file were run."""
    if not request.config.getoption("-k"):
        few = {tool: (COMPARED[tool, "successes"], COMPARED[tool, "failures"]) for tool in tools
               if COMPARED[tool, "successes"] < SUCCESSES_MIN or COMPARED[tool, "failures"] < FAILURES_MIN}
        assert not few, few


class Said:
    """What a tool printed on both its outputs, and its exit code."""

    def __init__(self, done):
        self.out, self.err, self.code = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"), done.returncode

    def told(self, scrub=lambda text: text):
        return scrub(self.out), scrub(plain(self.err)), self.code

    def __repr__(self):
        return f"exit {self.code}\n{self.out[-2000:]}\n{self.err[-2000:]}"


def plain(err):
    """Standard error without what names places in Java's code, without warnings of the client behind the tool, and with the
    time of log lines taken out. The usage that either prints before a complaint is in its own words; the complaint argparse4j
    breaks at 75 columns, after a dash too."""
    left_out = r"\s+at |\s+\.\.\. \d+ more|Caused by: |\[[\d-]{10} [\d:,]{12}\] WARN "
    lines = [line for line in err.splitlines() if line.strip() and not re.match(left_out, line)]
    text = "\n".join(line for line in lines if not line.startswith("Did you mean "))
    text = re.sub(r"\[[\d-]{10} [\d:,]{12}\]", "[TIME]", text)
    if found := re.search(r"(?ms)^usage: .*?^(kafka-[\w-]+|verifiable-\w+):\s+error:\s+(.*)", text):
        whole = re.sub(r"-\n\s*", "-", found[2])
        return f"{found[1]}: error: {' '.join(whole.split())}"
    return re.sub(r"(?ms)^(Option  .*|Usage: .*|\(\* = .*|Option +Description.*)", "HELP", text)


class Pairs:
    """Runs both and keeps count."""

    def __init__(self, binary):
        self.binary = str(binary)

    def ours(self, tool, *words, stdin=None, timeout=120):
        return self._run([self.binary, tool, *map(str, words)], stdin, timeout)

    def theirs(self, tool, *words, stdin=None, timeout=120):
        return self._run(tool_command(CLASSES[tool], *words), stdin, timeout)

    def run(self, whose, *words, **options):
        return (self.ours if whose == "ours" else self.theirs)(*words, **options)

    def _run(self, command, stdin, timeout):
        stdin = stdin.encode() if isinstance(stdin, str) else stdin
        return Said(subprocess.run(command, input=stdin or b"", capture_output=True, timeout=timeout,
                                   env={**os.environ, "LC_ALL": "C.UTF-8"}))

    def both(self, tool, words, scrub, made=lambda whose: None):
        """Both say the same of what `words(whose)` asks, and leave the same things made; what ours said."""
        seen, ours = {}, None
        for whose in ("theirs", "ours"):
            said = self.run(whose, tool, *words(whose))
            seen[whose] = *said.told(lambda text, whose=whose: scrub(text.replace(whose, "WHOSE"))), made(whose)
            ours = said
        assert seen["ours"] == seen["theirs"], tool
        count(tool, ours.code == 0)
        return ours

    def same(self, tool, *words, stdin=None, scrub=lambda text: text):
        """Both say the same; what ours said."""
        ours, theirs = (run(tool, *words, stdin=stdin) for run in (self.ours, self.theirs))
        assert ours.told(scrub) == theirs.told(scrub), f"{tool} {words}"
        count(tool, theirs.code == 0)
        return ours
