//! What all sessions of a server share: formats by name, limits, and who is there. It is cheap to make: nothing of DataFusion
//! exists before a session asks for it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::formats::{self, SinkFormat, SourceFormat};
use crate::resolved::{Resolved, StreamingSource};
use crate::source::MicroBatchSource;
use crate::source::kafka::{KafkaConnector, Sockets};
use crate::{Session, SparkError};

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// How many partitions of a plan run side by side: the number of cores unless said otherwise.
    pub partitions: usize,
    /// Where tables without a path live, as Spark's `spark.sql.warehouse.dir`.
    pub warehouse_dir: PathBuf,
    /// Memory that sorts, joins and aggregations may hold together before they spill; none means no bound.
    pub memory_bytes_max: Option<usize>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            partitions: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            warehouse_dir: PathBuf::from("spark-warehouse"),
            memory_bytes_max: None,
        }
    }
}

/// The engine of a server.
pub struct Engine {
    options: EngineOptions,
    sources: RwLock<HashMap<String, Arc<dyn SourceFormat>>>,
    sinks: RwLock<HashMap<String, Arc<dyn SinkFormat>>>,
    sessions: Mutex<HashMap<(String, String), Arc<Session>>>,
    global_views: RwLock<HashMap<String, Resolved>>,
    kafka: RwLock<Arc<dyn KafkaConnector>>,
    connect_url: RwLock<Option<String>>,
}

impl Engine {
    /// An engine with the formats that need nothing from outside: delta, parquet, json, csv, noop.
    pub fn new(options: EngineOptions) -> Arc<Self> {
        let engine = Arc::new(Self {
            options,
            sources: RwLock::default(),
            sinks: RwLock::default(),
            sessions: Mutex::default(),
            global_views: RwLock::default(),
            kafka: RwLock::new(Arc::new(Sockets::default())),
            connect_url: RwLock::default(),
        });
        formats::register_builtin(&engine);
        engine
    }

    /// How the engine was set up.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Makes a source known under its name, in place of one of the same name.
    pub fn register_source(&self, format: Arc<dyn SourceFormat>) {
        self.sources.write().insert(format.name().to_lowercase(), format);
    }

    /// Makes a sink known under its name, in place of one of the same name.
    pub fn register_sink(&self, format: Arc<dyn SinkFormat>) {
        self.sinks.write().insert(format.name().to_lowercase(), format);
    }

    /// The source of a name in any case, or Spark's error for an unknown one.
    pub fn source(&self, name: &str) -> Result<Arc<dyn SourceFormat>, SparkError> {
        let found = self.sources.read().get(&name.to_lowercase()).cloned();
        found.ok_or_else(|| SparkError::data_source_not_found(name))
    }

    /// The sink of a name in any case, or Spark's error for an unknown one.
    pub fn sink(&self, name: &str) -> Result<Arc<dyn SinkFormat>, SparkError> {
        let found = self.sinks.read().get(&name.to_lowercase()).cloned();
        found.ok_or_else(|| SparkError::data_source_not_found(name))
    }

    /// How Kafka is reached: over sockets unless said otherwise.
    pub fn kafka(&self) -> Arc<dyn KafkaConnector> {
        Arc::clone(&self.kafka.read())
    }

    /// Reaches Kafka in another way from now on, such as a broker in the same process.
    pub fn set_kafka(&self, connector: Arc<dyn KafkaConnector>) {
        *self.kafka.write() = connector;
    }

    /// Our own Spark Connect door, such as `sc://localhost:15002`, by which foreachBatch workers come back; none until it is
    /// open.
    pub fn connect_url(&self) -> Option<String> {
        self.connect_url.read().clone()
    }

    /// Says where the Spark Connect door is.
    pub fn set_connect_url(&self, url: impl Into<String>) {
        *self.connect_url.write() = Some(url.into());
    }

    /// The reader of a streaming source of a plan, for one query.
    pub(crate) fn micro_batch_source(&self, leaf: &StreamingSource) -> Result<Box<dyn MicroBatchSource>, SparkError> {
        self.source(&leaf.read.format)?.micro_batch_source(self, &leaf.read)
    }

    /// The session of a user's client, made when it is first asked for.
    pub fn session(self: &Arc<Self>, user: &str, session_id: &str) -> Arc<Session> {
        let key = (user.to_owned(), session_id.to_owned());
        Arc::clone(
            self.sessions
                .lock()
                .entry(key)
                .or_insert_with(|| Arc::new(Session::new(Arc::clone(self), user, session_id))),
        )
    }

    /// The session, if it is there.
    pub fn find_session(&self, user: &str, session_id: &str) -> Option<Arc<Session>> {
        self.sessions.lock().get(&(user.to_owned(), session_id.to_owned())).cloned()
    }

    /// Forgets a session; what it still runs is the caller's to stop.
    pub fn release_session(&self, user: &str, session_id: &str) -> Option<Arc<Session>> {
        self.sessions.lock().remove(&(user.to_owned(), session_id.to_owned()))
    }

    /// A copy of a session under another id, with its settings and views as they are now.
    pub fn clone_session(self: &Arc<Self>, of: &Session, session_id: &str) -> Arc<Session> {
        let session = Arc::new(of.cloned_as(session_id));
        self.sessions.lock().insert((of.user().to_owned(), session_id.to_owned()), Arc::clone(&session));
        session
    }

    /// Views that all sessions see, under `global_temp`.
    pub fn global_views(&self) -> &RwLock<HashMap<String, Resolved>> {
        &self.global_views
    }
}
