//! The calls of a transactional producer: what its machine wants, asked of the coordinators.

use std::collections::BTreeMap;
use std::time::Duration;

use andiron_protocol::error::ErrorCode;
use andiron_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use andiron_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use andiron_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, GroupId, InitProducerIdRequest,
    ProducerId as WireId, TopicName, TransactionalId, TxnOffsetCommitRequest,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::queue::ProducerId;
use super::transaction::{Transaction, Verdict};
use super::{Producer, Shared};
use crate::backoff::Backoff;
use crate::client::Client;
use crate::cluster::TopicPartition;
use crate::consumer::{GroupMetadata, OffsetAndMetadata};
use crate::coordinator::{Coordinator, Of, text};
use crate::error::TransactionError;
use crate::pool::Purpose;
use crate::wire::error_code;

/// The feature that says which transactions a cluster has, and its second version.
const FEATURE: &str = "transaction.version";
const SECOND: i16 = 2;
/// The newest versions under transaction version 1.
const END_FIRST_VERSION_MAX: i16 = 4;
const OFFSETS_FIRST_VERSION_MAX: i16 = 4;
/// Later versions are for brokers among themselves.
const ADD_PARTITIONS_VERSION_MAX: i16 = 3;
/// From this version on offsets say of which member they are.
const OFFSETS_MEMBER_VERSION: i16 = 3;

/// A transactional producer's machine and its coordinator.
pub(crate) struct Transactions {
    pub(crate) id: String,
    pub(crate) machine: Mutex<Transaction>,
    coordinator: Coordinator,
}

impl std::fmt::Debug for Transactions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transactions").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How long a call may still go on.
struct Patience {
    what: &'static str,
    timeout_ms: u64,
    deadline: Instant,
    backoff: Backoff,
    failures: u32,
}

impl Patience {
    fn new(client: &Client, what: &'static str) -> Self {
        let timeout_ms = client.config().max_block_ms.max(0).unsigned_abs();
        let deadline = Instant::now() + Duration::from_millis(timeout_ms);
        Patience { what, timeout_ms, deadline, backoff: client.metadata().backoff(), failures: 0 }
    }

