//! The worker process of a foreachBatch query, from its start to its end.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::wire::{Answer, answer, put_bytes, put_text, text};
use crate::limits::{WORKER_START_SECONDS_MAX, WORKER_STDERR_BYTES_MAX};
use crate::{Exception, SparkError};

const MODULE: &str = "pyspark.sql.connect.streaming.worker.foreach_batch_worker";

/// Prints the installed PySpark's version and folder without the cost of importing it.
const PROBE: &str = "import importlib.util,os,re,sys
spec=importlib.util.find_spec('pyspark')
if spec is None: sys.exit('No module named pyspark')
p=list(spec.submodule_search_locations)[0]
print(re.search(r'__version__[^=]*=\\s*[\"\\']([^\"\\']+)',open(os.path.join(p,'version.py')).read()).group(1))
print(p)";

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct WorkerSetup {
    /// Our own Spark Connect door, such as `sc://localhost:15002`.
    pub connect_url: String,
    /// Whose session it is.
    pub user: String,
    /// The client's session: the pickled function may hold it.
    pub session_id: String,
    /// The client's Python, such as `3.11`.
    pub python_version: String,
    /// The pickled function.
    pub command: Bytes,
}

/// A worker that waits for batches.
pub struct BatchWorker {
    child: Child,
    socket: BufStream<TcpStream>,
    pid: i32,
    copies: bool,
    stderr: Arc<Mutex<Tail>>,
}

/// The end of an output.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        if let Some(over) = self.0.len().checked_sub(WORKER_STDERR_BYTES_MAX) {
            self.0.drain(..over);
        }
    }
}

fn python() -> OsString {
    std::env::var_os("PYSPARK_PYTHON").filter(|p| !p.is_empty()).unwrap_or_else(|| "python3".into())
}

fn not_started(why: impl std::fmt::Display) -> SparkError {
    SparkError::plain(Exception::Spark, format!("Streaming Runner initialization failed, returned error: {why}"))
}

/// The version and folder of the PySpark that a Python has.
async fn probe(python: &OsString) -> Result<(String, String), SparkError> {
    let output = Command::new(python).arg("-c").arg(PROBE).stdin(Stdio::null()).output().await.map_err(|e| {
        not_started(format!("cannot run {} (set PYSPARK_PYTHON to a Python that has pyspark): {e}", python.display()))
    })?;
    let said = String::from_utf8_lossy(&output.stdout);
    match (output.status.success(), said.lines().next(), said.lines().nth(1)) {
        (true, Some(version), Some(folder)) => Ok((version.to_owned(), folder.to_owned())),
        _ => {
            let why = String::from_utf8_lossy(&output.stderr);
            Err(not_started(format!(
                "{} (set PYSPARK_PYTHON to a Python that has pyspark): {}",
                python.display(),
                why.trim()
            )))
        }
    }
}

/// From 4.3 on every batch names the session in which its function runs.
fn names_session(version: &str) -> bool {
    let mut numbers = version.split('.').map(|n| n.chars().take_while(char::is_ascii_digit).collect::<String>());
    let mut next = || numbers.next().and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
    (next(), next()) >= (4, 3)
}

impl BatchWorker {
    /// Starts the process, gives it the function and waits until it is ready.
    pub async fn start(setup: WorkerSetup) -> Result<Self, SparkError> {
        Self::start_with(python(), setup).await
    }

    pub(super) async fn start_with(python: OsString, setup: WorkerSetup) -> Result<Self, SparkError> {
        let (version, folder) = probe(&python).await?;
        let limit = Duration::from_secs(WORKER_START_SECONDS_MAX);
        tokio::time::timeout(limit, Self::launch(python, &version, &folder, setup))
            .await
            .map_err(|_| not_started(format!("the Python worker is not ready after {WORKER_START_SECONDS_MAX} s")))?
    }

