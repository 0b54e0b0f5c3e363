//! One node without a runtime: it has its partitions, its coordinators, the controller and everything that waits, and it
//! is given requests, time and threads by whoever runs it.

mod apply;
mod dirs;
mod house;
mod metadata_log;
mod open;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use andiron_metadata::config::Effective;
use andiron_metadata::controller::{self, Controller};
use andiron_metadata::image::Image;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use andiron_protocol::messages::{AllocateProducerIdsRequest, BrokerId, CreateTopicsRequest, TopicName};
use andiron_protocol::{ErrorCode, KafkaUuid as _, Uuid};
use andiron_replication::quorum::Voter;
use andiron_storage::{Disk, LogDir};

use crate::answer::Reply;
use crate::cleaner::Cleaners;
use crate::config::BrokerConfig;
use crate::connections::{Admission, Connections};
use crate::fetch_session::FetchSessions;
use crate::groups::{self, OFFSETS_TOPIC};
use crate::handlers::{self, Refusal};
use crate::hosted::{Host, Waiter};
use crate::journal::Journals;
use crate::loggers::Loggers;
use crate::purgatory::{Delayed, Purgatory, Ticket};
use crate::quotas::Quotas;
use crate::session::{Door, Session};
use crate::shard::Shard;
use crate::sync::SyncQueue;
use crate::topics::Snapshot;
use crate::transactions::turns::Turns;
use crate::transactions::{self, STATE_TOPIC};

pub(crate) use metadata_log::TOPIC as METADATA_TOPIC;
pub use open::NodeError;

/// A feature of the cluster: what this node can do and what is in force.
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) supported_min: i16,
    pub(crate) supported_max: i16,
    pub(crate) level: i16,
}

/// Who votes on the metadata log and how far it is.
pub(crate) struct Quorum {
    pub(crate) leader: i32,
    pub(crate) epoch: i32,
    pub(crate) high_watermark: i64,
    pub(crate) log_end: i64,
    /// Ids and log directories, nil where the quorum does not know them.
    pub(crate) voters: Vec<(i32, Uuid)>,
}

/// What happens when topics that were missing are there, or why they are not.
pub(crate) type Created = Box<dyn FnOnce(BTreeMap<String, ErrorCode>) + Send>;

/// A node.
pub struct Node {
    /// For what it leaves with others, to be called by.
    me: Weak<Node>,
    config: BrokerConfig,
    disk: Arc<dyn Disk>,
    dirs: Vec<Arc<LogDir>>,
    snapshot: ArcSwap<Snapshot>,
    applying: Mutex<()>,
    syncs: Arc<SyncQueue>,
    journals: Journals,
    purgatory: Purgatory,
    fetch_sessions: FetchSessions,
    coordinators: groups::Coordinators,
    transactions: transactions::Coordinators,
    turns: Turns,
    loggers: Loggers,
    quotas: Quotas,
    connections: Connections,
    controller_connections: Connections,
    metadata_shard: Arc<Shard>,
    metadata_dir: Arc<LogDir>,
    /// The voters of the quorum, where its log names them.
    voters: Option<Vec<Voter>>,
    controller: std::sync::OnceLock<Arc<Host<Controller>>>,
    producer_ids: Mutex<ProducerIds>,
    broker_epoch: AtomicI64,
    /// The time of the last call that brought one, for work that is started without.
    clock: AtomicI64,
    alarm: Alarm,
    running: AtomicBool,
    draining: AtomicBool,
    stopped: Mutex<bool>,
    stopping: Condvar,
    house: Mutex<house::House>,
    cleaners: Cleaners,
}

/// Producer ids that the controller gave this node, and whoever waits for more.
#[derive(Default)]
struct ProducerIds {
    next: i64,
    end: i64,
    asking: bool,
    waiting: Vec<Waiter<i64>>,
}

/// Wakes the thread that waits for deadlines.
#[derive(Default)]
struct Alarm {
    sleeping_until: Mutex<i64>,
    earlier: Condvar,
}

impl Node {
    /// The configuration it was started with.
    pub fn config(&self) -> &BrokerConfig {
        &self.config
    }

    /// At which levels this node logs.
    pub fn loggers(&self) -> &Loggers {
        &self.loggers
    }

    /// Takes one request of a connection, in the order they came. The answer goes to `reply`, now or later; an error
    /// means that there will be none and that the connection is to be closed.
    pub fn handle(self: &Arc<Self>, session: &Session, frame: Bytes, now: i64, reply: Reply) -> Result<(), Refusal> {
        if self.draining.load(Ordering::Acquire) {
            return Err(Refusal::Stopping);
        }
        self.clock.fetch_max(now, Ordering::Relaxed);
        handlers::handle(self, session, frame, now, reply)
    }

