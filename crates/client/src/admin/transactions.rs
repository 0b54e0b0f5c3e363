//! Transactions and the producers that write them: listed, described, aborted.

use andiron_protocol::messages::describe_producers_request::TopicRequest;
use andiron_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use andiron_protocol::messages::{
    DescribeProducersRequest, DescribeTransactionsRequest, InitProducerIdRequest, ListTransactionsRequest, ProducerId,
    TopicName, TransactionalId, WriteTxnMarkersRequest,
};

use super::ask::{Coordinates, ask_node, refuse, text, words};
use super::{Admin, Refusal};
use crate::cluster::TopicPartition;
use crate::error::{AdminError, Determinacy, MetadataError};
use crate::wire::error_code;
use andiron_protocol::error::ErrorCode;

/// A transactional id as its coordinator lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionListing {
    /// The id.
    pub transactional_id: String,
    /// The coordinator's node id.
    pub coordinator: i32,
    /// The producer that has it.
    pub producer_id: i64,
    /// The state's name.
    pub state: String,
}

/// Which transactional ids are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// Only those of these producers; all if empty.
    pub producer_ids: Vec<i64>,
    /// Only transactions that have been open longer than so many milliseconds.
    pub duration_ms: Option<i64>,
    /// Only ids that match this regular expression.
    pub id_pattern: Option<String>,
}

/// A transactional id as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionDescription {
    /// The coordinator's node id.
    pub coordinator: i32,
    /// The state's name.
    pub state: String,
    /// The producer that has the id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// How long a transaction of it may take.
    pub timeout_ms: i32,
    /// When the open transaction began, in milliseconds since 1970.
    pub started_ms: Option<i64>,
    /// The partitions in the open transaction.
    pub partitions: Vec<TopicPartition>,
}

/// A producer that a partition remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// The number of its last record.
    pub last_sequence: i32,
    /// When it wrote last.
    pub last_timestamp: i64,
    /// The epoch of the coordinator that wrote its last marker, -1 if none did.
    pub coordinator_epoch: i32,
    /// Where its open transaction begins.
    pub open_since: Option<i64>,
}

impl Admin {
    /// The transactional ids of all coordinators.
    pub async fn list_transactions(&self, filter: &TransactionFilter) -> Result<Vec<TransactionListing>, AdminError> {
        const DURATION_VERSION: i16 = 1;
        const PATTERN_VERSION: i16 = 2;
        let call = "listTransactions";
        let mut all = Vec::new();
        for broker in self.brokers("findAllBrokers").await? {
            let answer = ask_node(&self.client, call, &broker.address, |version| {
                let ids = filter.producer_ids.iter().map(|id| ProducerId(*id)).collect();
                let mut request = ListTransactionsRequest::default().with_producer_id_filters(ids);
                if version >= DURATION_VERSION {
                    request = request.with_duration_filter(filter.duration_ms.unwrap_or(-1));
                }
                if version >= PATTERN_VERSION {
                    request = request.with_transactional_id_pattern(filter.id_pattern.as_deref().map(text));
                }
                request
            })
            .await?;
            refuse(answer.error_code, None)?;
            all.extend(answer.transaction_states.into_iter().map(|state| TransactionListing {
                transactional_id: state.transactional_id.to_string(),
                coordinator: broker.id,
                producer_id: state.producer_id.0,
                state: state.transaction_state.to_string(),
            }));
        }
        Ok(all)
    }

    /// A transactional id's state.
    pub async fn describe_transaction(
        &self,
        transactional_id: &str,
    ) -> Result<Result<TransactionDescription, Refusal>, AdminError> {
        self.at_coordinator(Coordinates::Transaction, transactional_id, |node| async move {
            let ids = vec![TransactionalId(text(transactional_id))];
            let request = |_| DescribeTransactionsRequest::default().with_transactional_ids(ids.clone());
            let answer = ask_node(&self.client, "describeTransactions", &node.address, request).await?;
            let missing = || AdminError::Protocol("a DescribeTransactions answer without the id".to_owned());
            let state = answer.transaction_states.into_iter().next().ok_or_else(missing)?;
            let code = error_code(state.error_code);
            if !code.is_none() {
                return Ok(Err((code, String::new())));
            }
            let mut partitions = Vec::new();
            for topic in &state.topics {
                partitions.extend(topic.partitions.iter().map(|p| TopicPartition::new(topic.topic.as_str(), *p)));
            }
            Ok(Ok(TransactionDescription {
                coordinator: node.id,
                state: state.transaction_state.to_string(),
                producer_id: state.producer_id.0,
                producer_epoch: state.producer_epoch,
                timeout_ms: state.transaction_timeout_ms,
                started_ms: (state.transaction_start_time_ms >= 0).then_some(state.transaction_start_time_ms),
                partitions,
            }))
        })
        .await
    }

