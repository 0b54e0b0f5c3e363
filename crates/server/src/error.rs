//! Why a node does not start, each in one sentence that says what to do about it.

use andiron_broker::NodeError;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody listens there already.
    #[error("the port of listener {listener} is in use: {address}")]
    PortInUse {
        /// Its name.
        listener: String,
        /// Where it was to listen.
        address: String,
    },
    /// The system does not let this user listen there.
    #[error("not allowed to listen on {address} for listener {listener}")]
    PortForbidden {
        /// Its name.
        listener: String,
        /// Where it was to listen.
        address: String,
    },
    /// Anything else that keeps it from listening.
    #[error("cannot listen on {address} for listener {listener}: {reason}")]
    Bind {
        /// Its name.
        listener: String,
        /// Where it was to listen.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The node behind the doors does not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A helper thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// A socket could not be given to the runtime.
    #[error("cannot use a socket: {0}")]
    Socket(std::io::Error),
}
