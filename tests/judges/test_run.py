"""`andiron run`: the script's output and exit code are its own, and what is missing is named with its remedy."""
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.spark


def run(binary, folder, code, *arguments, python=sys.executable):
    script = folder / "script.py"
    script.write_text(code)
    return subprocess.run([binary, "run", str(script), *arguments], cwd=folder, capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYSPARK_PYTHON": python})


def test_a_script_finds_spark_and_gives_its_exit_code(binary, tmp_path):
    done = run(binary, tmp_path, "import sys\nfrom pyspark.sql import SparkSession\n"
               "print(SparkSession.builder.getOrCreate().range(5).count(), sys.argv[1:])\nsys.exit(7)\n", "--x", "y")
    assert (done.returncode, done.stdout) == (7, "5 ['--x', 'y']\n"), done.stderr


def test_no_python_says_what_to_install(binary, tmp_path):
    done = run(binary, tmp_path, "", python="/nowhere/python3")
    assert done.returncode == 1 and "/nowhere/python3 cannot be started" in done.stderr and "install" in done.stderr


def test_no_such_script(binary, tmp_path):
    done = subprocess.run([binary, "run", "nothing.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "nothing.py: no such script" in done.stderr
