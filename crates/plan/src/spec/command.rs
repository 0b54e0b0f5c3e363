//! Commands: what changes something, once, when executed.

use bytes::Bytes;

use super::{Expr, Extension, NameParts, Options, PythonUdf, Relation, Statement};

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `df.write`.
    Write(Write),
    /// `df.writeTo`.
    WriteV2(WriteV2),
    /// `df.writeStream..start()`.
    WriteStreamStart(Box<WriteStreamStart>),
    /// One streaming query asked or told something.
    StreamingQuery(StreamingQueryCommand),
    /// The session's streaming queries.
    StreamingQueryManager(StreamingQueryManagerCommand),
    /// A client wants streaming events, or no more of them.
    StreamingListenerBus {
        /// Wants them; otherwise no more.
        add: bool,
    },
    /// `createOrReplaceTempView` and its likes.
    CreateView {
        /// What it shows.
        input: Relation,
        /// Its name.
        name: String,
        /// Visible to all sessions, under `global_temp`.
        is_global: bool,
        /// An old one goes.
        replace: bool,
    },
    /// `spark.sql`: a query (which is not run by this) or a statement.
    Sql(Box<Statement>),
    /// The client forgot a relation of [`super::RelationNode::CachedRemoteRelation`].
    RemoveCachedRemoteRelation {
        /// Its id.
        relation_id: String,
    },
    /// `df.checkpoint()`, `df.localCheckpoint()`.
    Checkpoint {
        /// What is kept.
        input: Relation,
        /// Without reliable storage.
        local: bool,
        /// At once.
        eager: bool,
    },
    /// `spark.udf.register`.
    RegisterFunction(PythonUdf),
    /// MERGE INTO through the DataFrame API.
    MergeIntoTable(Box<MergeIntoTable>),
    /// `spark.sparkContext.resources` and the like.
    GetResources,
    /// The client's machine-learning cache is to be cleaned: nothing is in it.
    MlCleanCache,
    /// A message of an extension, for example Delta's.
    Extension(Extension),
    /// Known to Spark Connect, carried by name only.
    Other {
        /// The name in the protocol, for example `MlCommand`.
        name: &'static str,
    },
}

/// What is done with data that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveMode {
    /// Rows are added.
    Append,
    /// Old rows go.
    Overwrite,
    /// An error.
    ErrorIfExists,
    /// Nothing.
    Ignore,
}

/// Where `df.write` writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteTarget {
    /// `save()`: the options say where.
    None,
    /// `save(path)`.
    Path(String),
    /// `saveAsTable(name)`.
    SaveAsTable(NameParts),
    /// `insertInto(name)`.
    InsertInto(NameParts),
}

/// `df.write`.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The rows.
    pub input: Relation,
    /// The format; absent is the session's `spark.sql.sources.default`.
    pub source: Option<String>,
    /// Where.
    pub target: WriteTarget,
    /// What is done with data that is there already.
    pub mode: SaveMode,
    /// `sortBy`.
    pub sort_columns: Vec<String>,
    /// `partitionBy`.
    pub partitioning_columns: Vec<String>,
    /// `bucketBy`: columns and number.
    pub bucket_by: Option<(Vec<String>, i32)>,
    /// Options in the order given.
    pub options: Options,
    /// `clusterBy`.
    pub clustering_columns: Vec<String>,
}

impl Write {
    /// The value of an option, its name compared without case; the last one given wins.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// What `df.writeTo` does.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteV2Mode {
    /// A new table.
    Create,
    /// Rows matching a condition go.
    Overwrite(Expr),
    /// Partitions that are written go.
    OverwritePartitions,
    /// Rows are added.
    Append,
    /// An old table goes.
    Replace,
    /// Either.
    CreateOrReplace,
}

/// `df.writeTo`.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteV2 {
    /// The rows.
    pub input: Relation,
    /// The table.
    pub table: NameParts,
    /// `using`.
    pub provider: Option<String>,
    /// `partitionedBy`.
    pub partitioning: Vec<Expr>,
    /// Options in the order given.
    pub options: Options,
    /// `tableProperty`.
    pub properties: Options,
    /// What it does.
    pub mode: WriteV2Mode,
    /// `clusterBy`.
    pub clustering_columns: Vec<String>,
}

