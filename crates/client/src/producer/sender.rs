//! The sending task of a producer: takes batches that are ready, sends them many to a request, and settles their outcomes.
//!
//! Everything that takes time (connecting, metadata, a producer id, an answer) is a future in one set, so that no broker
//! waits for another. Requests to one broker go out in the order in which they are made, up to
//! `max.in.flight.requests.per.connection` unanswered.

mod outcome;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use andiron_protocol::error::ErrorCode;
use andiron_protocol::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse, ProducerId as WireId};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use super::delivery::Placed;
use super::queue::{Batch, ProducerId, Ready};
use super::request::{self, TopicBatches};
use super::shared::{PartitionQueue, Shared};
use super::transactional::Transactions;
use crate::backoff::Backoff;
use crate::client::Client;
use crate::cluster::TopicPartition;
use crate::config::Acks;
use crate::error::{Determinacy, ProduceError};
use crate::metadata::{self, Leader};
use crate::pool::Purpose;
use crate::wire::{BrokerConnection, CallError, decode_response, error_code};

/// A batch on the wire.
pub(super) struct Sent {
    at: Arc<PartitionQueue>,
    topic_id: uuid::Uuid,
    batch: Batch,
}

/// Java's `ADD_PARTITIONS_RETRY_BACKOFF_MS`.
const CONCURRENT_TRANSACTIONS_WAIT: Duration = Duration::from_millis(20);

enum Event {
    Connected {
        node: i32,
        connection: Result<Arc<BrokerConnection>, CallError>,
    },
    Answered {
        node: i32,
        connection: Arc<BrokerConnection>,
        sent: Vec<Sent>,
        answer: Result<Answer, CallError>,
    },
    Refreshed {
        learned: bool,
    },
    Identified(Result<ProducerId, Unidentified>),
    /// Partitions were added to the transaction, or not.
    Added {
        partitions: Vec<TopicPartition>,
        outcome: Result<(), ErrorCode>,
    },
}

pub(super) enum Answer {
    /// acks=0: it went out.
    None,
    Response(ProduceResponse),
}

enum Unidentified {
    Later,
    Never(String),
}

type Events = FuturesUnordered<Pin<Box<dyn Future<Output = Event> + Send>>>;

#[derive(Default)]
struct Node {
    connection: Option<Arc<BrokerConnection>>,
    connecting: bool,
    in_flight: usize,
}

/// What waits for one broker; once one queue is ready, the others go along.
struct AtNode {
    leader: Leader,
    ready: bool,
    queues: Vec<(Arc<PartitionQueue>, uuid::Uuid)>,
}

struct Sender {
    client: Client,
    shared: Arc<Shared>,
    purpose: Purpose,
    events: Events,
    nodes: HashMap<i32, Node>,
    producer: Option<ProducerId>,
    identifying: bool,
    identify_failures: u32,
    identify_not_before: Option<Instant>,
    refreshing: bool,
    refresh_failures: u32,
    refresh_not_before: Option<Instant>,
    refreshed: Instant,
    add_failures: u32,
    add_not_before: Option<Instant>,
    backoff: Backoff,
    turn: usize,
}

/// Runs until the producer is shut and nothing is left to deliver, or it is aborted.
pub(super) async fn run(client: Client, shared: Arc<Shared>) {
    let config = client.config();
    let mut sender = Sender {
        purpose: Purpose::Produce(client.next_number()),
        backoff: Backoff::new(config.retry_backoff_ms, config.retry_backoff_max_ms),
        client: client.clone(),
        shared,
        events: FuturesUnordered::new(),
        nodes: HashMap::new(),
        producer: None,
        identifying: false,
        identify_failures: 0,
        identify_not_before: None,
        refreshing: false,
        refresh_failures: 0,
        refresh_not_before: None,
        refreshed: Instant::now(),
        add_failures: 0,
        add_not_before: None,
        turn: 0,
    };
    loop {
        let wake_at = sender.pass().await;
        if sender.shared.is_aborted() {
            sender.give_up_all();
            break;
        }
        if sender.shared.is_shut() && !sender.shared.has_incomplete() {
            break;
        }
        let shared = sender.shared.clone();
        tokio::select! {
            Some(event) = sender.events.next(), if !sender.events.is_empty() => sender.handle(event),
            () = shared.wake.notified() => {}
            () = tokio::time::sleep_until(wake_at) => {}
        }
    }
    sender.client.pool().forget(sender.purpose);
}

