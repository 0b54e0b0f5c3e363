//! Consuming tools: a consumer from properties, with the complaints of Java's.

use std::time::Duration;

use andiron_client::{Client, ClientConfig, CommitError, Consumer, ConsumerError, FetchError};

use super::failure::{ILLEGAL_ARGUMENT, Thrown};
use super::sending::constructing;

/// How long a consumer may take to leave.
const CLOSE: Duration = Duration::from_secs(30);
const KAFKA: &str = "org.apache.kafka.common.KafkaException";

/// `new KafkaConsumer(properties)`. Must be called within a runtime.
pub(crate) fn consumer(properties: Vec<(String, String)>) -> Result<Consumer, Thrown> {
    let made = ClientConfig::from_properties(properties).and_then(|config| Client::new(config).consumer());
    made.map_err(|error| constructing(error, "Failed to construct kafka consumer"))
}

/// `consumer.close()`: what cannot be committed any more is told to nobody, as in Java.
pub(crate) async fn close(consumer: Consumer) {
    let _ = consumer.close(CLOSE).await;
}

impl From<ConsumerError> for Thrown {
    fn from(error: ConsumerError) -> Thrown {
        let class = match &error {
            ConsumerError::NothingToRead | ConsumerError::IllegalState(_) | ConsumerError::Closed => {
                "java.lang.IllegalStateException"
            }
            ConsumerError::InvalidArgument(_) => ILLEGAL_ARGUMENT,
            ConsumerError::NoGroup => "org.apache.kafka.common.errors.InvalidGroupIdException",
            ConsumerError::NoOffset { .. } => "org.apache.kafka.clients.consumer.NoOffsetForPartitionException",
            ConsumerError::OffsetOutOfRange { .. } => "org.apache.kafka.clients.consumer.OffsetOutOfRangeException",
            ConsumerError::LogTruncation { .. } => "org.apache.kafka.clients.consumer.LogTruncationException",
            ConsumerError::Group { code, message } => return Thrown::of(*code, message),
            ConsumerError::Commit(CommitError::NotAMember) => "org.apache.kafka.clients.consumer.CommitFailedException",
            ConsumerError::Commit(CommitError::Rebalancing) => {
                "org.apache.kafka.common.errors.RebalanceInProgressException"
            }
            ConsumerError::Commit(CommitError::Retriable(_)) => {
                "org.apache.kafka.clients.consumer.RetriableCommitFailedException"
            }
            ConsumerError::Metadata(error) => return error.clone().into(),
            ConsumerError::ListOffsets(error) => return error.clone().into(),
            ConsumerError::Fetch(FetchError::Refused { code, .. }) => return Thrown::of(*code, ""),
            ConsumerError::TimedOut { .. } => "org.apache.kafka.common.errors.TimeoutException",
            ConsumerError::Commit(_) | ConsumerError::Fetch(_) => KAFKA,
        };
        Thrown::new(class, error.to_string())
    }
}
