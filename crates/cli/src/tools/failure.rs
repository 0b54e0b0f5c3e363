//! What ends a tool early: wrong words on the command line, or what in Java is an exception. Java's tools show the class and
//! the message of their exceptions, so both are kept; the lines of a stack trace that name places in Java's code are not.

use std::fmt;

use andiron_client::{AdminError, ConfigError, ListOffsetsError, MetadataError};
use andiron_protocol::error::ErrorCode;

use super::exceptions;
use super::print::complain;

/// Why a tool stops before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// `CommandLineUtils.printUsageAndExit`: the sentence and the help on standard error, exit code 1.
    Usage(String),
    /// All is said; the exit code.
    Exit(u8),
    /// An exception; each tool has its own way to report one.
    Thrown(Thrown),
}

/// An exception as Java's tools print it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thrown {
    /// The class with its package.
    pub(crate) class: String,
    /// `getMessage()`; `None` for null.
    pub(crate) message: Option<String>,
    /// `getCause()`.
    pub(crate) cause: Option<Box<Thrown>>,
    /// `getSuppressed()`.
    pub(crate) suppressed: Vec<Thrown>,
}

pub(crate) const ILLEGAL_ARGUMENT: &str = "java.lang.IllegalArgumentException";
const TIMEOUT: &str = "org.apache.kafka.common.errors.TimeoutException";

impl Thrown {
    /// An exception of a class with a message.
    pub(crate) fn new(class: impl Into<String>, message: impl Into<String>) -> Thrown {
        Thrown { class: class.into(), message: Some(message.into()), cause: None, suppressed: Vec::new() }
    }

    /// An exception of a class without a message.
    pub(crate) fn bare(class: impl Into<String>) -> Thrown {
        Thrown { message: None, ..Thrown::new(class, "") }
    }

    /// `IllegalArgumentException`.
    pub(crate) fn illegal(message: impl Into<String>) -> Thrown {
        Thrown::new(ILLEGAL_ARGUMENT, message)
    }

    /// The exception of an error code, in the broker's words if it had any.
    pub(crate) fn of(code: ErrorCode, words: &str) -> Thrown {
        let message = if words.is_empty() { exceptions::message(code) } else { words };
        Thrown::new(exceptions::class(code), message)
    }

    /// This one as the cause of another, which then says what this one says, as `new RuntimeException(e)` does.
    pub(crate) fn within(self, class: &str) -> Thrown {
        Thrown { cause: Some(Box::new(self.clone())), ..Thrown::new(class, self.to_string()) }
    }

    /// As a call of Java's admin client throws it from `KafkaFuture.get`.
    pub(crate) fn in_execution(self) -> Thrown {
        self.within("java.util.concurrent.ExecutionException")
    }

    /// `getMessage()` as Java prints it.
    pub(crate) fn text(&self) -> &str {
        self.message.as_deref().unwrap_or("null")
    }

    /// The exception, what it suppressed and its causes, as much of `Utils.stackTrace` as is not about Java's own code.
    pub(crate) fn trace(&self) -> String {
        let mut text = self.to_string();
        for suppressed in &self.suppressed {
            text.push_str(&format!("\n\tSuppressed: {}", suppressed.trace().replace('\n', "\n\t")));
        }
        if let Some(cause) = &self.cause {
            text.push_str(&format!("\nCaused by: {}", cause.trace()));
        }
        text
    }

    /// `printStackTrace`: on standard error.
    pub(crate) fn print_trace(&self) {
        complain(self.trace());
    }

    /// What most of Java's tools do with an exception: message and trace on standard error, exit code 1.
    pub(crate) fn told(&self) -> u8 {
        complain(self.text());
        complain(self.trace());
        1
    }

    /// As an exception within a `RuntimeException`, of a future whose failure was not told apart.
    pub(crate) fn in_runtime(self) -> Thrown {
        self.in_execution().within("java.lang.RuntimeException")
    }

    /// What the Java machine prints of an exception that nobody catches; the exit code is 1.
    pub(crate) fn uncaught(&self) -> u8 {
        complain(format!("Exception in thread \"main\" {}", self.trace()));
        1
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "{}: {message}", self.class),
            None => f.write_str(&self.class),
        }
    }
}

impl From<Thrown> for Stop {
    fn from(thrown: Thrown) -> Stop {
        Stop::Thrown(thrown)
    }
}

impl From<(ErrorCode, String)> for Thrown {
    fn from((code, words): (ErrorCode, String)) -> Thrown {
        Thrown::of(code, &words)
    }
}

impl From<AdminError> for Thrown {
    fn from(error: AdminError) -> Thrown {
        match error {
            AdminError::Refused { code, detail } => Thrown::of(code, detail.strip_prefix(": ").unwrap_or(&detail)),
            AdminError::Metadata(error) => error.into(),
            AdminError::TimedOut { call, .. } => {
                Thrown::new(TIMEOUT, format!("Timed out waiting for a node assignment. Call: {call}"))
            }
            AdminError::Unsupported { call } => Thrown::new(
                "org.apache.kafka.common.errors.UnsupportedVersionException",
                format!("The node does not support {}", call.to_ascii_uppercase()),
            ),
            AdminError::Protocol(what) => Thrown::new("org.apache.kafka.common.KafkaException", what),
        }
    }
}

impl From<MetadataError> for Thrown {
    fn from(error: MetadataError) -> Thrown {
        match error {
            MetadataError::UnknownTopic { .. } => Thrown::of(ErrorCode::UnknownTopicOrPartition, ""),
            MetadataError::InvalidTopic { .. } => Thrown::of(ErrorCode::InvalidTopicException, ""),
            MetadataError::Refused { code, .. } => Thrown::of(code, ""),
            MetadataError::TimedOut { .. } => {
                Thrown::new(TIMEOUT, "Timed out waiting for a node assignment. Call: describeTopics")
            }
            MetadataError::InvalidPattern { .. } | MetadataError::Protocol(_) => {
                Thrown::new("org.apache.kafka.common.KafkaException", error.to_string())
            }
        }
    }
}

impl From<ListOffsetsError> for Thrown {
    fn from(error: ListOffsetsError) -> Thrown {
        match error {
            ListOffsetsError::Metadata(error) => error.into(),
            ListOffsetsError::Refused { code, .. } => Thrown::of(code, ""),
            ListOffsetsError::TimedOut { .. } => {
                Thrown::new(TIMEOUT, "Timed out waiting for a node assignment. Call: listOffsets")
            }
            ListOffsetsError::Protocol(what) => Thrown::new("org.apache.kafka.common.KafkaException", what),
        }
    }
}

impl From<ConfigError> for Thrown {
    fn from(error: ConfigError) -> Thrown {
        Thrown::new("org.apache.kafka.common.config.ConfigException", error.to_string())
    }
}

macro_rules! stops_by {
    ($($error:ty),*) => {
        $(impl From<$error> for Stop {
            fn from(error: $error) -> Stop {
                Stop::Thrown(error.into())
            }
        })*
    };
}

stops_by!(AdminError, MetadataError, ListOffsetsError, ConfigError, (ErrorCode, String));
