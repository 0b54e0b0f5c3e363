//! One streaming query as clients see it: asked for its status, told to stop, waited for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use andiron_plan::spec::QueryInstanceId;
use andiron_streaming::events;
use andiron_streaming::limits::RECENT_PROGRESS_UPDATES;
use andiron_streaming::progress::{Progress, QueryStatus};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Exception, SparkError};

/// How a query failed.
#[derive(Debug, Clone)]
pub struct QueryFailure {
    /// What went wrong, as the cause had it.
    pub cause: SparkError,
    /// The message of the exception: names the query and the cause.
    pub message: String,
}

impl QueryFailure {
    /// The exception that waiting for the query throws.
    pub fn error(&self) -> SparkError {
        let (_, text) = self.message.split_once("] ").unwrap_or(("", &self.message));
        SparkError::new(Exception::StreamingQuery, "STREAM_FAILED", "XXKST", text)
    }

    /// What `exception()` sends to a client.
    pub fn exception_text(&self) -> String {
        events::exception_text(&self.message)
    }

    /// The error class that `exception()` sends.
    pub fn error_class(&self) -> &'static str {
        "STREAM_FAILED"
    }
}

struct Told {
    status: QueryStatus,
    recent: VecDeque<Progress>,
    failure: Option<QueryFailure>,
    explain: String,
}

/// A streaming query's run.
pub struct StreamingQuery {
    id: String,
    run_id: String,
    name: Option<String>,
    told: Mutex<Told>,
    stopping: watch::Sender<bool>,
    ended: watch::Sender<bool>,
    /// How many have asked to hear when all data is processed, and up to which of them that has been so.
    asked: AtomicU64,
    drained: watch::Sender<u64>,
}

impl StreamingQuery {
    pub(crate) fn new(id: String, name: Option<String>) -> Arc<Self> {
        Arc::new(Self {
            id,
            run_id: uuid::Uuid::new_v4().to_string(),
            name,
            told: Mutex::new(Told {
                status: QueryStatus::initializing(),
                recent: VecDeque::new(),
                failure: None,
                explain: "No physical plan. Waiting for data.".to_owned(),
            }),
            stopping: watch::Sender::new(false),
            ended: watch::Sender::new(false),
            asked: AtomicU64::new(0),
            drained: watch::Sender::new(0),
        })
    }

    /// The id that its checkpoint keeps.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id of this run.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Both ids.
    pub fn instance(&self) -> QueryInstanceId {
        QueryInstanceId { id: self.id.clone(), run_id: self.run_id.clone() }
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether it has not ended.
    pub fn is_active(&self) -> bool {
        !*self.ended.borrow()
    }

    /// What it does just now.
    pub fn status(&self) -> QueryStatus {
        self.told.lock().status.clone()
    }

    /// The last reports, oldest first, as JSON.
    pub fn recent_progress(&self) -> Vec<String> {
        self.told.lock().recent.iter().map(Progress::to_json).collect()
    }

    /// The last report as JSON.
    pub fn last_progress(&self) -> Option<String> {
        self.told.lock().recent.back().map(Progress::to_json)
    }

    /// How it failed, if it did.
    pub fn exception(&self) -> Option<QueryFailure> {
        self.told.lock().failure.clone()
    }

    /// The plan of the last batch.
    pub fn explain(&self) -> String {
        self.told.lock().explain.clone()
    }

    /// Tells the query to stop and waits until it has. A batch that is under way is cut; it is run again by the next run.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        self.wait_ended().await;
    }

    /// Tells the query to stop, without waiting.
    pub fn stop_soon(&self) {
        self.stopping.send_replace(true);
    }

    async fn wait_ended(&self) {
        // The sender lives as long as the query, so the wait can only end by the end.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Waits until the query has ended, or so many ms at most: whether it has.
    ///
    /// # Errors
    /// The query's own, if it failed.
    pub async fn await_termination(&self, timeout_ms: Option<i64>) -> Result<bool, SparkError> {
        match timeout_ms {
            None => self.wait_ended().await,
            Some(ms) => {
                let limit = Duration::from_millis(ms.max(0) as u64);
                if tokio::time::timeout(limit, self.wait_ended()).await.is_err() {
                    return Ok(false);
                }
            }
        }
        match self.exception() {
            Some(failure) => Err(failure.error()),
            None => Ok(true),
        }
    }

    /// Waits until a look at the sources that began after this call has found nothing new.
    ///
    /// # Errors
    /// The query's own, if it fails meanwhile.
    pub async fn process_all_available(&self) -> Result<(), SparkError> {
        let ticket = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut drained = self.drained.subscribe();
        tokio::select! {
            _ = drained.wait_for(|done| *done >= ticket) => {}
            () = self.wait_ended() => {}
        }
        match self.exception() {
            Some(failure) => Err(failure.error()),
            None => Ok(()),
        }
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn drained(&self, up_to: u64) {
        self.drained.send_if_modified(|done| {
            let news = *done < up_to;
            *done = (*done).max(up_to);
            news
        });
    }

    pub(crate) fn stop_asked(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    pub(crate) fn set_status(&self, change: impl FnOnce(&mut QueryStatus)) {
        change(&mut self.told.lock().status);
    }

    pub(crate) fn set_explain(&self, text: String) {
        self.told.lock().explain = text;
    }

    pub(crate) fn report(&self, progress: Progress) {
        let mut told = self.told.lock();
        if told.recent.len() >= RECENT_PROGRESS_UPDATES {
            told.recent.pop_front();
        }
        told.recent.push_back(progress);
    }

    pub(crate) fn end(&self, failure: Option<SparkError>) -> Option<QueryFailure> {
        let failure = failure.map(|cause| {
            let message = events::failure_message(&self.id, &self.run_id, &cause.to_string());
            QueryFailure { cause, message }
        });
        let mut told = self.told.lock();
        told.status = match &failure {
            Some(failure) => QueryStatus::failed(&failure.cause.to_string()),
            None => QueryStatus::stopped(),
        };
        told.failure.clone_from(&failure);
        drop(told);
        self.ended.send_replace(true);
        failure
    }
}