fn earliest(so_far: &mut Instant, moment: Instant) {
    *so_far = moment.min(*so_far);
}

impl Sender {
    /// Starts everything that can be started now; the next moment at which there may be more.
    async fn pass(&mut self) -> Instant {
        let now = Instant::now();
        let config = self.client.config();
        let idempotent = config.idempotence;
        let linger = Duration::from_millis(config.linger_ms.unsigned_abs());
        let max_age = metadata::max_age(config);
        let delivery_timeout = Duration::from_millis(u64::from(config.delivery_timeout_ms.unsigned_abs()));
        let one_at_a_time = config.max_in_flight == 1;
        let mut wake_at = now + max_age;
        let force = self.shared.forced();
        let queues = self.shared.queues();

        let transactions = self.shared.transactions.clone();
        if let Some(transactions) = &transactions {
            self.follow_transaction(transactions, &queues, now, &mut wake_at);
        }

        let mut ready: HashMap<i32, AtNode> = HashMap::new();
        let mut leaderless = now >= self.refreshed + max_age && !queues.is_empty();
        let mut wants_id = false;
        for at in &queues {
            let (expired, expires) = at.queue.lock().expire(now, delivery_timeout);
            expired.into_iter().for_each(|batch| self.expired(at, batch, now));
            if let Some(expires) = expires {
                earliest(&mut wake_at, expires);
            }
            if idempotent && transactions.is_none() {
                self.begin_epoch_if_wanted(at);
            }
            let (state, waiting, on_wire) = {
                let queue = at.queue.lock();
                (queue.ready(now, linger, force), queue.waiting(), queue.on_wire)
            };
            if waiting == 0 || one_at_a_time && on_wire > 0 {
                continue;
            }
            if transactions.as_ref().is_some_and(|of| !of.machine.lock().may_send(&at.partition)) {
                continue;
            }
            wants_id = true;
            let Some(leader) = self.client.metadata().leader(&at.partition) else {
                leaderless = true;
                continue;
            };
            if let Ready::At(moment) = state {
                earliest(&mut wake_at, moment);
            }
            let id = leader.topic_id;
            let node = leader.node;
            let entry = ready.entry(node).or_insert_with(|| AtNode { leader, ready: false, queues: Vec::new() });
            entry.ready |= state == Ready::Now;
            entry.queues.push((at.clone(), id));
        }
        if leaderless {
            self.refresh(now, &mut wake_at);
        }
        if idempotent && self.producer.is_none() {
            if wants_id && transactions.is_none() {
                self.identify(now, &mut wake_at);
            }
            return wake_at;
        }
        self.turn = self.turn.wrapping_add(1);
        for mut at in ready.into_values().filter(|at| at.ready) {
            // Another partition first each time, so that a full request starves none.
            let first = self.turn % at.queues.len();
            at.queues.rotate_left(first);
            self.send_to(&at.leader, &at.queues, now).await;
        }
        wake_at
    }

    /// Takes over the transaction's identity, and adds partitions to it.
    fn follow_transaction(
        &mut self,
        transactions: &Arc<Transactions>,
        queues: &[Arc<PartitionQueue>],
        now: Instant,
        wake_at: &mut Instant,
    ) {
        if self.shared.gives_up() {
            self.shared.drop_unsent();
        }
        let mut machine = transactions.machine.lock();
        let producer = machine.producer();
        if producer != self.producer {
            // Between two transactions: nothing is under way.
            self.producer = producer;
            if let Some(producer) = producer {
                queues.iter().for_each(|at| at.queue.lock().renumber(producer));
            }
        }
        if let Some(not_before) = self.add_not_before.filter(|at| *at > now) {
            earliest(wake_at, not_before);
            return;
        }
        let Some((producer, partitions)) = machine.begin_adding() else { return };
        drop(machine);
        let transactions = transactions.clone();
        self.events.push(Box::pin(async move {
            let outcome = transactions.add_partitions(producer, &partitions).await;
            Event::Added { partitions, outcome }
        }));
    }