    /// Somebody has come to a listener: for how many milliseconds nobody is to be let in there.
    pub fn arrives(&self, door: Door, listener: &str, now: i64) -> i64 {
        let snapshot = self.snapshot();
        self.connections(door).arrives(&Effective::new(&self.config.settings, &snapshot.image), listener, now)
    }

    /// Lets whoever has come in, if there is room.
    pub fn admit(&self, door: Door, listener: &str, ip: IpAddr, now: i64) -> Admission {
        let snapshot = self.snapshot();
        let settings = Effective::new(&self.config.settings, &snapshot.image);
        self.connections(door).admit(&settings, &snapshot.image, listener, ip, now)
    }

    /// A connection that was let in is gone.
    pub fn disconnected(&self, session: &Session) {
        self.connections(session.door).left(&session.listener, session.ip);
    }

    fn connections(&self, door: Door) -> &Connections {
        match door {
            Door::Broker => &self.connections,
            Door::Controller => &self.controller_connections,
        }
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> String {
        self.snapshot.load().image.cluster_id().to_owned()
    }

    /// Does what is due and says when it is to be called again at the latest.
    pub fn tick(&self, now: i64) -> i64 {
        self.clock.fetch_max(now, Ordering::Relaxed);
        self.purgatory.expire(now);
        self.coordinators.deadline(now);
        self.transactions.deadline(now);
        let mut sleeping_until = self.alarm.sleeping_until.lock();
        let deadlines =
            [self.purgatory.next_deadline(), self.coordinators.next_deadline(), self.transactions.next_deadline()];
        let next = deadlines.into_iter().flatten().min().unwrap_or(i64::MAX);
        *sleeping_until = next;
        next
    }

    /// Sleeps until something is due earlier than the last `tick` said, or `longest` has passed.
    pub fn sleep_until_alarm(&self, longest: Duration) {
        let mut sleeping_until = self.alarm.sleeping_until.lock();
        if *sleeping_until == i64::MIN || !self.is_running() {
            return;
        }
        self.alarm.earlier.wait_for(&mut sleeping_until, longest);
    }

    /// Something is due at `deadline`: wakes the sleeper if that is earlier than it thinks.
    pub(crate) fn alarm_before(&self, deadline: i64) {
        let mut sleeping_until = self.alarm.sleeping_until.lock();
        if deadline < *sleeping_until {
            *sleeping_until = i64::MIN;
            self.alarm.earlier.notify_all();
        }
    }

    /// Runs fdatasync for partitions until the node stops; to be called on threads of its own.
    pub fn run_syncs(&self, now: &dyn Fn() -> i64) {
        self.syncs.run(now);
    }

    /// Runs fdatasync for the partitions that are due now, on this thread; false when none was. For whoever runs the node
    /// without threads for [`Node::run_syncs`].
    pub fn sync_due(&self, now: i64) -> bool {
        self.syncs.run_round(&|| now)
    }

    /// False once `stop` was called.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Sleeps for so long, or until the node stops.
    pub fn sleep_until_stopped(&self, longest: Duration) {
        let mut stopped = self.stopped.lock();
        if !*stopped {
            self.stopping.wait_for(&mut stopped, longest);
        }
    }

    /// There is something to do for whoever keeps house.
    pub(crate) fn wake_keeper(&self) {
        let _between_look_and_sleep = self.stopped.lock();
        self.stopping.notify_all();
    }

    /// No more requests; everything that waits is answered with what there is.
    pub fn drain(&self, _now: i64) {
        self.draining.store(true, Ordering::Release);
        self.coordinators.abandon();
        self.transactions.abandon();
        self.purgatory.expire(i64::MAX);
    }

    /// Ends the helper threads' work; what is left to sync is synced first.
    pub fn stop(&self) {
        self.running.store(false, Ordering::Release);
        self.syncs.stop();
        self.alarm.earlier.notify_all();
        *self.stopped.lock() = true;
        self.stopping.notify_all();
    }

    pub(crate) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    pub(crate) fn purgatory(&self) -> &Purgatory {
        &self.purgatory
    }

    pub(crate) fn fetch_sessions(&self) -> &FetchSessions {
        &self.fetch_sessions
    }

    pub(crate) fn cleaners(&self) -> &Cleaners {
        &self.cleaners
    }

    pub(crate) fn coordinators(&self) -> &groups::Coordinators {
        &self.coordinators
    }

    pub(crate) fn transactions(&self) -> &transactions::Coordinators {
        &self.transactions
    }

    /// The order of the requests of transactional producers.
    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// The time of the last call that brought one.
    pub(crate) fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// Keeps `delayed` until its deadline.
    pub(crate) fn wait_until(&self, deadline: i64, delayed: Arc<dyn Delayed>) -> Ticket {
        let (ticket, first) = self.purgatory.insert(deadline, delayed);
        if first {
            self.alarm_before(deadline);
        }
        ticket
    }

    /// Where clients of a listener find this node.
    pub(crate) fn address_for(&self, listener: &str) -> (String, u16) {
        self.config.advertised(listener)
    }

    /// How many partitions a topic has, if it exists.
    pub(crate) fn partition_count(&self, topic: &str) -> Option<i32> {
        let snapshot = self.snapshot.load();
        snapshot.image.topic(topic).map(|topic| i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX))
    }

