//! `start()`: everything that Spark refuses before a query runs, then the query's task.

use std::path::PathBuf;
use std::sync::Arc;

use andiron_plan::spec::{self, WriteStreamStart};
use andiron_streaming::events;
use andiron_streaming::trigger::Trigger;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;

use super::checkpoint::{CheckpointStore, local_path};
use super::driver::{Driver, Fault, PlannedSource};
use super::handle::StreamingQuery;
use super::now_ms;
use crate::sink::{self, SinkKind};
use crate::{Resolved, Session, SparkError};

/// A query that runs.
pub struct Started {
    /// The query.
    pub query: Arc<StreamingQuery>,
    /// The event for the client's listeners, when there are any.
    pub event_json: Option<String>,
}

/// Starts a streaming query. Must be called within the engine's runtime.
///
/// # Errors
/// When the relation, an option or the checkpoint is not what a streaming query needs.
pub async fn start(session: &Arc<Session>, start: &WriteStreamStart) -> Result<Started, SparkError> {
    let rows = session.resolve(&start.input).await?;
    start_resolved(session, start, rows, None).await
}

pub(crate) async fn start_resolved(
    session: &Arc<Session>,
    start: &WriteStreamStart,
    rows: Resolved,
    fault: Option<Fault>,
) -> Result<Started, SparkError> {
    if !rows.is_streaming() {
        return Err(SparkError::analysis(
            "WRITE_STREAM_NOT_ALLOWED",
            "42601",
            "`writeStream` can be called only on streaming Dataset/DataFrame.",
        ));
    }
    supported(&rows, &start.output_mode)?;
    let trigger = trigger(&start.trigger)?;
    let kind = SinkKind::of(session, start)?;
    let name = (!start.query_name.is_empty()).then(|| start.query_name.clone());
    let place = checkpoint_place(session, start, kind, name.as_deref())?;
    let (root, temporary) = match place {
        Place::Given(root) => (root, None),
        Place::Temporary(root) => (root.clone(), Some(root)),
    };
    let store = CheckpointStore::new(root);
    if kind == SinkKind::Memory && !is_complete(&start.output_mode) && store.root().join("offsets").exists() {
        return Err(SparkError::analysis(
            "RECOVER_FROM_CHECKPOINT_UNSUPPORTED",
            "0A000",
            format!(
                "This query does not support recovering from checkpoint location. Delete {} to start over.",
                store.root().join("offsets").display()
            ),
        ));
    }
    let mut sources = Vec::new();
    for leaf in rows.streaming_sources() {
        let source = session.engine().micro_batch_source(&leaf)?;
        sources.push(PlannedSource { leaf, source });
    }
    let metadata = store.metadata().await?;
    // Spark's spark.sql.streaming.stopActiveRunOnRestart: the new run takes over.
    if let Some(running) = session.queries().get(&metadata.id) {
        running.stop().await;
    }
    let query = StreamingQuery::new(metadata.id, name.clone());
    let sink = sink::make(session, start, kind, &rows, query.id()).await?;
    session.queries().admit(&query)?;
    let event_json = session
        .queries()
        .listeners()
        .is_open()
        .then(|| events::started(query.id(), query.run_id(), query.name(), now_ms()));
    let driver = Driver {
        query: Arc::clone(&query),
        session: Arc::downgrade(session),
        rows,
        sources,
        sink,
        store,
        trigger,
        batch_time_ms: now_ms(),
        temporary,
        fault,
    };
    let watched = Arc::clone(&query);
    tokio::spawn(async move {
        // Whoever waits for the query must hear of its end even if its task broke.
        if let Err(broken) = tokio::spawn(driver.run()).await {
            watched.end(Some(SparkError::internal(format!("the task of the query ended: {broken}"))));
        }
    });
    Ok(Started { query, event_json })
}

fn is_complete(output_mode: &str) -> bool {
    output_mode.eq_ignore_ascii_case("complete")
}

fn trigger(trigger: &spec::Trigger) -> Result<Trigger, SparkError> {
    match trigger {
        spec::Trigger::Default => Ok(Trigger::default()),
        spec::Trigger::AvailableNow => Ok(Trigger::AvailableNow),
        spec::Trigger::Once => Ok(Trigger::Once),
        spec::Trigger::ProcessingTime(text) => {
            Trigger::processing_time(text).map_err(|e| SparkError::illegal_argument(e.to_string()))
        }
        spec::Trigger::Continuous(_) => Err(SparkError::unsupported("continuous processing")),
        spec::Trigger::RealTime(_) => Err(SparkError::unsupported("real-time mode")),
    }
}

enum Place {
    Given(PathBuf),
    Temporary(PathBuf),
}

/// The option, else a folder of the session's setting, else a temporary one for sinks that nobody goes on with.
fn checkpoint_place(
    session: &Session,
    start: &WriteStreamStart,
    kind: SinkKind,
    name: Option<&str>,
) -> Result<Place, SparkError> {
    if let Some(given) = start.option("checkpointLocation").filter(|l| !l.is_empty()) {
        return Ok(Place::Given(local_path(given)?));
    }
    if let Some(root) = session.conf().get("spark.sql.streaming.checkpointLocation") {
        let folder = name.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
        return Ok(Place::Given(local_path(&root)?.join(folder)));
    }
    if kind.may_be_temporary() {
        return Ok(Place::Temporary(std::env::temp_dir().join(format!("temporary-{}", uuid::Uuid::new_v4()))));
    }
    Err(SparkError::analysis(
        "_LEGACY_ERROR_TEMP_1309",
        "42601",
        "checkpointLocation must be specified either through option(\"checkpointLocation\", ...) or SparkSession.conf.set(\"spark.sql.streaming.checkpointLocation\", ...)",
    ))
}

/// Refuses what needs state, which this engine does not keep yet, in Spark's words where Spark would refuse it too.
fn supported(rows: &Resolved, output_mode: &str) -> Result<(), SparkError> {
    match output_mode.to_ascii_lowercase().as_str() {
        "" | "append" | "update" | "complete" => {}
        other => {
            return Err(SparkError::illegal_argument(format!(
                "Unknown output mode {other}. Accepted output modes are 'append', 'complete', 'update'"
            )));
        }
    }
    if is_complete(output_mode) {
        return Err(SparkError::analysis(
            "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION",
            "42KDE",
            "Invalid streaming output mode: complete. This output mode is not supported for no streaming aggregations on streaming DataFrames/Datasets.",
        ));
    }
    let mut refused = None;
    let walked = rows.plan.apply_with_subqueries(|node| {
        let what = match node {
            LogicalPlan::Aggregate(_) => "streaming aggregation",
            LogicalPlan::Distinct(_) => "dropping duplicates of a stream",
            LogicalPlan::Window(_) => "window functions over a stream",
            LogicalPlan::Sort(_) => {
                "Sorting is not supported on streaming DataFrames/Datasets, unless it is on aggregated DataFrame/Dataset in Complete output mode"
            }
            LogicalPlan::Limit(_) => "limits of a stream",
            LogicalPlan::Join(join) if streams(&join.left)? && streams(&join.right)? => "joins of two streams",
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        if streams(node)? {
            refused = Some(what);
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked?;
    match refused {
        Some(what) => Err(SparkError::unsupported(what)),
        None => Ok(()),
    }
}

fn streams(plan: &LogicalPlan) -> datafusion::common::Result<bool> {
    plan.exists(|node| Ok(crate::resolved::streaming_scan(node).is_some()))
}
