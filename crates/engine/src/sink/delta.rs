//! The format `delta`: each batch is one commit that carries the query's id and the batch's number, by which a batch that
//! is written again after a crash is recognised and left out.

use andiron_plan::spec::{SaveMode, WriteStreamStart};
use async_trait::async_trait;

use super::{Batch, MicroBatchSink};
use crate::formats::delta::{self, DeltaOutcome, DeltaWrite, Txn};
use crate::{Options, SparkError};

pub(super) struct DeltaSink {
    path: String,
    options: Options,
    partition_by: Vec<String>,
    merge_schema: bool,
}

impl DeltaSink {
    pub(super) fn new(path: String, options: Options, start: &WriteStreamStart) -> Result<Self, SparkError> {
        let merge_schema = options.bool("mergeSchema")?.unwrap_or(false);
        Ok(Self { path, options, partition_by: start.partitioning_columns.clone(), merge_schema })
    }
}

#[async_trait]
impl MicroBatchSink for DeltaSink {
    fn description(&self) -> String {
        format!("DeltaSink[{}]", self.path)
    }

    async fn add_batch(&mut self, batch: &Batch<'_>) -> Result<Option<i64>, SparkError> {
        let txn = Txn { app_id: batch.query_id.to_owned(), version: batch.id };
        if batch.again && delta::has_txn(&self.path, &self.options, &txn).await? {
            tracing::info!("batch {} of query {} is in {} already", batch.id, batch.query_id, self.path);
            return Ok(None);
        }
        let write = DeltaWrite {
            path: self.path.clone(),
            mode: SaveMode::Append,
            txn: Some(txn),
            partition_by: self.partition_by.clone(),
            merge_schema: self.merge_schema,
            overwrite_schema: false,
            streaming: Some((batch.query_id.to_owned(), batch.id)),
            options: self.options.clone(),
        };
        let streams = batch.session.run_partitioned(batch.rows).await?;
        match delta::write(streams, batch.rows.arrow_schema(), &write).await? {
            DeltaOutcome::Committed { rows, .. } => Ok(i64::try_from(rows).ok()),
            DeltaOutcome::Skipped => Ok(None),
        }
    }
}