    /// The offset of the last record of the image that is in force.
    pub(crate) fn metadata_offset(&self) -> i64 {
        self.snapshot.load().image.offset().max(0)
    }

    /// What the cluster can do and what is in force.
    pub(crate) fn features(&self, image: &Image) -> Vec<Feature> {
        andiron_metadata::features::SUPPORTED
            .iter()
            .map(|supported| Feature {
                name: supported.name,
                supported_min: supported.min,
                supported_max: supported.max,
                // The quorum's own feature is said by its log, not by metadata records.
                level: if supported.name == andiron_metadata::features::KRAFT_VERSION {
                    i16::from(self.voters.is_some())
                } else {
                    image.feature(supported.name)
                },
            })
            .collect()
    }

    /// The quorum of the metadata log, which this node leads alone.
    pub(crate) fn quorum(&self) -> Quorum {
        let voters = match &self.voters {
            Some(voters) => voters.iter().map(|voter| (voter.voter_id, voter.voter_directory_id)).collect(),
            None => vec![(self.config.node_id, Uuid::nil())],
        };
        Quorum {
            leader: self.config.node_id,
            epoch: self.metadata_shard.bounds().map_or(-1, |bounds| bounds.leader_epoch),
            high_watermark: self.metadata_shard.high_watermark(),
            log_end: self.metadata_shard.log_end(),
            voters,
        }
    }

    /// Asks the controller.
    pub(crate) fn ask_controller(&self, now: i64, request: controller::Request, waiter: Waiter<controller::Response>) {
        match self.controller.get() {
            Some(controller) => controller.ask(now, request, waiter),
            None => waiter(Err(ErrorCode::NotController)),
        }
    }

    /// Creates topics that somebody asked for, with the broker's defaults; then goes on with why some could not be.
    pub(crate) fn create_automatically(&self, names: Vec<String>, now: i64, then: Created) {
        let ids = names.iter().map(|_| Uuid::random()).collect();
        let topics = names.iter().map(|name| self.automatic_topic(name)).collect();
        let request = CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(30_000);
        let waiter: Waiter<controller::Response> = Box::new(move |answered| {
            let mut errors = BTreeMap::new();
            match answered {
                Ok(controller::Response::CreateTopics(answer)) => {
                    for topic in answer.topics {
                        let error = ErrorCode::from_code(topic.error_code).unwrap_or(ErrorCode::UnknownServerError);
                        // Somebody else may have been faster.
                        if !matches!(error, ErrorCode::None | ErrorCode::TopicAlreadyExists) {
                            errors.insert(topic.name.to_string(), error);
                        }
                    }
                }
                Ok(_) => tracing::error!("the controller answered another question"),
                Err(error) => errors.extend(names.into_iter().map(|name| (name, error))),
            }
            then(errors);
        });
        self.ask_controller(now, controller::Request::CreateTopics { request, ids }, waiter);
    }

