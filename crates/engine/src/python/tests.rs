//! The worker's protocol, spoken with a Python that has no PySpark: a stand-in package takes the worker's place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsString;
use std::path::Path;

use bytes::Bytes;

use super::worker::{BatchWorker, WorkerSetup};

/// Speaks as PySpark's worker does; the "pickled function" is Python source for its body.
const STAND_IN: &str = r#"
import os, socket, struct, sys, traceback
s = socket.create_connection(("127.0.0.1", int(os.environ["PYTHON_WORKER_FACTORY_PORT"])))
f = s.makefile("rwb", 65536)
def i32(): return struct.unpack("!i", f.read(4))[0]
def text(): return f.read(i32()).decode()
def put(b): f.write(struct.pack("!i", len(b)) + b)
put(os.environ["PYTHON_WORKER_FACTORY_SECRET"].encode()); f.flush()
assert text() == "ok"
f.write(struct.pack("!i", os.getpid())); f.flush()
version, session, command = text(), text(), f.read(i32()).decode()
if version != "3.11":
    f.write(struct.pack("!i", -2)); put(b"Python versions differ"); f.flush(); sys.exit(1)
f.write(struct.pack("!i", 0)); f.flush()
while True:
    frame = text()
    batch = struct.unpack("!q", f.read(8))[0]
    copy = text() if VERSION >= (4, 3) else None
    try:
        exec(command)
    except Exception:
        if VERSION < (4, 0): raise
        f.write(struct.pack("!i", -2)); put(traceback.format_exc().encode()); f.flush(); sys.exit(1)
    f.write(struct.pack("!i", 0)); f.flush()
"#;

fn install(folder: &Path, version: &str) -> OsString {
    let package = folder.join("pyspark/sql/connect/streaming/worker");
    std::fs::create_dir_all(&package).unwrap();
    for (depth, parent) in package.ancestors().take(5).enumerate() {
        if depth < 5 {
            std::fs::write(parent.join("__init__.py"), "").unwrap();
        }
    }
    std::fs::write(folder.join("pyspark/version.py"), format!("__version__: str = \"{version}\"\n")).unwrap();
    let numbers: Vec<&str> = version.split('.').take(2).collect();
    let stand_in = format!("VERSION = ({}, {})\n{STAND_IN}", numbers[0], numbers[1]);
    std::fs::write(package.join("foreach_batch_worker.py"), stand_in).unwrap();
    // The interpreter that the environment would name, with the stand-in before anything that is installed.
    let python = folder.join("python");
    std::fs::write(&python, format!("#!/bin/sh\nPYTHONPATH={} exec python3 \"$@\"\n", folder.display())).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    python.into()
}

fn setup(command: &str, python_version: &str) -> WorkerSetup {
    WorkerSetup {
        connect_url: "sc://localhost:1".to_owned(),
        user: "me".to_owned(),
        session_id: "the-session".to_owned(),
        python_version: python_version.to_owned(),
        command: Bytes::copy_from_slice(command.as_bytes()),
    }
}

#[tokio::test]
async fn frames_go_in_the_workers_own_dialect() {
    for (version, copies) in [("3.5.9", false), ("4.2.0", false), ("4.3.0", true), ("5.0.0.dev1", true)] {
        let folder = tempfile::tempdir().unwrap();
        let python = install(folder.path(), version);
        let seen = folder.path().join("seen");
        let body = format!(
            "open({:?}, 'a').write(f'{{session}} {{frame}} {{batch}} {{copy}} {{os.environ[\"SPARK_CONNECT_LOCAL_URL\"]}}\\n')",
            seen.display().to_string()
        );
        let mut worker = BatchWorker::start_with(python, setup(&body, "3.11")).await.unwrap();
        assert_eq!(worker.wants_session_copy(), copies, "{version}");
        assert!(worker.pid() > 0);
        for batch in [0, 1] {
            worker.call("frame", batch, copies.then_some("a-copy")).await.unwrap();
        }
        let copy = if copies { "a-copy" } else { "None" };
        let url = "sc://localhost:1/;user_id=me";
        let wanted = format!("the-session frame 0 {copy} {url}\nthe-session frame 1 {copy} {url}\n");
        assert_eq!(std::fs::read_to_string(&seen).unwrap(), wanted, "{version}");
        worker.kill().await;
    }
}

#[tokio::test]
async fn an_exception_comes_back_with_its_traceback_from_either_generation() {
    for version in ["3.5.9", "4.1.0"] {
        let folder = tempfile::tempdir().unwrap();
        let python = install(folder.path(), version);
        let mut worker =
            BatchWorker::start_with(python, setup("raise ValueError('no such order')", "3.11")).await.unwrap();
        let said = worker.call("frame", 0, None).await.unwrap_err().to_string();
        assert!(said.starts_with("Found error inside foreachBatch Python process: Traceback"), "{said}");
        assert!(said.ends_with("ValueError: no such order"), "{said}");
    }
}

#[tokio::test]
async fn a_worker_that_dies_or_never_starts_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let python = install(folder.path(), "4.1.0");
    let mut worker = BatchWorker::start_with(python.clone(), setup("os._exit(7)", "3.11")).await.unwrap();
    let said = worker.call("frame", 0, None).await.unwrap_err().to_string();
    assert!(said.starts_with("Python worker exited unexpectedly (crashed)") && said.contains('7'), "{said}");
    let said = BatchWorker::start_with(python, setup("", "3.99")).await.err().unwrap().to_string();
    assert!(said.contains("Python versions differ"), "{said}");
    let said = BatchWorker::start_with("/no/python".into(), setup("", "3.11")).await.err().unwrap().to_string();
    assert!(said.contains("PYSPARK_PYTHON"), "{said}");
}
