//! From folders to a node: locks and reads the log directories, formats what is new, replays the metadata log, leads its
//! quorum of one, registers the broker and opens every partition. Ends with a node that can answer.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};

use andiron_metadata::controller::{Request, Response};
use andiron_metadata::features;
use andiron_metadata::image::Image;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::broker_registration_request::{Feature, Listener as RegisteredListener};
use andiron_protocol::messages::{
    BrokerHeartbeatRequest, BrokerId, BrokerRegistrationRequest, ControllerRegistrationRequest,
    controller_registration_request,
};
use andiron_protocol::{ErrorCode, KafkaUuid, Uuid};
use andiron_replication::machine::Harness;
use andiron_storage::{AppendOrigin, Disk, LogDir, LogDirError, LogError, MetaProperties, TopicPartition};

use super::apply::Checkpoints;
use super::house::House;
use super::{Alarm, Node, ProducerIds};
use crate::cleaner::Cleaners;
use crate::config::BrokerConfig;
use crate::connections::Connections;
use crate::fetch_session::FetchSessions;
use crate::hosted::{Host, Published};
use crate::journal::Journals;
use crate::loggers::Loggers;
use crate::node::metadata_log;
use crate::purgatory::Purgatory;
use crate::quotas::{Quotas, Windows};
use crate::sync::SyncQueue;
use crate::topics::Snapshot;

/// Why a node cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A log directory cannot be used.
    #[error(transparent)]
    Dir(#[from] LogDirError),
    /// A log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The folder belongs to another node.
    #[error("{path} belongs to node {found}, not to node {wanted}: set node.id={found} or use another folder")]
    OtherNode {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        found: i32,
        /// Who wanted it.
        wanted: i32,
    },
    /// The folders belong to different clusters.
    #[error("{path} belongs to cluster {found}, another folder of log.dirs to cluster {wanted}")]
    OtherCluster {
        /// The folder.
        path: PathBuf,
        /// Its cluster.
        found: String,
        /// The cluster of the first folder.
        wanted: String,
    },
    /// A checkpoint or a quorum file cannot be used.
    #[error("{path}: {reason}")]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The metadata log says something that cannot be.
    #[error("the metadata log cannot be replayed: {0}")]
    Replay(String),
    /// The controller did not take this node in.
    #[error("the controller refused to {what}: {error}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its answer.
        error: ErrorCode,
    },
}

/// What `meta.properties` of all folders say, new ones formatted.
struct Identity {
    cluster_id: String,
    directories: Vec<Uuid>,
    /// Those of the folders that are new.
    unformatted: Vec<usize>,
}

impl Identity {
    /// Gives the new folders their `meta.properties`: from then on they count as formatted.
    fn write(&self, config: &BrokerConfig, dirs: &[Arc<LogDir>]) -> Result<(), NodeError> {
        for &at in &self.unformatted {
            if let (Some(dir), Some(directory_id)) = (dirs.get(at), self.directories.get(at)) {
                dir.write_meta_properties(&MetaProperties {
                    cluster_id: self.cluster_id.clone(),
                    node_id: config.node_id,
                    directory_id: *directory_id,
                })?;
            }
        }
        Ok(())
    }
}

