//! A client's session: its settings, its views, and the ways in which it has plans analysed and run.

use std::sync::{Arc, OnceLock};

use andiron_plan::spec::{Command, Relation, StructType};
use arrow::datatypes::SchemaRef;
use datafusion::execution::context::SessionContext;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream, execute_stream_partitioned};
use futures::StreamExt;

use crate::catalog::Catalog;
use crate::conf::Conf;
use crate::query::QueryManager;
use crate::resolved::{BatchStream, Resolved, streaming_must_be_started};
use crate::{Engine, SparkError, resolve, show, types};

/// A client's session.
pub struct Session {
    engine: Arc<Engine>,
    user: String,
    id: String,
    conf: Conf,
    catalog: Catalog,
    context: OnceLock<SessionContext>,
    queries: QueryManager,
}

/// Rows on their way to a client, in the types that Spark's clients expect.
pub struct Execution {
    /// The schema as Spark shows it.
    pub schema: StructType,
    /// The Arrow schema of the batches.
    pub arrow_schema: SchemaRef,
    /// The batches; possibly none at all.
    pub batches: BatchStream,
}

/// How much `explain` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainMode {
    /// The physical plan.
    Simple,
    /// All plans.
    Extended,
    /// All plans and what is generated.
    Codegen,
    /// All plans with their statistics.
    Cost,
    /// The physical plan, an outline and details.
    Formatted,
}

/// What became of a command.
#[derive(Debug)]
pub enum CommandOutcome {
    /// It is done and there is nothing to tell.
    Done,
    /// A SQL query: the relation is to be run when its rows are asked for.
    Query(Box<Relation>),
    /// A statement that yields rows, which are here.
    Rows(Box<Relation>),
    /// `checkpoint`: the rows are kept under this id.
    Remembered {
        /// For [`andiron_plan::spec::RelationNode::CachedRemoteRelation`].
        relation_id: String,
    },
}

impl Session {
    pub(crate) fn new(engine: Arc<Engine>, user: &str, id: &str) -> Self {
        Self {
            engine,
            user: user.to_owned(),
            id: id.to_owned(),
            conf: Conf::default(),
            catalog: Catalog::default(),
            context: OnceLock::new(),
            queries: QueryManager::default(),
        }
    }

    pub(crate) fn cloned_as(&self, id: &str) -> Self {
        Self {
            engine: Arc::clone(&self.engine),
            user: self.user.clone(),
            id: id.to_owned(),
            conf: self.conf.clone(),
            catalog: self.catalog.clone(),
            context: OnceLock::new(),
            queries: QueryManager::default(),
        }
    }

    /// The engine it belongs to.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Whose it is.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The client's id of it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its settings.
    pub fn conf(&self) -> &Conf {
        &self.conf
    }

    /// What it knows by name.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Its streaming queries. Whoever ends the session stops them first.
    pub fn queries(&self) -> &QueryManager {
        &self.queries
    }

    /// Where a table without a path lives.
    pub fn table_path(&self, name: &str) -> String {
        let folder = self.conf.get("spark.sql.warehouse.dir").map(|dir| dir.trim_start_matches("file:").to_owned());
        let folder = folder.map_or_else(|| self.engine.options().warehouse_dir.clone(), std::path::PathBuf::from);
        folder.join(name.to_lowercase()).to_string_lossy().into_owned()
    }

    /// Views, which are temporary, and tables.
    pub fn table_names(&self) -> Vec<(String, bool)> {
        let mut names: Vec<(String, bool)> = self.catalog.view_names().into_iter().map(|name| (name, true)).collect();
        if let Ok(entries) = std::fs::read_dir(self.table_path("")) {
            for entry in entries.flatten().filter(|entry| entry.path().join("_delta_log").is_dir()) {
                names.push((entry.file_name().to_string_lossy().into_owned(), false));
            }
        }
        names.sort();
        names
    }

    /// DataFusion's side of the session, made at its first use.
    pub fn context(&self) -> &SessionContext {
        self.context.get_or_init(|| crate::functions::context(&self.engine))
    }

    /// Resolves a relation: names, types and functions are known afterwards, sources have been looked at, nothing has run.
    pub async fn resolve(&self, relation: &Relation) -> Result<Resolved, SparkError> {
        resolve::relation(self, relation).await
    }

    /// The schema of a relation.
    pub async fn analyze_schema(&self, relation: &Relation) -> Result<StructType, SparkError> {
        self.resolve(relation).await?.schema()
    }

    /// Whether a relation reads a stream.
    pub async fn is_streaming(&self, relation: &Relation) -> Result<bool, SparkError> {
        Ok(self.resolve(relation).await?.is_streaming())
    }

    /// What `printSchema` prints.
    pub async fn tree_string(&self, relation: &Relation, level: Option<usize>) -> Result<String, SparkError> {
        Ok(andiron_plan::types::tree_string(&self.analyze_schema(relation).await?, level))
    }

    /// What `explain` prints.
    pub async fn explain(&self, relation: &Relation, mode: ExplainMode) -> Result<String, SparkError> {
        show::explain(self, relation, mode).await
    }

    /// Runs a relation for a client.
    pub async fn execute(&self, relation: &Relation) -> Result<Execution, SparkError> {
        let resolved = self.resolve(relation).await?;
        let schema = resolved.schema()?;
        let arrow_schema = types::client_schema(&resolved.arrow_schema(), &schema, &self.conf.time_zone_name());
        let target = Arc::clone(&arrow_schema);
        let batches = self.run(&resolved).await?;
        let batches = batches.map(move |batch| types::to_client(&batch?, &target)).boxed();
        Ok(Execution { schema, arrow_schema, batches })
    }

    /// Runs a command.
    pub async fn command(&self, command: &Command) -> Result<CommandOutcome, SparkError> {
        crate::command::run(self, command).await
    }

    /// The physical plan of a resolved relation.
    pub async fn physical_plan(&self, rows: &Resolved) -> Result<Arc<dyn ExecutionPlan>, SparkError> {
        if let Some(source) = rows.streaming_sources().first() {
            return Err(streaming_must_be_started(&source.read.format));
        }
        Ok(self.context().state().create_physical_plan(&rows.plan).await?)
    }

    /// Runs a resolved relation; the batches have the user's column names and the engine's own types.
    pub async fn run(&self, rows: &Resolved) -> Result<BatchStream, SparkError> {
        let plan = self.physical_plan(rows).await?;
        let plan: Arc<dyn ExecutionPlan> = if plan.properties().output_partitioning().partition_count() > 1 {
            Arc::new(CoalescePartitionsExec::new(plan))
        } else {
            plan
        };
        let stream = execute_stream(plan, self.context().task_ctx())?;
        Ok(renamed(stream, rows.arrow_schema()))
    }

    /// Runs a resolved relation, one stream for each partition, for sinks that write side by side.
    pub async fn run_partitioned(&self, rows: &Resolved) -> Result<Vec<BatchStream>, SparkError> {
        let plan = self.physical_plan(rows).await?;
        let schema = rows.arrow_schema();
        let streams = execute_stream_partitioned(plan, self.context().task_ctx())?;
        Ok(streams.into_iter().map(|stream| renamed(stream, Arc::clone(&schema))).collect())
    }
}

/// Gives batches the names the user sees; the types are those of the batches.
fn renamed(stream: datafusion::execution::SendableRecordBatchStream, schema: SchemaRef) -> BatchStream {
    stream
        .map(move |batch| {
            let batch = batch?;
            types::under_names(&batch, &schema)
        })
        .boxed()
}