/// When a micro-batch starts. The interval is Spark's text, for example `10 seconds`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// As soon as the last has ended: nothing was said, which is `ProcessingTime("0 seconds")`.
    Default,
    /// Every interval.
    ProcessingTime(String),
    /// All there is, in batches of limited size, then stop.
    AvailableNow,
    /// All there is in one batch, then stop.
    Once,
    /// Continuous processing.
    Continuous(String),
    /// Real-time mode.
    RealTime(String),
}

/// Where a streaming query writes besides its format's options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamTarget {
    /// The options say where.
    None,
    /// `start(path)`.
    Path(String),
    /// `toTable(name)`.
    Table(NameParts),
}

/// `df.writeStream..start()`.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteStreamStart {
    /// The streaming relation.
    pub input: Relation,
    /// The sink's format; empty with `foreach` and `foreachBatch`, and for the session's default.
    pub format: String,
    /// Options in the order given.
    pub options: Options,
    /// `partitionBy`.
    pub partitioning_columns: Vec<String>,
    /// When.
    pub trigger: Trigger,
    /// `append`, `complete`, `update`; empty for `append`.
    pub output_mode: String,
    /// The query's name; empty for none.
    pub query_name: String,
    /// Where.
    pub target: StreamTarget,
    /// `foreach`.
    pub foreach_writer: Option<PythonUdf>,
    /// `foreachBatch`.
    pub foreach_batch: Option<PythonUdf>,
    /// `clusterBy`.
    pub clustering_columns: Vec<String>,
}

impl WriteStreamStart {
    /// The value of an option, its name compared without case; the last one given wins.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// Which run of which query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueryInstanceId {
    /// The query's id, kept in its checkpoint.
    pub id: String,
    /// The id of this run.
    pub run_id: String,
}

/// One streaming query asked or told something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamingQueryCommand {
    /// Which.
    pub query: QueryInstanceId,
    /// What.
    pub act: StreamingQueryAct,
}

/// What a streaming query is asked or told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamingQueryAct {
    /// `status`.
    Status,
    /// `lastProgress`.
    LastProgress,
    /// `recentProgress`.
    RecentProgress,
    /// `stop()`.
    Stop,
    /// `processAllAvailable()`.
    ProcessAllAvailable,
    /// `explain()`.
    Explain {
        /// With all plans.
        extended: bool,
    },
    /// `exception()`.
    Exception,
    /// `awaitTermination()`.
    AwaitTermination {
        /// For so long at most.
        timeout_ms: Option<i64>,
    },
}

/// The session's streaming queries asked or told something.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamingQueryManagerCommand {
    /// `streams.active`.
    Active,
    /// `streams.get(id)`.
    Get {
        /// The query's id.
        id: String,
    },
    /// `streams.awaitAnyTermination()`.
    AwaitAnyTermination {
        /// For so long at most.
        timeout_ms: Option<i64>,
    },
    /// `streams.resetTerminated()`.
    ResetTerminated,
    /// A listener to be run by the server (clients before 4.0).
    AddListener {
        /// Its id.
        id: String,
        /// The pickled listener.
        payload: Bytes,
    },
    /// That listener no more.
    RemoveListener {
        /// Its id.
        id: String,
    },
    /// Which there are.
    ListListeners,
}

/// MERGE INTO through the DataFrame API.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeIntoTable {
    /// The table.
    pub target: NameParts,
    /// The rows.
    pub source: Relation,
    /// When rows match.
    pub condition: Expr,
    /// For matched rows.
    pub matched: Vec<MergeAction>,
    /// For rows of the source only.
    pub not_matched: Vec<MergeAction>,
    /// For rows of the target only.
    pub not_matched_by_source: Vec<MergeAction>,
    /// New columns are added to the table.
    pub with_schema_evolution: bool,
}

/// One WHEN of a MERGE.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeAction {
    /// AND condition.
    pub condition: Option<Expr>,
    /// THEN.
    pub kind: MergeActionKind,
}

/// The THEN of a MERGE.
#[derive(Debug, Clone, PartialEq)]
pub enum MergeActionKind {
    /// DELETE.
    Delete,
    /// INSERT column = value.
    Insert(Vec<(Expr, Expr)>),
    /// INSERT *.
    InsertStar,
    /// UPDATE SET column = value.
    Update(Vec<(Expr, Expr)>),
    /// UPDATE SET *.
    UpdateStar,
}