impl Node {
    /// Opens a node. Nothing is asked of a helper thread; those that are to be given to it come after.
    pub fn open(config: BrokerConfig, disk: Arc<dyn Disk>, now: i64) -> Result<Arc<Node>, NodeError> {
        let mut dirs = Vec::new();
        for path in &config.log_dirs {
            dirs.push(Arc::new(LogDir::open(Arc::clone(&disk), path)?));
        }
        let metadata_dir = match dirs.iter().find(|dir| dir.path() == config.metadata_log_dir) {
            Some(dir) => Arc::clone(dir),
            None => {
                let dir = Arc::new(LogDir::open(Arc::clone(&disk), &config.metadata_log_dir)?);
                dirs.push(Arc::clone(&dir));
                dir
            }
        };
        let identity = identify(&config, &dirs)?;
        let syncs = Arc::new(SyncQueue::default());
        if identity.unformatted.iter().any(|at| dirs.get(*at).is_some_and(|d| Arc::ptr_eq(d, &metadata_dir))) {
            let at = dirs.iter().position(|d| Arc::ptr_eq(d, &metadata_dir));
            let directory_id = at.and_then(|at| identity.directories.get(at)).copied().unwrap_or_default();
            metadata_log::format(&config, &metadata_dir, directory_id, now)?;
        }
        identity.write(&config, &dirs)?;
        let metadata = metadata_log::open(&config, &metadata_dir, &identity.cluster_id, &syncs, now)?;
        let journals = Journals::open(&config, &dirs)?;
        let mut house = house(&dirs, &metadata.shard.topic)?;
        house.begin(&config, metadata.snapshot_end, now);
        let cleaned = dirs.iter().map(|dir| dir.cleaner_offsets()).collect::<Result<Vec<_>, _>>()?;
        let empty =
            Snapshot { image: Image::new(&identity.cluster_id), topics: Default::default(), by_id: Default::default() };
        let seed = Uuid::new_v4().as_u128() as i32;
        let long = |key: &str| config.settings.long(key);
        let windows = Windows::new(long("quota.window.size.seconds"), long("quota.window.num"));
        let of_partitions =
            Windows::new(long("controller.quota.window.size.seconds"), long("controller.quota.window.num"));
        let quotas = Quotas::new(windows, of_partitions);
        let slots = config.settings.long("max.incremental.fetch.session.cache.slots");
        let fetch_sessions_max = usize::try_from(slots).unwrap_or(0);
        let node = Arc::new_cyclic(|me| Node {
            me: Weak::clone(me),
            disk,
            dirs,
            snapshot: ArcSwap::from_pointee(empty),
            applying: Mutex::new(()),
            syncs,
            journals,
            purgatory: Purgatory::default(),
            fetch_sessions: FetchSessions::new(seed, fetch_sessions_max),
            coordinators: Default::default(),
            transactions: Default::default(),
            turns: Default::default(),
            loggers: Loggers::default(),
            quotas,
            connections: Connections::new(windows),
            controller_connections: Connections::new(windows),
            metadata_shard: Arc::clone(&metadata.shard),
            metadata_dir,
            voters: metadata.voters,
            controller: OnceLock::new(),
            producer_ids: Mutex::new(ProducerIds::default()),
            broker_epoch: AtomicI64::new(-1),
            clock: AtomicI64::new(now),
            alarm: Alarm::default(),
            running: AtomicBool::new(true),
            draining: AtomicBool::new(false),
            stopped: Mutex::new(false),
            stopping: Condvar::new(),
            house: Mutex::new(house),
            cleaners: Cleaners::new(cleaned),
            config,
        });
        node.set_strays_aside(metadata.controller.image());
        node.forget_the_gone();
        let me: Weak<Node> = Arc::downgrade(&node);
        let published: Published<Image> = Box::new(move |image| {
            if let Some(node) = me.upgrade() {
                let now = node.clock.load(Ordering::Relaxed);
                node.apply(image, now);
            }
        });
        let end = metadata.shard.log_end();
        let host = Host::new(
            Arc::clone(&metadata.shard),
            Harness::new(metadata.controller, end),
            AppendOrigin::RaftLeader,
            metadata_log::encode,
            Some(published),
            None,
        );
        let _ = node.controller.set(host);
        node.join_cluster(metadata.bootstrap, &identity, now)?;
        node.journals.forget_leftover(&node.snapshot());
        Ok(node)
    }

