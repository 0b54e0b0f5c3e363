//! The judges: programs we did not write, run against the real binary. Each is a folder of pytest cases under
//! `tests/judges`, run in an environment of its own.

use std::process::Command;

use anyhow::bail;

/// (environment, what it judges, which cases).
const RUNS: [(&str, &str); 2] = [("spark-3.5", "kafka or spark"), ("spark-4", "spark")];

const WORKERS: &str = "4";

/// Builds the binary and runs every judge; `only` is handed to pytest's `-k`. With `wide` those too that compare at length
/// with Apache Kafka: hundreds of its tools' runs, a second and more each.
pub fn judges(only: Option<&str>, release: bool, wide: bool) -> anyhow::Result<()> {
    let binary = crate::python::andiron(release)?;
    let client_tests = crate::python::client_tests()?;
    let cases = crate::tidy::root()?.join("tests/judges");
    let mut failed = Vec::new();
    for (environment, marks) in RUNS {
        let python = crate::python::environment(environment)?;
        let marks = if wide { marks.to_owned() } else { format!("({marks}) and not wide") };
        println!("== judges of {environment}: {marks}");
        let mut pytest = Command::new(&python);
        pytest.args(["-m", "pytest", "-q", "-rs", "--durations=5", "-p", "no:cacheprovider", "-m", &marks]).arg(&cases);
        // Most judges mostly wait. The cases of a file share a server, so a file stays with one worker.
        pytest.args(["-n", WORKERS, "--dist", "loadfile"]);
        if let Some(only) = only {
            pytest.args(["-k", only]);
        }
        pytest
            .env("ANDIRON", &binary)
            .env("ANDIRON_CLIENT_TESTS", &client_tests)
            .env("PYSPARK_PYTHON", &python)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        pytest.env("ANDIRON_CACHE", crate::python::cache()?);
        // 5: no case was selected, which `only` may well do.
        match pytest.status()?.code() {
            Some(0 | 5) => {}
            _ => failed.push(environment),
        }
    }
    if !failed.is_empty() {
        bail!("judges failed: {}", failed.join(", "));
    }
    Ok(())
}

/// `make demo`.
pub fn demo(rest: &[String]) -> anyhow::Result<()> {
    let binary = crate::python::andiron(true)?;
    let python = crate::python::environment("demo")?;
    let script = crate::tidy::root()?.join("examples/demo.py");
    crate::python::run(Command::new(python).arg(script).arg("--andiron").arg(binary).args(rest))
}
