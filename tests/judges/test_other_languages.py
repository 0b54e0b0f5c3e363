"""The clients of other languages, as their users write programs with them: Java's (Kafka Streams with exactly-once among
them), franz-go, kafkajs. Each program tells a story against the broker and ends with an error where it does not hold."""
import pathlib
import shutil
import subprocess

import pytest

from peers import CACHE, jars, needs

HERE = pathlib.Path(__file__).resolve().parent

pytestmark = pytest.mark.kafka


def ran(command, story, bootstrap, **where):
    done = subprocess.run([*map(str, command), story, bootstrap], capture_output=True, text=True, timeout=240, **where)
    assert done.returncode == 0 and f"held: {story}" in done.stdout, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"


@pytest.fixture(scope="module")
def java(tmp_path_factory):
    needs("Java's clients", "javac")
    folder, classes = jars("streams"), tmp_path_factory.mktemp("java")
    path = f"{folder / 'jars'}/*"
    subprocess.run(["javac", "-cp", path, "-d", classes, HERE / "java/Judge.java"], check=True)
    return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={folder / 'tools.properties'}", f"-Djava.io.tmpdir={tmp_path_factory.mktemp('tmp')}",
            "-cp", f"{classes}:{path}", "Judge"]


@pytest.mark.parametrize("story", ["admin", "producer", "groups", "transactions", "streams"])
def test_java(java, start, story):
    ran(java, story, start().bootstrap)


@pytest.fixture(scope="module")
def franz_go(tmp_path_factory):
    needs("franz-go", "go")
    program = tmp_path_factory.mktemp("go") / "judge"
    subprocess.run(["go", "build", "-o", program, "."], cwd=HERE / "go", check=True)
    return [program]


@pytest.mark.parametrize("story", ["admin", "producer", "groups", "transactions"])
def test_franz_go(franz_go, start, story):
    ran(franz_go, story, start().bootstrap)


@pytest.fixture(scope="module")
def kafkajs():
    needs("kafkajs", "node", "npm")
    folder = CACHE / "kafkajs-2.2.4"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, "kafkajs@2.2.4"], check=True)
        (folder / "complete").touch()
    # Node looks for modules beside the program.
    shutil.copy(HERE / "node/judge.js", folder / "judge.js")
    return ["node", folder / "judge.js"]


@pytest.mark.parametrize("story", ["admin", "producer", "groups", "transactions"])
def test_kafkajs(kafkajs, start, story):
    ran(kafkajs, story, start().bootstrap)