    /// Activates the controller, registers with it, and is let in.
    fn join_cluster(
        &self,
        bootstrap: Vec<andiron_metadata::records::Record>,
        identity: &Identity,
        now: i64,
    ) -> Result<(), NodeError> {
        self.ask_and_wait("begin the metadata log", now, Request::Activate { bootstrap })?;
        let incarnation_id = Uuid::new_v4();
        let controller = ControllerRegistrationRequest::default()
            .with_controller_id(self.config.node_id)
            .with_incarnation_id(incarnation_id)
            .with_listeners(self.controller_listeners())
            .with_features(controller_features());
        self.ask_and_wait("register the controller", now, Request::RegisterController(controller))?;
        let broker = BrokerRegistrationRequest::default()
            .with_broker_id(BrokerId(self.config.node_id))
            .with_cluster_id(StrBytes::from_string(identity.cluster_id.clone()))
            .with_incarnation_id(incarnation_id)
            .with_listeners(self.broker_listeners())
            .with_features(broker_features())
            .with_rack(self.config.settings.get("broker.rack").map(StrBytes::from_string))
            .with_log_dirs(identity.directories.clone());
        let registered = self.ask_and_wait("register the broker", now, Request::RegisterBroker(broker))?;
        if let Response::RegisterBroker(answer) = registered {
            refused("register the broker", answer.error_code)?;
            self.broker_epoch.store(answer.broker_epoch, Ordering::Release);
        }
        let alive = self.ask_and_wait("let the broker in", now, Request::Heartbeat(self.heartbeat(false)))?;
        if let Response::Heartbeat(answer) = alive {
            refused("let the broker in", answer.error_code)?;
        }
        Ok(())
    }

    fn heartbeat(&self, want_shut_down: bool) -> BrokerHeartbeatRequest {
        let offset = self.controller.get().map_or(-1, |controller| controller.end() - 1);
        BrokerHeartbeatRequest::default()
            .with_broker_id(BrokerId(self.config.node_id))
            .with_broker_epoch(self.broker_epoch.load(Ordering::Acquire))
            .with_current_metadata_offset(offset)
            .with_want_shut_down(want_shut_down)
    }

    /// Asks the controller, syncs its log on this thread, and has the answer.
    pub(super) fn ask_and_wait(&self, what: &'static str, now: i64, request: Request) -> Result<Response, NodeError> {
        let place = Arc::new(Mutex::new(None));
        let answer = Arc::clone(&place);
        self.ask_controller(now, request, Box::new(move |answered| *answer.lock() = Some(answered)));
        if place.lock().is_none() {
            self.metadata_shard.sync(&|| now);
        }
        let answered = place.lock().take();
        match answered {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(NodeError::Refused { what, error }),
            None => Err(NodeError::Refused { what, error: ErrorCode::KafkaStorageError }),
        }
    }

    /// Gives up what this node leads, as a broker does that is about to stop.
    pub(super) fn leave_cluster(&self, now: i64) {
        // First it is in controlled shutdown and leads nothing any more, then it is fenced.
        for _ in 0..2 {
            let request = Request::Heartbeat(self.heartbeat(true));
            if let Err(error) = self.ask_and_wait("let the broker go", now, request) {
                tracing::warn!(%error, "the controller was not told of the stop");
                return;
            }
        }
    }

    fn broker_listeners(&self) -> Vec<RegisteredListener> {
        let registered = |l: crate::config::Listener| {
            RegisteredListener::default()
                .with_name(StrBytes::from_string(l.name))
                .with_host(StrBytes::from_string(l.host))
                .with_port(l.port)
        };
        self.config.endpoints(false).into_iter().map(registered).collect()
    }

    fn controller_listeners(&self) -> Vec<controller_registration_request::Listener> {
        let registered = |l: crate::config::Listener| {
            controller_registration_request::Listener::default()
                .with_name(StrBytes::from_string(l.name))
                .with_host(StrBytes::from_string(l.host))
                .with_port(l.port)
        };
        self.config.endpoints(true).into_iter().map(registered).collect()
    }

    /// Partitions on the disk that the cluster does not know are set aside, as Apache Kafka does, not deleted.
    fn set_strays_aside(&self, image: &Image) {
        let mut house = self.house.lock();
        let strays: Vec<(TopicPartition, usize)> = house
            .homes
            .iter()
            .filter(|(name, _)| image.partition(&name.topic, name.partition).is_none())
            .map(|(name, at)| (name.clone(), *at))
            .collect();
        for (name, at) in strays {
            house.homes.remove(&name);
            let Some(dir) = self.dirs.get(at) else { continue };
            match dir.set_aside(&name, Uuid::new_v4()) {
                Ok(aside) => {
                    tracing::warn!(partition = %name, aside = %aside.display(), "a partition that the cluster does not know is set aside");
                }
                Err(error) => tracing::error!(partition = %name, %error, "cannot set the partition aside"),
            }
        }
    }
}