    fn added(&mut self, partitions: Vec<TopicPartition>, outcome: Result<(), ErrorCode>, now: Instant) {
        let Some(transactions) = self.shared.transactions.clone() else { return };
        self.add_failures = if outcome.is_ok() { 0 } else { self.add_failures.saturating_add(1) };
        self.add_not_before = outcome.as_ref().err().map(|code| match code {
            // The last transaction's markers are being written: that is soon over.
            ErrorCode::ConcurrentTransactions => now + CONCURRENT_TRANSACTIONS_WAIT,
            _ => now + self.backoff.after(self.add_failures),
        });
        if let Err(code) = &outcome {
            tracing::debug!("partitions were not added to the transaction: {code}");
        }
        let fatal = {
            let mut machine = transactions.machine.lock();
            machine.added(partitions, outcome);
            machine.fatal_error()
        };
        if let Some(fatal) = fatal {
            self.shared.fail(fatal.to_string());
        }
    }

    /// Sends to one broker while it may have more in flight and there is something to send.
    async fn send_to(&mut self, leader: &Leader, queues: &[(Arc<PartitionQueue>, uuid::Uuid)], now: Instant) {
        let max_in_flight = self.client.config().max_in_flight.max(1) as usize;
        let node = self.nodes.entry(leader.node).or_default();
        let connection = match &node.connection {
            Some(connection) if !connection.is_closed() => connection.clone(),
            _ => {
                if !node.connecting {
                    node.connecting = true;
                    let (client, address) = (self.client.clone(), leader.address.clone());
                    let (node, purpose) = (leader.node, self.purpose);
                    self.events.push(Box::pin(async move {
                        Event::Connected { node, connection: client.pool().shared(&address, purpose).await }
                    }));
                }
                return;
            }
        };
        while self.nodes.get(&leader.node).is_some_and(|node| node.in_flight < max_in_flight) {
            let sent = self.take_batches(queues, now);
            if sent.is_empty() {
                return;
            }
            self.send(leader.node, &connection, sent).await;
        }
    }

    /// One batch of each partition, as far as a request holds them.
    fn take_batches(&mut self, queues: &[(Arc<PartitionQueue>, uuid::Uuid)], now: Instant) -> Vec<Sent> {
        let config = self.client.config();
        let most = config.max_request_size.max(0) as usize;
        let one_at_a_time = config.max_in_flight == 1;
        let mut size = 0;
        let mut sent: Vec<Sent> = Vec::new();
        for (at, topic_id) in queues {
            let mut queue = at.queue.lock();
            if one_at_a_time && queue.on_wire > 0 {
                continue;
            }
            let Some(next) = queue.next_size(now) else { continue };
            if !sent.is_empty() && size + next > most {
                break;
            }
            let Some(batch) = queue.take(self.producer) else { continue };
            if let Some(reason) = batch.broken.clone() {
                queue.given_up(&batch, true, false);
                let determinacy = Determinacy::DidNotHappen;
                self.shared.complete(batch, Err(ProduceError::Fatal { reason, determinacy }));
                continue;
            }
            size += next;
            sent.push(Sent { at: at.clone(), topic_id: *topic_id, batch });
        }
        sent
    }