    /// The producers that a partition's leader remembers, or another replica of it.
    pub async fn describe_producers(
        &self,
        partition: &TopicPartition,
        broker: Option<i32>,
    ) -> Result<Result<Vec<ActiveProducer>, Refusal>, AdminError> {
        let call = "describeProducers";
        let address = match broker {
            Some(broker) => self.broker(broker, call).await?,
            None => match self.client.leader(partition).await {
                Ok(Some(leader)) => leader.address,
                Ok(None) => {
                    let (last, determinacy) = ("no leader".to_owned(), Determinacy::DidNotHappen);
                    return Err(AdminError::TimedOut { call, last, determinacy });
                }
                Err(MetadataError::UnknownTopic { .. }) => {
                    return Ok(Err((ErrorCode::UnknownTopicOrPartition, String::new())));
                }
                Err(error) => return Err(error.into()),
            },
        };
        let topic = TopicRequest::default()
            .with_name(TopicName(text(&partition.topic)))
            .with_partition_indexes(vec![partition.partition]);
        let request = |_| DescribeProducersRequest::default().with_topics(vec![topic.clone()]);
        let answer = ask_node(&self.client, call, &address, request).await?;
        let missing = || AdminError::Protocol("a DescribeProducers answer without the partition".to_owned());
        let found = answer.topics.into_iter().flat_map(|topic| topic.partitions).next().ok_or_else(missing)?;
        let code = error_code(found.error_code);
        if !code.is_none() {
            return Ok(Err((code, words(found.error_message))));
        }
        let producer =
            |state: &andiron_protocol::messages::describe_producers_response::ProducerState| ActiveProducer {
                producer_id: state.producer_id.0,
                producer_epoch: state.producer_epoch,
                last_sequence: state.last_sequence,
                last_timestamp: state.last_timestamp,
                coordinator_epoch: state.coordinator_epoch,
                open_since: (state.current_txn_start_offset >= 0).then_some(state.current_txn_start_offset),
            };
        Ok(Ok(found.active_producers.iter().map(producer).collect()))
    }

    /// Ends a hanging transaction of one partition by writing the marker that its coordinator did not write.
    pub async fn abort_transaction(
        &self,
        partition: &TopicPartition,
        producer_id: i64,
        producer_epoch: i16,
        coordinator_epoch: i32,
    ) -> Result<Result<(), Refusal>, AdminError> {
        let call = "abortTransaction";
        let Some(leader) = self.client.leader(partition).await? else {
            let (last, determinacy) = ("no leader".to_owned(), Determinacy::DidNotHappen);
            return Err(AdminError::TimedOut { call, last, determinacy });
        };
        let topic = WritableTxnMarkerTopic::default()
            .with_name(TopicName(text(&partition.topic)))
            .with_partition_indexes(vec![partition.partition]);
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(producer_id))
            .with_producer_epoch(producer_epoch)
            .with_coordinator_epoch(coordinator_epoch)
            .with_transaction_result(false)
            .with_topics(vec![topic]);
        let request = |_| WriteTxnMarkersRequest::default().with_markers(vec![marker.clone()]);
        let answer = ask_node(&self.client, call, &leader.address, request).await?;
        let partitions = answer.markers.iter().flat_map(|marker| &marker.topics).flat_map(|topic| &topic.partitions);
        let code = partitions.map(|p| error_code(p.error_code)).next().unwrap_or(ErrorCode::UnknownServerError);
        Ok(if code.is_none() { Ok(()) } else { Err((code, String::new())) })
    }

    /// Ends whatever transaction an id has open, by taking the id from its producer.
    pub async fn fence_producer(&self, transactional_id: &str) -> Result<Result<(), Refusal>, AdminError> {
        self.at_coordinator(Coordinates::Transaction, transactional_id, |node| async move {
            let answer = ask_node(&self.client, "fenceProducer", &node.address, |_| {
                InitProducerIdRequest::default()
                    .with_transactional_id(Some(TransactionalId(text(transactional_id))))
                    .with_transaction_timeout_ms(self.client.config().request_timeout_ms)
                    .with_producer_id(ProducerId(-1))
                    .with_producer_epoch(-1)
            })
            .await?;
            let code = error_code(answer.error_code);
            Ok(if code.is_none() { Ok(()) } else { Err((code, String::new())) })
        })
        .await
    }
}
