//! The format `console`: each batch as a table on the server's standard output.

use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::StreamExt;

use super::{Batch, MicroBatchSink};
use crate::limits::CONSOLE_BYTES_MAX;
use crate::{Options, SparkError};

pub(super) struct Console {
    rows: usize,
    truncate: usize,
}

impl Console {
    pub(super) fn new(options: &Options) -> Result<Self, SparkError> {
        let rows = options.integer("numRows")?.unwrap_or(20).max(0) as usize;
        // 20 characters a cell, unless the cells are to be whole.
        let truncate = if options.bool("truncate")?.unwrap_or(true) { 20 } else { 0 };
        Ok(Self { rows, truncate })
    }
}

#[async_trait]
impl MicroBatchSink for Console {
    fn description(&self) -> String {
        format!(
            "org.apache.spark.sql.execution.streaming.ConsoleTable$@console[numRows={}, truncate={}]",
            self.rows,
            self.truncate > 0
        )
    }

    async fn add_batch(&mut self, batch: &Batch<'_>) -> Result<Option<i64>, SparkError> {
        let mut stream = batch.session.run(batch.rows).await?;
        let (mut shown, mut total, mut bytes) = (Vec::<RecordBatch>::new(), 0usize, 0usize);
        // One row more than is shown tells that there are more; the rest is counted and let go.
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let had = total;
            total += batch.num_rows();
            if had <= self.rows && bytes < CONSOLE_BYTES_MAX {
                let part = batch.slice(0, batch.num_rows().min(self.rows + 1 - had));
                bytes += part.get_array_memory_size();
                shown.push(part);
            }
        }
        let names: Vec<String> = batch.rows.columns.iter().map(|c| c.name.clone()).collect();
        let zone = batch.session.conf().time_zone_name();
        let table = crate::show::show_batches(&shown, &names, self.rows, self.truncate, &zone)?;
        let line = "-------------------------------------------";
        println!("{line}\nBatch: {}\n{line}\n{table}", batch.id);
        Ok(Some(total as i64))
    }
}
