//! The format `noop`: everything is computed and nothing is kept. Benchmarks use it.

use async_trait::async_trait;
use futures::StreamExt;

use super::{SinkFormat, SinkWrite};
use crate::{Resolved, Session, SparkError};

pub(super) struct Noop;

#[async_trait]
impl SinkFormat for Noop {
    fn name(&self) -> &str {
        "noop"
    }

    async fn write(&self, session: &Session, rows: &Resolved, _request: &SinkWrite) -> Result<(), SparkError> {
        let mut batches = session.run(rows).await?;
        while let Some(batch) = batches.next().await {
            batch?;
        }
        Ok(())
    }
}
