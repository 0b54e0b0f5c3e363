//! Records: deleted below an offset.

use andiron_protocol::error::ErrorCode;
use andiron_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use andiron_protocol::messages::{DeleteRecordsRequest, TopicName};
use tokio::time::Instant;

use super::Admin;
use super::ask::{ask, patience, text};
use crate::client::Client;
use crate::cluster::TopicPartition;
use crate::error::{AdminError, Determinacy, MetadataError};
use crate::wire::{CallError, error_code};

impl Admin {
    /// Deletes all records below the given offsets (-1: below the high watermark); the new log start offset or the error of
    /// each, in the order asked.
    pub async fn delete_records(
        &self,
        below: &[(TopicPartition, i64)],
    ) -> Result<Vec<(TopicPartition, Result<i64, ErrorCode>)>, AdminError> {
        let mut outcomes = Vec::with_capacity(below.len());
        // One at a time: deletions are rare, and each goes to its own leader.
        for (partition, offset) in below {
            let outcome = match delete_below(&self.client, partition, *offset).await {
                Err(AdminError::Metadata(MetadataError::UnknownTopic { .. })) => {
                    Err(ErrorCode::UnknownTopicOrPartition)
                }
                outcome => outcome?,
            };
            outcomes.push((partition.clone(), outcome));
        }
        Ok(outcomes)
    }
}

/// Deleting what is deleted changes nothing, so this may be repeated whatever became of an attempt.
async fn delete_below(
    client: &Client,
    partition: &TopicPartition,
    offset: i64,
) -> Result<Result<i64, ErrorCode>, AdminError> {
    let deadline = client.deadline();
    let patience = patience(client);
    let mut failures = 0;
    loop {
        let of_partition =
            DeleteRecordsPartition::default().with_partition_index(partition.partition).with_offset(offset);
        let of_topic = DeleteRecordsTopic::default()
            .with_name(TopicName(text(&partition.topic)))
            .with_partitions(vec![of_partition]);
        let request = |_| {
            DeleteRecordsRequest::default()
                .with_topics(vec![of_topic.clone()])
                .with_timeout_ms(client.config().request_timeout_ms)
        };
        let last = match client.leader(partition).await? {
            None => "no leader".to_owned(),
            Some(leader) => match ask::<DeleteRecordsRequest>(client, &leader.address, patience, &request).await {
                Err(CallError::Unsupported(_)) => return Err(AdminError::Unsupported { call: "deleteRecords" }),
                Err(error) => error.to_string(),
                Ok(answer) => {
                    let part = answer.topics.iter().flat_map(|topic| &topic.partitions).next();
                    match part.map(|part| (error_code(part.error_code), part.low_watermark)) {
                        Some((ErrorCode::None, low_watermark)) => return Ok(Ok(low_watermark)),
                        Some((code, _)) if !code.is_retriable() => return Ok(Err(code)),
                        Some((code, _)) => code.to_string(),
                        None => return Err(AdminError::Protocol("an empty DeleteRecords answer".to_owned())),
                    }
                }
            },
        };
        client.metadata().invalidate(&partition.topic);
        failures += 1;
        let wait = client.metadata().backoff().after(failures);
        if Instant::now() + wait >= deadline {
            let determinacy = Determinacy::MayHaveHappened;
            return Err(AdminError::TimedOut { call: "deleteRecords", last, determinacy });
        }
        tokio::time::sleep(wait).await;
    }
}
