//! The streaming queries of one session.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::handle::StreamingQuery;
use super::listeners::ListenerBus;
use crate::SparkError;
use crate::limits::{ENDED_QUERIES_MAX, SESSION_QUERIES_MAX};

/// A session's queries, running and ended.
#[derive(Default)]
pub struct QueryManager {
    queries: Mutex<Vec<Arc<StreamingQuery>>>,
    /// The last one that ended since `resetTerminated`.
    terminated: watch::Sender<Option<Arc<StreamingQuery>>>,
    listeners: ListenerBus,
}

impl QueryManager {
    /// The queries that have not ended.
    pub fn active(&self) -> Vec<Arc<StreamingQuery>> {
        self.queries.lock().iter().filter(|q| q.is_active()).cloned().collect()
    }

    /// The active query of an id.
    pub fn get(&self, id: &str) -> Option<Arc<StreamingQuery>> {
        self.queries.lock().iter().find(|q| q.id() == id && q.is_active()).cloned()
    }

    /// A run by both ids, ended ones included: their progress and exception can still be asked for.
    pub fn find(&self, id: &str, run_id: &str) -> Option<Arc<StreamingQuery>> {
        self.queries.lock().iter().find(|q| q.id() == id && q.run_id() == run_id).cloned()
    }

    /// Waits until any query ends, or one has since `reset_terminated`: whether one has.
    ///
    /// # Errors
    /// The query's own, if it failed.
    pub async fn await_any_termination(&self, timeout_ms: Option<i64>) -> Result<bool, SparkError> {
        let mut terminated = self.terminated.subscribe();
        let wait = terminated.wait_for(Option::is_some);
        let ended = match timeout_ms {
            None => wait.await,
            Some(ms) => match tokio::time::timeout(Duration::from_millis(ms.max(0) as u64), wait).await {
                Ok(ended) => ended,
                Err(_) => return Ok(false),
            },
        };
        let ended = ended.ok().and_then(|query| query.clone());
        match ended.and_then(|query| query.exception()) {
            Some(failure) => Err(failure.error()),
            None => Ok(true),
        }
    }

    /// Forgets which queries have ended, so that `await_any_termination` waits for the next one.
    pub fn reset_terminated(&self) {
        self.terminated.send_replace(None);
    }

    /// The bus of the session's events.
    pub fn listeners(&self) -> &ListenerBus {
        &self.listeners
    }

    /// Stops every query and waits for their ends: a session takes its queries with it.
    pub async fn stop_all(&self) {
        let active = self.active();
        for query in &active {
            query.stop_soon();
        }
        for query in active {
            query.stop().await;
        }
        self.listeners.remove();
    }

    /// Takes a new query in: refuses a second one of a name or beyond the limit.
    pub(crate) fn admit(&self, query: &Arc<StreamingQuery>) -> Result<(), SparkError> {
        let mut queries = self.queries.lock();
        let active = queries.iter().filter(|q| q.is_active());
        if let Some(name) = query.name()
            && active.clone().any(|q| q.name() == Some(name))
        {
            return Err(SparkError::illegal_argument(format!(
                "Cannot start query with name {name} as a query with that name is already active in this SparkSession"
            )));
        }
        if active.count() >= SESSION_QUERIES_MAX {
            return Err(SparkError::illegal_argument(format!(
                "a session runs at most {SESSION_QUERIES_MAX} streaming queries"
            )));
        }
        let ended = queries.iter().filter(|q| !q.is_active()).count();
        if ended >= ENDED_QUERIES_MAX
            && let Some(oldest) = queries.iter().position(|q| !q.is_active())
        {
            queries.remove(oldest);
        }
        queries.push(Arc::clone(query));
        Ok(())
    }

    pub(crate) fn ended(&self, query: &Arc<StreamingQuery>) {
        let failed = query.exception().is_some();
        self.terminated.send_if_modified(|last| {
            // A failure is kept until somebody has seen it.
            let replace = failed || last.as_ref().is_none_or(|q| q.exception().is_none());
            if replace {
                *last = Some(Arc::clone(query));
            }
            replace
        });
    }
}
