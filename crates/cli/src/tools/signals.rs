//! SIGINT and SIGTERM end a tool that would go on for ever; as in Java, what is to be told at the end is told first.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for one of them: the exit code that a process ended by it has.
pub(crate) async fn stopped() -> u8 {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => 143,
        _ = int.recv() => 130,
    }
}
