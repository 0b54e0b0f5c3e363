//! The format `noop`: every batch is computed and nothing is kept.

use async_trait::async_trait;
use futures::StreamExt;

use super::{Batch, MicroBatchSink};
use crate::SparkError;

pub(super) struct Noop;

#[async_trait]
impl MicroBatchSink for Noop {
    fn description(&self) -> String {
        "org.apache.spark.sql.execution.datasources.noop.NoopTable$".to_owned()
    }

    async fn add_batch(&mut self, batch: &Batch<'_>) -> Result<Option<i64>, SparkError> {
        let mut batches = batch.session.run(batch.rows).await?;
        let mut rows = 0;
        while let Some(batch) = batches.next().await {
            rows += batch?.num_rows() as i64;
        }
        Ok(Some(rows))
    }
}