fn refused(what: &'static str, code: i16) -> Result<(), NodeError> {
    match ErrorCode::from_code(code) {
        Some(ErrorCode::None) => Ok(()),
        error => Err(NodeError::Refused { what, error: error.unwrap_or(ErrorCode::UnknownServerError) }),
    }
}

fn broker_features() -> Vec<Feature> {
    let registered = |f: andiron_metadata::records::SupportedFeature| {
        Feature::default()
            .with_name(StrBytes::from_string(f.name))
            .with_min_supported_version(f.min_supported_version)
            .with_max_supported_version(f.max_supported_version)
    };
    features::to_register().into_iter().map(registered).collect()
}

fn controller_features() -> Vec<controller_registration_request::Feature> {
    let registered = |f: andiron_metadata::records::SupportedFeature| {
        controller_registration_request::Feature::default()
            .with_name(StrBytes::from_string(f.name))
            .with_min_supported_version(f.min_supported_version)
            .with_max_supported_version(f.max_supported_version)
    };
    features::to_register().into_iter().map(registered).collect()
}

/// Whose folders these are; new ones join the cluster of the others, or begin one.
fn identify(config: &BrokerConfig, dirs: &[Arc<LogDir>]) -> Result<Identity, NodeError> {
    let mut known = Vec::new();
    for dir in dirs {
        known.push(dir.meta_properties()?);
    }
    let first = known.iter().flatten().next();
    let cluster_id = first.map_or_else(|| Uuid::random().to_kafka(), |meta| meta.cluster_id.clone());
    let mut directories = Vec::new();
    let mut unformatted = Vec::new();
    for (at, (dir, meta)) in dirs.iter().zip(known).enumerate() {
        match meta {
            Some(meta) => {
                check_identity(config, dir.path(), &meta, &cluster_id)?;
                directories.push(meta.directory_id);
            }
            None => {
                unformatted.push(at);
                directories.push(Uuid::random());
            }
        }
    }
    Ok(Identity { cluster_id, directories, unformatted })
}

fn check_identity(
    config: &BrokerConfig,
    path: &Path,
    meta: &MetaProperties,
    cluster_id: &str,
) -> Result<(), NodeError> {
    let path = path.to_path_buf();
    if meta.node_id != config.node_id {
        return Err(NodeError::OtherNode { path, found: meta.node_id, wanted: config.node_id });
    }
    if meta.cluster_id != cluster_id {
        let (found, wanted) = (meta.cluster_id.clone(), cluster_id.to_owned());
        return Err(NodeError::OtherCluster { path, found, wanted });
    }
    Ok(())
}

/// What the folders hold: checkpoints, partitions, and what an unfinished deletion left.
fn house(dirs: &[Arc<LogDir>], metadata_topic: &str) -> Result<House, NodeError> {
    let mut house = House::default();
    let mut checkpoints = Checkpoints { clean: true, ..Checkpoints::default() };
    for (at, dir) in dirs.iter().enumerate() {
        checkpoints.clean &= dir.was_clean();
        checkpoints.recovery_points.extend(dir.recovery_points()?);
        checkpoints.high_watermarks.extend(dir.high_watermarks()?);
        checkpoints.log_starts.extend(dir.log_start_offsets()?);
        for partition in dir.partitions()? {
            if &*partition.topic == metadata_topic {
                continue;
            }
            // A move ended between two names: nobody has written to either since.
            if house.homes.contains_key(&partition) {
                let aside = dir.set_aside(&partition, Uuid::new_v4())?;
                tracing::warn!(%partition, aside = %aside.display(), "a partition lies in two log directories; one is set aside");
                continue;
            }
            house.homes.insert(partition, at);
        }
        house.moves.extend(dir.coming()?.into_iter().map(|partition| (partition, at)));
        house.deleted_dirs.extend(dir.deleted_dirs()?.into_iter().map(|path| (0, path)));
    }
    house.checkpoints = checkpoints;
    let House { moves, homes, .. } = &mut house;
    moves.retain(|partition, to| homes.get(partition).is_some_and(|home| home != to));
    Ok(house)
}