    async fn again(&mut self) -> Result<(), TransactionError> {
        self.failures = self.failures.saturating_add(1);
        let wait = self.backoff.after(self.failures);
        if Instant::now() + wait >= self.deadline {
            return Err(TransactionError::TimedOut { what: self.what, timeout_ms: self.timeout_ms });
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

impl Transactions {
    pub(crate) fn new(client: &Client, id: &str) -> Self {
        Transactions {
            id: id.to_owned(),
            machine: Mutex::default(),
            coordinator: Coordinator::new(client, Of::Transaction, id),
        }
    }

    fn transactional_id(&self) -> TransactionalId {
        TransactionalId(text(&self.id))
    }

    /// Adds partitions to the transaction; one attempt.
    pub(crate) async fn add_partitions(
        &self,
        producer: ProducerId,
        partitions: &[TopicPartition],
    ) -> Result<(), ErrorCode> {
        let mut topics: Vec<AddPartitionsToTxnTopic> = Vec::new();
        for partition in partitions {
            match topics.last_mut() {
                Some(topic) if topic.name.as_str() == &*partition.topic => topic.partitions.push(partition.partition),
                _ => topics.push(
                    AddPartitionsToTxnTopic::default()
                        .with_name(TopicName(text(&partition.topic)))
                        .with_partitions(vec![partition.partition]),
                ),
            }
        }
        let request = |_| {
            AddPartitionsToTxnRequest::default()
                .with_v3_and_below_transactional_id(self.transactional_id())
                .with_v3_and_below_producer_id(WireId(producer.id))
                .with_v3_and_below_producer_epoch(producer.epoch)
                .with_v3_and_below_topics(topics)
        };
        let coordinator = &self.coordinator;
        let asked = coordinator.ask_up_to::<AddPartitionsToTxnRequest>(
            ADD_PARTITIONS_VERSION_MAX,
            Purpose::Ask,
            Duration::ZERO,
            request,
        );
        let answer = asked.await?;
        let results = answer.results_by_topic_v3_and_below.iter().flat_map(|topic| &topic.results_by_partition);
        let mut worst = ErrorCode::None;
        for result in results {
            match coordinator.heed(error_code(result.partition_error_code)) {
                // Said of those that would have been all right, had not another been wrong.
                ErrorCode::None => {}
                ErrorCode::OperationNotAttempted if !worst.is_none() => {}
                code if worst.is_none() || worst == ErrorCode::OperationNotAttempted => worst = code,
                _ => {}
            }
        }
        if worst.is_none() { Ok(()) } else { Err(worst) }
    }

    async fn init(&self, client: &Client, current: Option<ProducerId>) -> Result<(ProducerId, bool), ErrorCode> {
        let request = |_| {
            InitProducerIdRequest::default()
                .with_transactional_id(Some(self.transactional_id()))
                .with_transaction_timeout_ms(client.config().transaction_timeout_ms)
                .with_producer_id(WireId(current.map_or(-1, |current| current.id)))
                .with_producer_epoch(current.map_or(-1, |current| current.epoch))
        };
        let asked = self.coordinator.ask::<InitProducerIdRequest>(Purpose::Ask, Duration::ZERO, request);
        let answer = asked.await?;
        match self.coordinator.heed(error_code(answer.error_code)) {
            ErrorCode::None => {
                let second = self.coordinator.feature(FEATURE).await? >= SECOND;
                Ok((ProducerId { id: answer.producer_id.0, epoch: answer.producer_epoch }, second))
            }
            code => Err(code),
        }
    }

    async fn end(&self, producer: ProducerId, second: bool, commit: bool) -> Result<Option<ProducerId>, ErrorCode> {
        let request = |_| {
            EndTxnRequest::default()
                .with_transactional_id(self.transactional_id())
                .with_producer_id(WireId(producer.id))
                .with_producer_epoch(producer.epoch)
                .with_committed(commit)
        };
        let newest = if second { i16::MAX } else { END_FIRST_VERSION_MAX };
        let asked = self.coordinator.ask_up_to::<EndTxnRequest>(newest, Purpose::Ask, Duration::ZERO, request);
        let answer = asked.await?;
        match self.coordinator.heed(error_code(answer.error_code)) {
            ErrorCode::None if second && answer.producer_id.0 >= 0 => {
                Ok(Some(ProducerId { id: answer.producer_id.0, epoch: answer.producer_epoch }))
            }
            ErrorCode::None => Ok(None),
            code => Err(code),
        }
    }

    async fn add_offsets(&self, producer: ProducerId, group: &str) -> Result<(), ErrorCode> {
        let request = |_| {
            AddOffsetsToTxnRequest::default()
                .with_transactional_id(self.transactional_id())
                .with_producer_id(WireId(producer.id))
                .with_producer_epoch(producer.epoch)
                .with_group_id(GroupId(text(group)))
        };
        let asked = self.coordinator.ask::<AddOffsetsToTxnRequest>(Purpose::Ask, Duration::ZERO, request);
        match self.coordinator.heed(error_code(asked.await?.error_code)) {
            ErrorCode::None => Ok(()),
            code => Err(code),
        }
    }

    /// Commits offsets within the transaction, at the group's coordinator; one attempt.
    async fn commit_offsets(
        &self,
        groups: &Coordinator,
        producer: ProducerId,
        offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
        group: &GroupMetadata,
        second: bool,
    ) -> Result<(), ErrorCode> {
        let request = |version| {
            let mut topics: Vec<TxnOffsetCommitRequestTopic> = Vec::new();
            for (partition, offset) in offsets {
                let part = TxnOffsetCommitRequestPartition::default()
                    .with_partition_index(partition.partition)
                    .with_committed_offset(offset.offset)
                    .with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1))
                    .with_committed_metadata(Some(text(&offset.metadata)));
                match topics.last_mut() {
                    Some(topic) if topic.name.as_str() == &*partition.topic => topic.partitions.push(part),
                    _ => topics.push(
                        TxnOffsetCommitRequestTopic::default()
                            .with_name(TopicName(text(&partition.topic)))
                            .with_partitions(vec![part]),
                    ),
                }
            }
            let mut request = TxnOffsetCommitRequest::default()
                .with_transactional_id(self.transactional_id())
                .with_group_id(GroupId(text(&group.group_id)))
                .with_producer_id(WireId(producer.id))
                .with_producer_epoch(producer.epoch)
                .with_topics(topics);
            if version >= OFFSETS_MEMBER_VERSION {
                request.generation_id = group.generation_id;
                request.member_id = text(&group.member_id);
                request.group_instance_id = group.group_instance_id.as_deref().map(text);
            }
            request
        };
        let newest = if second { i16::MAX } else { OFFSETS_FIRST_VERSION_MAX };
        let asked = groups.ask_up_to::<TxnOffsetCommitRequest>(newest, Purpose::Ask, Duration::ZERO, request);
        let answer = asked.await?;
        let codes = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|part| error_code(part.error_code));
        match codes.into_iter().find(|code| !code.is_none()) {
            None => Ok(()),
            Some(code) => Err(groups.heed(code)),
        }
    }
}

impl Producer {
    fn transactions(&self) -> Result<(&Shared, &Transactions), TransactionError> {
        let shared = &self.handle.shared;
        match &shared.transactions {
            Some(transactions) => Ok((shared, transactions)),
            None => Err(TransactionError::NotTransactional),
        }
    }

