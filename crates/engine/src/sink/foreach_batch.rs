//! foreachBatch: each batch is registered in the session under an id and the query's Python worker is told the id and the
//! batch's number. The function's actions come back to the server as plans over that id.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use andiron_plan::spec::WriteStreamStart;
use async_trait::async_trait;

use super::kept::KeptRows;
use super::{Batch, MicroBatchSink};
use crate::limits::FOREACH_BATCH_KEPT_BYTES_MAX;
use crate::python::{BatchWorker, WorkerSetup};
use crate::{Session, SparkError};

pub(super) struct ForeachBatch {
    worker: BatchWorker,
    /// From PySpark 4.3 on the function runs in a copy of the session, made at the query's start.
    copy: Option<Arc<Session>>,
    /// A frame of this query was too large to be kept: the next ones are not tried.
    too_large: Arc<AtomicBool>,
}

impl ForeachBatch {
    pub(super) async fn start(
        session: &Arc<Session>,
        start: &WriteStreamStart,
        query_id: &str,
    ) -> Result<Self, SparkError> {
        let function =
            start.foreach_batch.as_ref().ok_or_else(|| SparkError::internal("foreachBatch without function"))?;
        let connect_url = session.engine().connect_url().ok_or_else(|| {
            SparkError::unsupported("foreachBatch without a Spark Connect door that the Python worker can come back to")
        })?;
        let setup = WorkerSetup {
            connect_url,
            user: session.user().to_owned(),
            session_id: session.id().to_owned(),
            python_version: function.python_version.clone(),
            command: function.command.clone(),
        };
        let worker = BatchWorker::start(setup).await?;
        let copy = worker.wants_session_copy().then(|| {
            let id = uuid::Uuid::new_v4().to_string();
            session.engine().clone_session(session, &id)
        });
        tracing::debug!(query = query_id, pid = worker.pid(), "foreachBatch worker is ready");
        Ok(Self { worker, copy, too_large: Arc::default() })
    }
}

#[async_trait]
impl MicroBatchSink for ForeachBatch {
    fn description(&self) -> String {
        "ForeachBatchSink".to_owned()
    }

    async fn add_batch(&mut self, batch: &Batch<'_>) -> Result<Option<i64>, SparkError> {
        let session = self.copy.as_ref().unwrap_or(batch.session);
        let frame = uuid::Uuid::new_v4().to_string();
        let rows = if self.too_large.load(Ordering::Relaxed) {
            batch.rows.clone()
        } else {
            KeptRows::relation(session, batch.rows, FOREACH_BATCH_KEPT_BYTES_MAX, Arc::clone(&self.too_large))?
        };
        session.catalog().remember(&frame, rows)?;
        // The frame goes with the batch, also when the query is stopped in its midst.
        let _forget = Forget { session, frame: &frame };
        self.worker.call(&frame, batch.id, self.copy.as_ref().map(|s| s.id())).await?;
        Ok(None)
    }

    async fn close(&mut self) {
        self.worker.kill().await;
        if let Some(copy) = self.copy.take() {
            copy.engine().release_session(copy.user(), copy.id());
        }
    }
}

struct Forget<'a> {
    session: &'a Arc<Session>,
    frame: &'a str,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.session.catalog().forget(self.frame);
    }
}