    async fn launch(python: OsString, version: &str, folder: &str, setup: WorkerSetup) -> Result<Self, SparkError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let mut command = Command::new(&python);
        command
            .args(["-m", MODULE])
            .env("PYTHON_WORKER_FACTORY_PORT", port.to_string())
            .env("PYTHON_WORKER_FACTORY_SECRET", &secret)
            .env_remove("PYTHON_WORKER_FACTORY_SOCK_PATH")
            .env("SPARK_CONNECT_LOCAL_URL", format!("{}/;user_id={}", setup.connect_url, setup.user))
            .env("SPARK_AUTH_SOCKET_TIMEOUT", "15")
            .env("SPARK_BUFFER_SIZE", "65536")
            .env("SPARK_LOCAL_DIRS", std::env::temp_dir())
            .env("SPARK_PYTHON_RUNTIME", "PYTHON_WORKER")
            .env("PYTHONUNBUFFERED", "YES")
            .env("PYTHONHASHSEED", "0")
            // The session is the client's own, reached through SPARK_CONNECT_LOCAL_URL, never one that the server's
            // environment names.
            .env_remove("SPARK_REMOTE")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if std::env::var_os("SPARK_HOME").is_none() {
            command.env("SPARK_HOME", folder);
        }
        let mut child = command.spawn().map_err(|e| not_started(format!("{}: {e}", python.display())))?;
        let stderr = Arc::new(Mutex::new(Tail::default()));
        if let Some(pipe) = child.stderr.take() {
            tokio::spawn(keep(pipe, Arc::clone(&stderr)));
        }
        let socket = tokio::select! {
            socket = accept(&listener, &secret) => socket.map_err(not_started)?,
            status = child.wait() => {
                settle().await;
                let status = status.map(|s| s.to_string()).unwrap_or_default();
                return Err(not_started(format!("the Python worker ended ({status}): {}", tail(&stderr))));
            }
        };
        let mut worker = Self { child, socket, pid: 0, copies: names_session(version), stderr };
        match worker.greet(&setup).await {
            Ok(Answer::Done) => Ok(worker),
            Ok(Answer::Failed(traceback)) => Err(not_started(traceback)),
            Err(error) => {
                settle().await;
                Err(not_started(format!("{error}: {}", tail(&worker.stderr))))
            }
        }
    }

    async fn greet(&mut self, setup: &WorkerSetup) -> std::io::Result<Answer> {
        self.pid = self.socket.read_i32().await?;
        put_text(&mut self.socket, &setup.python_version).await?;
        put_text(&mut self.socket, &setup.session_id).await?;
        put_bytes(&mut self.socket, &setup.command).await?;
        self.socket.flush().await?;
        answer(&mut self.socket).await
    }

    /// The process's id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether the worker wants a copy of the session for its batches (PySpark 4.3 and later).
    pub fn wants_session_copy(&self) -> bool {
        self.copies
    }

    /// Runs the function over a frame; returns when it has returned.
    pub async fn call(&mut self, frame: &str, batch: i64, session_copy: Option<&str>) -> Result<(), SparkError> {
        let answered = async {
            put_text(&mut self.socket, frame).await?;
            self.socket.write_i64(batch).await?;
            if let Some(session) = session_copy {
                put_text(&mut self.socket, session).await?;
            }
            self.socket.flush().await?;
            answer(&mut self.socket).await
        };
        match answered.await {
            Ok(Answer::Done) => Ok(()),
            Ok(Answer::Failed(traceback)) => Err(inside(&traceback)),
            Err(error) => Err(self.died(&error).await),
        }
    }

    /// PySpark 3.5 tells of an exception by dying with the traceback on its error output.
    async fn died(&mut self, error: &std::io::Error) -> SparkError {
        let waited = tokio::time::timeout(Duration::from_secs(2), self.child.wait()).await;
        settle().await;
        let output = tail(&self.stderr);
        if let Some(at) = output.rfind("Traceback (most recent call last)") {
            return inside(&output[at..]);
        }
        let status = waited.ok().and_then(Result::ok).map_or_else(|| error.to_string(), |s| s.to_string());
        SparkError::plain(
            Exception::Spark,
            format!("Python worker exited unexpectedly (crashed): {status}\n{output}").trim_end().to_owned(),
        )
    }

    /// Ends the process.
    pub async fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill().await;
    }
}

fn inside(traceback: &str) -> SparkError {
    SparkError::plain(
        Exception::Python,
        format!("Found error inside foreachBatch Python process: {}", traceback.trim_end()),
    )
}

/// Gives the task that reads the error output its turn: the pipe's last bytes come with the process's end.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

fn tail(stderr: &Mutex<Tail>) -> String {
    String::from_utf8_lossy(&stderr.lock().0).trim().to_owned()
}

/// Keeps the end of the output and passes all of it on to the server's own.
async fn keep(mut pipe: impl AsyncRead + Unpin, into: Arc<Mutex<Tail>>) {
    let mut buffer = vec![0; 8192];
    while let Ok(count) = pipe.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        into.lock().add(&buffer[..count]);
        // Whoever runs the server reads there what the user's function prints as an error.
        let _ = std::io::stderr().write_all(&buffer[..count]);
    }
}

/// Waits for the worker to call back; whoever calls without the secret is turned away.
async fn accept(listener: &TcpListener, secret: &str) -> std::io::Result<BufStream<TcpStream>> {
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let mut socket = BufStream::new(socket);
        let said = tokio::time::timeout(Duration::from_secs(15), text(&mut socket)).await;
        if said.is_ok_and(|said| said.is_ok_and(|said| said == secret)) {
            put_text(&mut socket, "ok").await?;
            socket.flush().await?;
            return Ok(socket);
        }
    }
}