    /// What an error of a call leaves: another attempt, or the error for the application.
    async fn heed(&self, patience: &mut Patience, code: ErrorCode, in_group: bool) -> Result<(), TransactionError> {
        let (shared, transactions) = self.transactions()?;
        let verdict = transactions.machine.lock().failed(code, in_group);
        tracing::debug!("{}: {code}: {verdict:?}", patience.what);
        match verdict {
            Verdict::Again => patience.again().await,
            Verdict::Abortable => Err(TransactionError::Abortable(code.to_string())),
            Verdict::Fatal => {
                let error = transactions.machine.lock().fatal_error();
                let error = error.unwrap_or_else(|| TransactionError::Fatal(code.to_string()));
                shared.fail(error.to_string());
                Err(error)
            }
        }
    }

    /// Makes this the only producer of its `transactional.id`: what others of that id have begun is aborted, and they are
    /// fenced. To be called once, before all else; again after a timeout.
    pub async fn init_transactions(&self) -> Result<(), TransactionError> {
        let (_, transactions) = self.transactions()?;
        transactions.machine.lock().begin_init()?;
        let mut patience = Patience::new(&self.handle.client, "InitProducerId");
        loop {
            match transactions.init(&self.handle.client, None).await {
                Ok((producer, second)) => {
                    transactions.machine.lock().initialized(producer, second);
                    return Ok(());
                }
                Err(code) => self.heed(&mut patience, code, false).await?,
            }
        }
    }

    /// Begins a transaction; everything that is sent until its end is part of it.
    pub fn begin_transaction(&self) -> Result<(), TransactionError> {
        self.transactions()?.1.machine.lock().begin()
    }

    /// Makes offsets of a consumer's group part of the transaction: they count as committed when it is.
    pub async fn send_offsets_to_transaction(
        &self,
        offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
        group: &GroupMetadata,
    ) -> Result<(), TransactionError> {
        let (_, transactions) = self.transactions()?;
        let (producer, second) = {
            let machine = transactions.machine.lock();
            machine.check_sending()?;
            (machine.producer().ok_or(TransactionError::NotTransactional)?, machine.is_second_version())
        };
        if offsets.is_empty() {
            return Ok(());
        }
        if !second {
            let mut patience = Patience::new(&self.handle.client, "AddOffsetsToTxn");
            while let Err(code) = transactions.add_offsets(producer, &group.group_id).await {
                self.heed(&mut patience, code, false).await?;
            }
        }
        transactions.machine.lock().sends_offsets();
        let groups = Coordinator::new(&self.handle.client, Of::Group, &group.group_id);
        let mut patience = Patience::new(&self.handle.client, "TxnOffsetCommitHandler");
        while let Err(code) = transactions.commit_offsets(&groups, producer, offsets, group, second).await {
            self.heed(&mut patience, code, true).await?;
        }
        Ok(())
    }

    /// Waits for everything that was sent and commits the transaction. After a timeout it can be called again, for only the
    /// coordinator knows what has become of it.
    pub async fn commit_transaction(&self) -> Result<(), TransactionError> {
        let (shared, transactions) = self.transactions()?;
        transactions.machine.lock().begin_commit()?;
        // What failed is known to the machine.
        let _ = shared.flush().await;
        transactions.machine.lock().check_committing()?;
        self.end_transaction(true, "EndTxn(true)").await
    }

    /// Gives up what is not sent yet and aborts the transaction.
    pub async fn abort_transaction(&self) -> Result<(), TransactionError> {
        let (shared, transactions) = self.transactions()?;
        transactions.machine.lock().begin_abort()?;
        shared.drop_unsent();
        // What is on the wire is waited for, whatever becomes of it.
        let _ = shared.flush().await;
        self.end_transaction(false, "EndTxn(false)").await
    }

    async fn end_transaction(&self, commit: bool, what: &'static str) -> Result<(), TransactionError> {
        let (shared, transactions) = self.transactions()?;
        let client = &self.handle.client;
        let (producer, second, started) = {
            let machine = transactions.machine.lock();
            let producer = machine.producer().ok_or(TransactionError::NotTransactional)?;
            (producer, machine.is_second_version(), machine.is_started())
        };
        let mut next = None;
        if started {
            let mut patience = Patience::new(client, what);
            next = loop {
                match transactions.end(producer, second, commit).await {
                    Ok(next) => break next,
                    // To abort what the coordinator does not know of any more needs nothing.
                    Err(ErrorCode::InvalidProducerIdMapping | ErrorCode::UnknownProducerId) if !commit => break None,
                    Err(code) => self.heed(&mut patience, code, false).await?,
                }
            };
        }
        let wants_epoch = {
            let mut machine = transactions.machine.lock();
            machine.ended(next);
            machine.wants_epoch()
        };
        if wants_epoch {
            let mut patience = Patience::new(client, "InitProducerId");
            loop {
                match transactions.init(client, Some(producer)).await {
                    Ok((producer, second)) => {
                        transactions.machine.lock().initialized(producer, second);
                        break;
                    }
                    Err(code) => self.heed(&mut patience, code, false).await?,
                }
            }
        }
        transactions.machine.lock().finish();
        shared.wake.notify_one();
        Ok(())
    }
}
