//! `andiron run SCRIPT.py`: the broker, the engine and the script, started and ended together.
//!
//! Kafka is the one on port 9092, ours or whoever's already answers there; Spark Connect gets a free port and the script
//! learns it from SPARK_REMOTE. Workers use the Python that runs the script.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use andiron_server::BrokerConfig;

/// Run a PySpark script with Kafka and Spark beside it
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The script
    script: PathBuf,
    /// The script's own arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Where Kafka is expected, as in every example.
const KAFKA_PORT: u16 = 9092;
/// What a script needs, asked for without importing it: an import of PySpark takes a second.
const PROBE: &str = "import importlib.util as u, sys; \
    sys.exit(', '.join(m for m in ('pyspark', 'pandas', 'pyarrow', 'grpc', 'grpc_status') if u.find_spec(m) is None) or 0)";

impl Run {
    /// Runs the script to its end and takes over its exit code.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if !self.script.is_file() {
            bail!("{}: no such script", self.script.display());
        }
        let python = python()?;
        let mut settings = vec![("spark.connect.grpc.binding.port", "0".to_owned())];
        if kafka_answers() {
            eprintln!("andiron: a Kafka broker answers on localhost:{KAFKA_PORT}; using it");
            settings.push(("listeners", "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0".to_owned()));
            settings.push(("log.dirs", "andiron-data/run-log".to_owned()));
        } else {
            settings.push(("listeners", format!("PLAINTEXT://127.0.0.1:{KAFKA_PORT},CONTROLLER://127.0.0.1:0")));
        }
        let overrides = settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let config = BrokerConfig::from_properties(None, overrides)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("andiron-net").build()?;
        runtime.block_on(async {
            let running = andiron_server::start(config)?;
            let remote = running
                .addresses
                .iter()
                .find(|a| a.listener == "Spark Connect")
                .map(|a| format!("sc://localhost:{}", a.port))
                .context("this binary was built without Spark Connect (feature `spark`)")?;
            let ended = script(&python, &self.script, &self.arguments, &remote).await;
            running.shutdown().await;
            ended
        })
    }
}

/// Runs the script; Ctrl-C reaches it from the terminal as it reaches us, and it decides when to end.
async fn script(python: &str, script: &PathBuf, arguments: &[OsString], remote: &str) -> anyhow::Result<ExitCode> {
    let mut child = tokio::process::Command::new(python)
        .arg(script)
        .args(arguments)
        .env("SPARK_REMOTE", remote)
        .env("PYSPARK_PYTHON", python)
        .env("PYTHONUNBUFFERED", "1")
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {python}"))?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    loop {
        tokio::select! {
            status = child.wait() => {
                use std::os::unix::process::ExitStatusExt as _;
                let status = status?;
                // As a shell says it: 128 and the signal.
                let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
                return Ok(ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1)));
            }
            _ = interrupt.recv() => {}
            _ = terminate.recv() => child.start_kill()?,
        }
    }
}

/// The interpreter, with what a script needs in it.
fn python() -> anyhow::Result<String> {
    let python = std::env::var("PYSPARK_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let probe = Command::new(&python).args(["-c", PROBE]).stdin(Stdio::null()).output();
    let Ok(probe) = probe else {
        bail!(
            "{python} cannot be started; install Python 3.9 or later (for instance `apt install python3 python3-venv`), \
             or name an interpreter in PYSPARK_PYTHON"
        );
    };
    if !probe.status.success() {
        let missing = String::from_utf8_lossy(&probe.stderr);
        bail!(
            "{python} has no {}; install it with `{python} -m pip install \"pyspark[connect]\"`, \
             or name an interpreter that has it in PYSPARK_PYTHON",
            missing.trim()
        );
    }
    Ok(python)
}

/// Whether something on port 9092 answers ApiVersions as a Kafka broker does.
fn kafka_answers() -> bool {
    const PATIENCE: Duration = Duration::from_millis(500);
    // ApiVersions v0, correlation id 1, no client id.
    const ASK: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    let ask = || -> std::io::Result<bool> {
        let mut socket = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], KAFKA_PORT)), PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(&ASK)?;
        let mut answer = [0u8; 10];
        socket.read_exact(&mut answer)?;
        Ok(answer[4..10] == [0, 0, 0, 1, 0, 0])
    };
    ask().unwrap_or(false)
}
