//! The format `memory`: batches are kept and shown as a temporary view under the query's name.

use std::sync::Arc;

use andiron_plan::spec::WriteStreamStart;
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session as DataFusionSession, TableProvider};
use datafusion::common::Result as DataFusionResult;
use datafusion::datasource::{MemTable, TableType};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use parking_lot::RwLock;

use super::{Batch, MicroBatchSink};
use crate::limits::MEMORY_SINK_BYTES_MAX;
use crate::{Exception, Resolved, Session, SparkError};

/// The rows of a memory sink. A scan sees the batches that were complete when it began.
#[derive(Debug)]
struct Kept {
    schema: SchemaRef,
    batches: RwLock<Vec<(i64, Vec<RecordBatch>)>>,
}

#[async_trait]
impl TableProvider for Kept {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn DataFusionSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let batches: Vec<RecordBatch> = self.batches.read().iter().flat_map(|(_, b)| b.iter().cloned()).collect();
        let table = MemTable::try_new(Arc::clone(&self.schema), vec![batches])?;
        table.scan(state, projection, filters, limit).await
    }
}

pub(super) struct Memory {
    kept: Arc<Kept>,
    bytes: usize,
}

impl Memory {
    pub(super) fn new(session: &Arc<Session>, start: &WriteStreamStart, rows: &Resolved) -> Result<Self, SparkError> {
        if start.query_name.is_empty() {
            return Err(SparkError::analysis(
                "_LEGACY_ERROR_TEMP_1288",
                "42601",
                "queryName must be specified for memory sink",
            ));
        }
        let names: Vec<String> = rows.columns.iter().map(|c| c.name.clone()).collect();
        // Two columns may have one name, which a table must not: they are numbered until the view names them.
        let fields = rows
            .arrow_schema()
            .fields()
            .iter()
            .enumerate()
            .map(|(i, f)| f.as_ref().clone().with_name(format!("c{i}")))
            .collect::<Vec<_>>();
        let kept = Arc::new(Kept { schema: Arc::new(Schema::new(fields)), batches: RwLock::default() });
        let view = crate::resolve::table(session, Arc::clone(&kept) as Arc<dyn TableProvider>, &names)?;
        session.catalog().create_view(&start.query_name, view, true)?;
        Ok(Self { kept, bytes: 0 })
    }
}

#[async_trait]
impl MicroBatchSink for Memory {
    fn description(&self) -> String {
        "MemorySink".to_owned()
    }

    async fn add_batch(&mut self, batch: &Batch<'_>) -> Result<Option<i64>, SparkError> {
        let mut stream = batch.session.run(batch.rows).await?;
        let mut kept = Vec::new();
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            rows += batch.num_rows() as i64;
            // Views would hold whole fetches for the few rows that a filter left.
            let batch = super::conformed(&compact(&batch)?, &self.kept.schema)?;
            self.bytes += batch.get_array_memory_size();
            if self.bytes > MEMORY_SINK_BYTES_MAX {
                return Err(SparkError::plain(
                    Exception::Spark,
                    format!("the memory sink holds at most {MEMORY_SINK_BYTES_MAX} bytes; use it for tests only"),
                ));
            }
            if batch.num_rows() > 0 {
                kept.push(batch);
            }
        }
        let mut batches = self.kept.batches.write();
        if batches.last().is_none_or(|(id, _)| *id < batch.id) {
            batches.push((batch.id, kept));
        }
        Ok(Some(rows))
    }
}

fn compact(batch: &RecordBatch) -> Result<RecordBatch, SparkError> {
    use arrow::array::{Array, ArrayRef, AsArray};
    use arrow::datatypes::DataType;
    let columns = batch.columns().iter().map(|column| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()),
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
            _ => Arc::clone(column),
        }
    });
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options)?)
}