    async fn send(&mut self, node: i32, connection: &Arc<BrokerConnection>, sent: Vec<Sent>) {
        let config = self.client.config();
        let frame = connection.version::<ProduceRequest>().map(|newest| {
            let by_id = newest >= request::TOPIC_ID_VERSION && sent.iter().all(|sent| !sent.topic_id.is_nil());
            let mut version = if by_id { newest } else { newest.min(request::TOPIC_ID_VERSION - 1) };
            let transactions = self.shared.transactions.as_ref();
            if transactions.is_some_and(|of| !of.machine.lock().is_second_version()) {
                version = version.min(request::FIRST_TRANSACTIONS_VERSION_MAX);
            }
            let transactional_id = transactions.map(|of| of.id.as_str());
            let mut topics: Vec<TopicBatches<'_>> = Vec::new();
            for sent in &sent {
                let part = (sent.at.partition.partition, sent.batch.bytes.clone());
                match topics.iter_mut().find(|topic| *topic.name == *sent.at.partition.topic) {
                    Some(topic) => topic.batches.push(part),
                    None => topics.push(TopicBatches {
                        name: &sent.at.partition.topic,
                        id: sent.topic_id,
                        batches: vec![part],
                    }),
                }
            }
            let (acks, timeout) = (config.acks.wire(), config.request_timeout_ms);
            let correlation_id = connection.next_correlation_id();
            let client_id = connection.client_id();
            (request::produce(version, correlation_id, client_id, transactional_id, acks, timeout, &topics), version)
        });
        let handed_over = match frame {
            Ok((frame, version)) => connection.send(frame).await.map(|pending| (pending, version)),
            Err(error) => Err(error),
        };
        self.nodes.entry(node).or_default().in_flight += 1;
        let (connection, answered) = (connection.clone(), config.acks != Acks::None);
        self.events.push(Box::pin(async move {
            let answer = match handed_over {
                Ok((pending, _)) if !answered => pending.await.map(|_| Answer::None).map_err(CallError::from),
                Ok((pending, version)) => match connection.wait(pending).await {
                    Ok(bytes) => decode_response::<ProduceRequest>(bytes, version).map(Answer::Response),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            Event::Answered { node, connection, sent, answer }
        }));
    }

    fn handle(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Connected { node, connection } => {
                let state = self.nodes.entry(node).or_default();
                state.connecting = false;
                match connection {
                    Ok(connection) => state.connection = Some(connection),
                    // The pool waits before the next attempt; who leads may have changed meanwhile.
                    Err(error) => {
                        tracing::debug!("no connection to node {node}: {error}");
                        self.invalidate_all();
                    }
                }
            }
            Event::Answered { node, connection, sent, answer } => {
                if let Some(node) = self.nodes.get_mut(&node) {
                    node.in_flight = node.in_flight.saturating_sub(1);
                    if connection.is_closed() {
                        node.connection = None;
                    }
                }
                self.settle(sent, answer, &connection, now);
            }
            Event::Refreshed { learned } => {
                self.refreshing = false;
                self.refresh_failures = if learned { 0 } else { self.refresh_failures.saturating_add(1) };
                self.refresh_not_before = Some(now + self.backoff.after(self.refresh_failures.max(1)));
                if learned {
                    self.refreshed = now;
                    let metadata = self.client.metadata();
                    self.shared.weigh(|partition| metadata.leader(partition).is_some());
                }
            }
            Event::Added { partitions, outcome } => self.added(partitions, outcome, now),
            Event::Identified(outcome) => {
                self.identifying = false;
                match outcome {
                    Ok(producer) => {
                        self.producer = Some(producer);
                        self.identify_failures = 0;
                    }
                    Err(Unidentified::Later) => {
                        self.identify_failures = self.identify_failures.saturating_add(1);
                        self.identify_not_before = Some(now + self.backoff.after(self.identify_failures));
                    }
                    Err(Unidentified::Never(reason)) => self.shared.fail(reason),
                }
            }
        }
    }

    fn refresh(&mut self, now: Instant, wake_at: &mut Instant) {
        if self.refreshing {
            return;
        }
        if let Some(not_before) = self.refresh_not_before.filter(|at| *at > now) {
            earliest(wake_at, not_before);
            return;
        }
        self.refreshing = true;
        let (client, shared) = (self.client.clone(), self.shared.clone());
        self.events.push(Box::pin(async move {
            let view = client.metadata().ask(client.pool(), Some(&shared.topic_names()), false).await;
            let learned = match view {
                Ok(view) => {
                    view.topics.values().flatten().for_each(|topic| shared.learn(topic));
                    view.topics
                        .values()
                        .all(|topic| topic.as_ref().is_ok_and(|topic| topic.partitions.iter().all(|p| p.leader >= 0)))
                }
                Err(error) => {
                    tracing::debug!("metadata could not be refreshed: {error}");
                    false
                }
            };
            Event::Refreshed { learned }
        }));
    }

    fn identify(&mut self, now: Instant, wake_at: &mut Instant) {
        if self.identifying {
            return;
        }
        if let Some(not_before) = self.identify_not_before.filter(|at| *at > now) {
            earliest(wake_at, not_before);
            return;
        }
        self.identifying = true;
        let client = self.client.clone();
        self.events.push(Box::pin(async move { Event::Identified(identify(&client).await) }));
    }

    /// A partition with a gap behind it goes on under the next epoch; an epoch that cannot grow asks for another id.
    fn begin_epoch_if_wanted(&mut self, at: &PartitionQueue) {
        let Some(producer) = self.producer else { return };
        let mut queue = at.queue.lock();
        if !queue.wants_new_epoch() {
            return;
        }
        match producer.epoch.checked_add(1) {
            Some(epoch) => {
                let next = ProducerId { id: producer.id, epoch };
                tracing::debug!("{}: producer id {} goes on with epoch {epoch}", at.partition, producer.id);
                queue.renumber(next);
                self.producer = Some(next);
            }
            None => self.producer = None,
        }
    }

    fn give_up_all(&mut self) {
        for at in self.shared.queues() {
            let batches = at.queue.lock().drain();
            for batch in batches {
                let error = self.abandoned(&batch);
                self.shared.complete(batch, Err(error));
            }
        }
        // What is on the wire will not be waited for: dropping the futures would leave its outcomes unset.
        for event in std::mem::take(&mut self.events) {
            drop(event);
        }
        self.shared.settle_the_rest(|| self.abandoned_on_wire());
    }

    fn abandoned(&self, batch: &Batch) -> ProduceError {
        let determinacy = if batch.uncertain { Determinacy::MayHaveHappened } else { Determinacy::DidNotHappen };
        match self.shared.fatal_reason() {
            Some(reason) => ProduceError::Fatal { reason, determinacy },
            None => ProduceError::Closed { determinacy },
        }
    }

    fn abandoned_on_wire(&self) -> ProduceError {
        let determinacy = Determinacy::MayHaveHappened;
        match self.shared.fatal_reason() {
            Some(reason) => ProduceError::Fatal { reason, determinacy },
            None => ProduceError::Closed { determinacy },
        }
    }

    fn invalidate_all(&self) {
        self.shared.topic_names().iter().for_each(|topic| self.client.metadata().invalidate(topic));
    }
}

async fn identify(client: &Client) -> Result<ProducerId, Unidentified> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(i32::MAX)
        .with_producer_id(WireId(-1))
        .with_producer_epoch(-1);
    for address in client.metadata().addresses() {
        let answer = match client.pool().shared(&address, Purpose::Ask).await {
            Ok(connection) => connection.call(&request).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => match error_code(answer.error_code) {
                ErrorCode::None => {
                    return Ok(ProducerId { id: answer.producer_id.0, epoch: answer.producer_epoch });
                }
                code if code.is_retriable() => tracing::debug!("no producer id yet: {code}"),
                code => return Err(Unidentified::Never(format!("InitProducerId: {code}"))),
            },
            Err(CallError::Unsupported(key)) => {
                let reason = "the idempotent producer needs enable.idempotence=false with this broker";
                return Err(Unidentified::Never(format!("{}; {reason}", CallError::Unsupported(key))));
            }
            Err(error) => tracing::debug!("no producer id from {address}: {error}"),
        }
    }
    Err(Unidentified::Later)
}