    fn automatic_topic(&self, name: &str) -> CreatableTopic {
        let topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_string(name.to_owned())))
            .with_num_partitions(-1)
            .with_replication_factor(-1);
        let config = |name: &'static str, value: String| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_static_str(name))
                .with_value(Some(StrBytes::from_string(value)))
        };
        let factor = |key: &str| i16::try_from(self.config.settings.int(key)).unwrap_or(1);
        match name {
            OFFSETS_TOPIC => topic
                .with_num_partitions(self.config.settings.int("offsets.topic.num.partitions"))
                .with_replication_factor(factor("offsets.topic.replication.factor"))
                .with_configs(vec![
                    config("cleanup.policy", "compact".to_owned()),
                    config("compression.type", "producer".to_owned()),
                    config("segment.bytes", self.config.settings.int("offsets.topic.segment.bytes").to_string()),
                ]),
            STATE_TOPIC => topic
                .with_num_partitions(self.config.settings.int("transaction.state.log.num.partitions"))
                .with_replication_factor(factor("transaction.state.log.replication.factor"))
                .with_configs(vec![
                    config("cleanup.policy", "compact".to_owned()),
                    config("compression.type", "uncompressed".to_owned()),
                    config(
                        "min.insync.replicas",
                        self.config.settings.int("transaction.state.log.min.isr").to_string(),
                    ),
                    config(
                        "segment.bytes",
                        self.config.settings.int("transaction.state.log.segment.bytes").to_string(),
                    ),
                    config("unclean.leader.election.enable", "false".to_owned()),
                ]),
            _ => topic,
        }
    }

    /// Has one of the topics created in which coordinators keep their state, if it is missing, and then goes on with `then`.
    pub(crate) fn ensure_internal_topic(
        &self,
        name: &'static str,
        now: i64,
        then: impl FnOnce(Result<(), ErrorCode>) + Send + 'static,
    ) {
        if self.partition_count(name).is_some() {
            then(Ok(()));
        } else {
            self.create_internal_topic(name, now, Box::new(then));
        }
    }

    /// Creates one of the topics in which coordinators keep their state.
    fn create_internal_topic(&self, name: &'static str, now: i64, then: Box<dyn FnOnce(Result<(), ErrorCode>) + Send>) {
        let created: Created = Box::new(move |errors| match errors.get(name) {
            None => then(Ok(())),
            Some(error) => {
                tracing::error!(topic = name, %error, "cannot create an internal topic");
                then(Err(ErrorCode::CoordinatorNotAvailable));
            }
        });
        self.create_automatically(vec![name.to_owned()], now, created);
    }

    /// An id for a producer.
    pub(crate) fn next_producer_id(self: &Arc<Self>, now: i64, waiter: Waiter<i64>) {
        let mut ids = self.producer_ids.lock();
        if ids.next < ids.end {
            let id = ids.next;
            ids.next += 1;
            drop(ids);
            waiter(Ok(id));
            return;
        }
        ids.waiting.push(waiter);
        if std::mem::replace(&mut ids.asking, true) {
            return;
        }
        drop(ids);
        let request = AllocateProducerIdsRequest::default()
            .with_broker_id(BrokerId(self.config.node_id))
            .with_broker_epoch(self.broker_epoch.load(Ordering::Acquire));
        let node = Arc::clone(self);
        let answered: Waiter<controller::Response> = Box::new(move |answered| {
            let block = match answered {
                Ok(controller::Response::AllocateProducerIds(answer)) => {
                    match ErrorCode::from_code(answer.error_code).unwrap_or(ErrorCode::UnknownServerError) {
                        ErrorCode::None => Ok((answer.producer_id_start.0, answer.producer_id_len)),
                        error => Err(error),
                    }
                }
                Ok(_) => Err(ErrorCode::UnknownServerError),
                Err(error) => Err(error),
            };
            node.take_producer_ids(block);
        });
        self.ask_controller(now, controller::Request::AllocateProducerIds(request), answered);
    }

    fn take_producer_ids(&self, block: Result<(i64, i32), ErrorCode>) {
        let mut ids = self.producer_ids.lock();
        ids.asking = false;
        let waiting = std::mem::take(&mut ids.waiting);
        let mut given = Vec::with_capacity(waiting.len());
        if let Ok((start, len)) = block {
            ids.next = start;
            ids.end = start + i64::from(len);
        }
        for waiter in waiting {
            let id = match block {
                Err(error) => Err(error),
                Ok(_) if ids.next < ids.end => {
                    ids.next += 1;
                    Ok(ids.next - 1)
                }
                Ok(_) => Err(ErrorCode::CoordinatorLoadInProgress),
            };
            given.push((waiter, id));
        }
        drop(ids);
        for (waiter, id) in given {
            waiter(id);
        }
    }

    /// `transaction.partition.verification.enable`
    pub(crate) fn verifies_transactions(&self) -> bool {
        let snapshot = self.snapshot.load();
        let effective = Effective::new(&self.config.settings, &snapshot.image);
        effective.broker("transaction.partition.verification.enable").as_deref() != Some("false")
    }

    /// Whether a partition exists.
    pub(crate) fn partition_exists(&self, snapshot: &Snapshot, topic: &str, partition: i32) -> bool {
        snapshot.image.partition(topic, partition).is_some()
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("node_id", &self.config.node_id).finish_non_exhaustive()
    }
}
