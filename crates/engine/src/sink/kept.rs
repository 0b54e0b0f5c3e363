//! A foreachBatch frame whose rows are kept for its next action, within a bound. The usual function writes the good rows
//! to one place and the bad ones to another: without this every record would be fetched and parsed twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session as DataFusionSession, TableProvider};
use datafusion::common::Result as DataFusionResult;
use datafusion::datasource::{MemTable, TableType};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, execute_stream_partitioned};
use futures::StreamExt;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::{Resolved, Session, SparkError};

enum State {
    /// Not computed in full yet.
    Unread,
    /// All rows, by partition.
    Kept(Arc<MemTable>),
    /// More than may be kept: computed anew by every action, as Spark does.
    TooLarge,
}

/// The frame's rows.
pub(super) struct KeptRows {
    plan: LogicalPlan,
    schema: SchemaRef,
    limit_bytes: usize,
    state: Mutex<State>,
    too_large: Arc<AtomicBool>,
}

impl std::fmt::Debug for KeptRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptRows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl KeptRows {
    /// A relation of the same rows and names that keeps up to `limit_bytes` of them; `too_large` is set when there are more.
    pub(super) fn relation(
        session: &Session,
        rows: &Resolved,
        limit_bytes: usize,
        too_large: Arc<AtomicBool>,
    ) -> Result<Resolved, SparkError> {
        let fields: Vec<_> = rows.plan.schema().fields().iter().cloned().collect();
        let schema = Arc::new(Schema::new(fields));
        let names: Vec<String> = rows.columns.iter().map(|c| c.name.clone()).collect();
        let plan = rows.plan.clone();
        let kept = Self { plan, schema, limit_bytes, state: Mutex::new(State::Unread), too_large };
        let mut relation = crate::resolve::table(session, Arc::new(kept), &names)?;
        for (column, of) in relation.columns.iter_mut().zip(&rows.columns) {
            column.metadata = of.metadata.clone();
        }
        Ok(relation)
    }

    /// Computes all rows; nothing if they are too large.
    async fn collect(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
    ) -> DataFusionResult<Option<MemTable>> {
        let bytes = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for (partition, mut stream) in execute_stream_partitioned(plan, context)?.into_iter().enumerate() {
            let (bytes, schema, limit) = (Arc::clone(&bytes), Arc::clone(&self.schema), self.limit_bytes);
            tasks.spawn(async move {
                let mut batches: Vec<RecordBatch> = Vec::new();
                while let Some(batch) = stream.next().await {
                    let batch = super::conformed(&batch?, &schema).map_err(SparkError::into_datafusion)?;
                    if bytes.fetch_add(batch.get_array_memory_size(), Ordering::Relaxed) > limit {
                        return Ok::<_, datafusion::error::DataFusionError>(None);
                    }
                    batches.push(batch);
                }
                Ok(Some((partition, batches)))
            });
        }
        let mut partitions = Vec::new();
        while let Some(done) = tasks.join_next().await {
            match done.map_err(|e| datafusion::error::DataFusionError::External(Box::new(e)))?? {
                Some(partition) => partitions.push(partition),
                // The other tasks end with the set.
                None => return Ok(None),
            }
        }
        partitions.sort_by_key(|(number, _)| *number);
        let partitions = partitions.into_iter().map(|(_, batches)| batches).collect();
        MemTable::try_new(Arc::clone(&self.schema), partitions).map(Some)
    }

    /// Whether an action asks for so much of the frame that its rows are worth keeping.
    fn is_wide(&self, projection: Option<&Vec<usize>>) -> bool {
        projection.is_none_or(|wanted| wanted.len() * 2 >= self.schema.fields().len())
    }
}

#[async_trait]
impl TableProvider for KeptRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        session: &dyn DataFusionSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let mut state = self.state.lock().await;
        if matches!(*state, State::Unread) && self.is_wide(projection) && limit.is_none() {
            let plan = session.create_physical_plan(&self.plan).await?;
            *state = match self.collect(plan, session.task_ctx()).await? {
                Some(table) => State::Kept(Arc::new(table)),
                None => {
                    self.too_large.store(true, Ordering::Relaxed);
                    State::TooLarge
                }
            };
        }
        if let State::Kept(table) = &*state {
            return table.scan(session, projection, filters, limit).await;
        }
        drop(state);
        // The columns that are not wanted are left out before planning, so that they are not computed.
        let Some(wanted) = projection else { return session.create_physical_plan(&self.plan).await };
        let columns = self.plan.schema().columns();
        let exprs: Vec<Expr> = wanted.iter().filter_map(|i| columns.get(*i).cloned()).map(Expr::Column).collect();
        if exprs.is_empty() {
            // No column at all still means that rows are counted; the constant keeps the others from being computed.
            let counted = LogicalPlanBuilder::from(self.plan.clone()).project([lit(true)])?.build()?;
            let plan = session.create_physical_plan(&counted).await?;
            return Ok(Arc::new(ProjectionExec::try_new(Vec::<(Arc<dyn PhysicalExpr>, String)>::new(), plan)?));
        }
        let narrowed = LogicalPlanBuilder::from(self.plan.clone()).project(exprs)?.build()?;
        let plan = session.create_physical_plan(&narrowed).await?;
        let names = wanted.iter().enumerate().filter_map(|(at, i)| {
            let name = self.schema.fields().get(*i)?.name().clone();
            let came = plan.schema().field(at).name().clone();
            Some((Arc::new(Column::new(&came, at)) as Arc<dyn PhysicalExpr>, name))
        });
        Ok(Arc::new(ProjectionExec::try_new(names.collect::<Vec<_>>(), Arc::clone(&plan))?))
    }
}
