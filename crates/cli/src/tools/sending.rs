//! Producing tools: a producer from properties with the complaints of Java's, and what becomes of records that are on their
//! way.

use std::collections::VecDeque;

use andiron_client::{
    Client, ClientConfig, ConfigError, Delivery, ProduceError, Producer, RecordMetadata, SendError, TransactionError,
};

use super::failure::Thrown;

/// Threads for the client of a tool that measures.
const CLIENT_THREADS: usize = 2;

const TIMEOUT: &str = "org.apache.kafka.common.errors.TimeoutException";

/// Runs a tool's asynchronous part where the client's tasks have threads of their own: a loop that only sends does not
/// wait for them.
pub(crate) fn block_on_threads<T>(work: impl Future<Output = T>) -> Result<T, Thrown> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(CLIENT_THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Thrown::new("java.io.IOException", error.to_string()))?;
    Ok(runtime.block_on(work))
}

/// `new KafkaProducer(properties)`. Must be called within a runtime.
pub(crate) fn producer(properties: Vec<(String, String)>) -> Result<Producer, Thrown> {
    let made = ClientConfig::from_properties(properties).and_then(|config| Client::new(config).producer());
    made.map_err(|error| constructing(error, "Failed to construct kafka producer"))
}

/// Wrong addresses are wrapped in another exception, wrong values are not.
pub(crate) fn constructing(error: ConfigError, what: &str) -> Thrown {
    match error {
        ConfigError::Bootstrap { .. } | ConfigError::Missing(_) => Thrown {
            cause: Some(Box::new(error.into())),
            ..Thrown::new("org.apache.kafka.common.KafkaException", what)
        },
        error => error.into(),
    }
}

impl From<SendError> for Thrown {
    fn from(error: SendError) -> Thrown {
        let class = match error {
            SendError::LargerThanRequest { .. } | SendError::LargerThanMemory { .. } => {
                "org.apache.kafka.common.errors.RecordTooLargeException"
            }
            SendError::MemoryExhausted { .. } => "org.apache.kafka.clients.producer.BufferExhaustedException",
            SendError::TopicMissing { .. } | SendError::PartitionMissing { .. } => TIMEOUT,
            _ => "org.apache.kafka.common.KafkaException",
        };
        Thrown::new(class, error.to_string())
    }
}

impl From<TransactionError> for Thrown {
    fn from(error: TransactionError) -> Thrown {
        let class = match error {
            TransactionError::NotTransactional | TransactionError::IllegalState(_) => "java.lang.IllegalStateException",
            TransactionError::Fenced => "org.apache.kafka.common.errors.ProducerFencedException",
            TransactionError::TimedOut { .. } => TIMEOUT,
            TransactionError::Abortable(_) | TransactionError::Fatal(_) => "org.apache.kafka.common.KafkaException",
        };
        Thrown::new(class, error.to_string())
    }
}

impl From<ProduceError> for Thrown {
    fn from(error: ProduceError) -> Thrown {
        match &error {
            ProduceError::Refused { code, detail, .. } => Thrown::of(*code, detail.trim_start_matches([':', ' '])),
            ProduceError::Expired { .. } => Thrown::new(TIMEOUT, error.to_string()),
            ProduceError::Transport { .. } => {
                Thrown::new("org.apache.kafka.common.errors.NetworkException", error.to_string())
            }
            _ => Thrown::new("org.apache.kafka.common.KafkaException", error.to_string()),
        }
    }
}

/// Records on their way, each with what the tool wants to know of it when it has arrived.
#[derive(Debug)]
pub(crate) struct OnTheirWay<T> {
    sent: VecDeque<(Delivery, T)>,
}

impl<T> Default for OnTheirWay<T> {
    fn default() -> Self {
        OnTheirWay { sent: VecDeque::new() }
    }
}

impl<T> OnTheirWay<T> {
    /// One more.
    pub(crate) fn add(&mut self, delivery: Delivery, about: T) {
        self.sent.push_back((delivery, about));
    }

    /// Those that have arrived since, up to the first that has not.
    pub(crate) fn arrived(&mut self, mut tell: impl FnMut(Result<RecordMetadata, ProduceError>, T)) {
        while let Some(outcome) = self.sent.front().and_then(|(delivery, _)| delivery.poll_outcome()) {
            if let Some((_, about)) = self.sent.pop_front() {
                tell(outcome, about);
            }
        }
    }

    /// Waits for all of them.
    pub(crate) async fn all(&mut self, mut tell: impl FnMut(Result<RecordMetadata, ProduceError>, T)) {
        while let Some((delivery, about)) = self.sent.pop_front() {
            tell(delivery.wait().await, about);
        }
    }
}
