//! A relation after resolution: a DataFusion plan whose columns have names of our own, and the names the user sees.
//! Spark allows two columns of one name and names of any characters; DataFusion does not, so the user's names never enter a plan.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;

use andiron_plan::spec::{StructField, StructType};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session as DataFusionSession, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DataFusionResult, ScalarValue};
use datafusion::datasource::{DefaultTableSource, TableType};
use datafusion::logical_expr::{Expr, ExprSchemable as _, LogicalPlan, TableScanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use futures::Stream;

use crate::SparkError;
use crate::formats::SourceRead;
use crate::types;

/// Batches of rows, under the names the user sees.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, SparkError>> + Send>>;

/// A column of a resolved relation.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputColumn {
    /// The name the user sees.
    pub name: String,
    /// The name in the plan.
    pub internal: String,
    /// Under which names of relations it can be asked for: `t` in `t.a`.
    pub qualifiers: Vec<String>,
    /// The client's numbers of the relations that have this column.
    pub plan_ids: Vec<i64>,
    /// Metadata as Spark keeps it in a field.
    pub metadata: andiron_plan::types::Metadata,
}

/// A relation that can be run, or whose streaming sources can be bounded and then run.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The plan, its columns under internal names.
    pub plan: LogicalPlan,
    /// The columns in order; as many as the plan has.
    pub columns: Vec<OutputColumn>,
}

impl Resolved {
    /// The schema as Spark shows it.
    pub fn schema(&self) -> Result<StructType, SparkError> {
        let fields = self.plan.schema().fields().iter().zip(&self.columns).map(|(field, column)| {
            Ok(StructField {
                name: column.name.clone(),
                data_type: types::from_arrow(field)?,
                nullable: field.is_nullable(),
                metadata: column.metadata.clone(),
            })
        });
        Ok(StructType { fields: fields.collect::<Result<_, SparkError>>()? })
    }

    /// The Arrow schema of what runs, under the names the user sees.
    pub fn arrow_schema(&self) -> SchemaRef {
        let fields = self
            .plan
            .schema()
            .fields()
            .iter()
            .zip(&self.columns)
            .map(|(field, column)| Field::new(&column.name, field.data_type().clone(), field.is_nullable()));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The streaming sources in the order of the plan, each one once: their place is their number in the checkpoint.
    pub fn streaming_sources(&self) -> Vec<Arc<StreamingSource>> {
        let mut found: Vec<Arc<StreamingSource>> = Vec::new();
        // The visitor cannot fail.
        let _ = self.plan.apply_with_subqueries(|node| {
            if let Some(source) = streaming_scan(node)
                && !found.iter().any(|known| known.id == source.id)
            {
                found.push(source);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        found
    }

    /// Whether the relation reads a stream, so that only `writeStream` can run it.
    pub fn is_streaming(&self) -> bool {
        !self.streaming_sources().is_empty()
    }

    /// The same relation over bounded rows: `table` gives for each streaming source the rows of this batch. The table's
    /// columns must be those of the source's schema. `now_ms` is what `current_timestamp()` gives in it, milliseconds since the
    /// epoch: a batch that is run again has the time that its offsets were written with (Spark's `batchTimestampMs`).
    pub fn with_bounded_sources(
        &self,
        now_ms: i64,
        mut table: impl FnMut(&StreamingSource) -> Result<Arc<dyn TableProvider>, SparkError>,
    ) -> Result<Self, SparkError> {
        let plan = self
            .plan
            .clone()
            .transform_up_with_subqueries(|node| {
                let Some(source) = streaming_scan(&node) else {
                    return node.map_expressions(|expression| expression.transform_up(|leaf| at(leaf, now_ms)));
                };
                let LogicalPlan::TableScan(scan) = node else { return Ok(Transformed::no(node)) };
                let rows = table(&source).map_err(SparkError::into_datafusion)?;
                let scan = TableScanBuilder::new(scan.table_name.clone(), Arc::new(DefaultTableSource::new(rows)))
                    .with_projection(scan.projection.clone())
                    .build()?;
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            })?
            .data;
        Ok(Self { plan, columns: self.columns.clone() })
    }
}

/// `now()` as the literal of that instant; anything else as it is.
fn at(expression: Expr, now_ms: i64) -> DataFusionResult<Transformed<Expr>> {
    match &expression {
        Expr::ScalarFunction(call) if call.func.name() == "now" && call.args.is_empty() => {
            let nanos = ScalarValue::TimestampNanosecond(Some(now_ms.saturating_mul(1_000_000)), None);
            let value = nanos.cast_to(&expression.get_type(&DFSchema::empty())?)?;
            Ok(Transformed::yes(Expr::Literal(value, None)))
        }
        _ => Ok(Transformed::no(expression)),
    }
}

/// A streaming read as the user wrote it. Its leaf in a plan has no rows until a batch bounds it.
#[derive(Debug, Clone)]
pub struct StreamingSource {
    /// Tells two reads of one plan apart.
    pub id: u64,
    /// What is read, with which options.
    pub read: SourceRead,
    /// The columns it yields.
    pub schema: SchemaRef,
}

/// The leaf that stands for a streaming source until a batch bounds it.
#[derive(Debug)]
pub(crate) struct StreamingTable {
    pub(crate) source: Arc<StreamingSource>,
}

#[async_trait]
impl TableProvider for StreamingTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.source.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn DataFusionSession,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Err(streaming_must_be_started(&self.source.read.format).into_datafusion())
    }
}

/// What Spark answers when a stream is collected or shown.
pub(crate) fn streaming_must_be_started(format: &str) -> SparkError {
    SparkError::analysis(
        "STREAMING_FROM_BATCH",
        "0A000",
        format!("Queries with streaming sources must be executed with writeStream.start();\n{format}"),
    )
}

pub(crate) fn streaming_scan(node: &LogicalPlan) -> Option<Arc<StreamingSource>> {
    let LogicalPlan::TableScan(scan) = node else { return None };
    let provider = (scan.source.as_ref() as &dyn Any).downcast_ref::<DefaultTableSource>()?;
    let table = (provider.table_provider.as_ref() as &dyn Any).downcast_ref::<StreamingTable>()?;
    Some(Arc::clone(&table.source))
}
