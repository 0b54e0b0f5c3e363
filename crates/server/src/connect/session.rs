//! Sessions as clients see them: who they are, what they run, what they uploaded; and their end.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use andiron_engine::{Session, SparkError, conf::SparkVersion};
use bytes::Bytes;
use parking_lot::Mutex;
use spark_connect_proto as proto;
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    door::Door,
    errors::invalid_handle,
    limits::{
        CLOSED_SESSIONS_MAX, ERRORS_MAX, HOUSEKEEPING, OPERATION_DETACHED, OPERATIONS_MAX, SESSION_IDLE, SESSIONS_MAX,
    },
    operation::Operation,
};

/// A client's session at the door.
pub(super) struct DoorSession {
    pub(super) session: Arc<Session>,
    /// Constant for the session's life, so that a client notices when the server was another in between.
    pub(super) server_side_id: String,
    version: Mutex<String>,
    operations: Mutex<HashMap<String, Arc<Operation>>>,
    pub(super) artifacts: Mutex<BTreeMap<String, Bytes>>,
    pub(super) persisted: Mutex<HashMap<u64, proto::StorageLevel>>,
    errors: Mutex<VecDeque<(String, SparkError)>>,
    last_used: Mutex<Instant>,
}

impl DoorSession {
    fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            server_side_id: Uuid::new_v4().to_string(),
            version: Mutex::new("4.1.0".to_owned()),
            operations: Mutex::default(),
            artifacts: Mutex::default(),
            persisted: Mutex::default(),
            errors: Mutex::default(),
            last_used: Mutex::new(Instant::now()),
        }
    }

    pub(super) fn id(&self) -> String {
        self.session.id().to_owned()
    }

    /// The release of Spark whose client speaks: ours is the same then.
    pub(super) fn version(&self) -> String {
        self.version.lock().clone()
    }

    pub(super) fn is_version_4(&self) -> bool {
        self.session.conf().version().major >= 4
    }

    fn client_is(&self, client_type: Option<&str>) {
        *self.last_used.lock() = Instant::now();
        let Some((text, version)) = client_type.and_then(client_version) else { return };
        let mut known = self.version.lock();
        if *known != text {
            *known = text;
            self.session.conf().set_version(version);
        }
    }

    pub(super) fn remember_error(&self, error: SparkError) -> String {
        let id = Uuid::new_v4().to_string();
        let mut errors = self.errors.lock();
        if errors.len() >= ERRORS_MAX {
            errors.pop_front();
        }
        errors.push_back((id.clone(), error));
        id
    }

    pub(super) fn error(&self, id: &str) -> Option<SparkError> {
        self.errors.lock().iter().find(|(known, _)| known == id).map(|(_, error)| error.clone())
    }

    pub(super) fn admit(&self, operation: &Arc<Operation>) -> Result<(), SparkError> {
        let mut operations = self.operations.lock();
        if operations.contains_key(&operation.id) {
            return Err(invalid_handle("OPERATION_ALREADY_EXISTS", &operation.id, "Operation already exists."));
        }
        if operations.len() >= OPERATIONS_MAX {
            return Err(SparkError::unsupported(format!("more than {OPERATIONS_MAX} operations in one session")));
        }
        operations.insert(operation.id.clone(), Arc::clone(operation));
        Ok(())
    }

    pub(super) fn operation(&self, id: &str) -> Option<Arc<Operation>> {
        self.operations.lock().get(id).cloned()
    }

    pub(super) fn operations(&self) -> Vec<Arc<Operation>> {
        self.operations.lock().values().cloned().collect()
    }

    pub(super) fn forget(&self, id: &str) -> Option<Arc<Operation>> {
        self.operations.lock().remove(id)
    }

    /// Stops everything the session runs.
    pub(super) async fn stop(&self) {
        let operations: Vec<_> = self.operations.lock().drain().map(|(_, operation)| operation).collect();
        for operation in operations {
            operation.cancel();
        }
        self.session.queries().stop_all().await;
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.operations.lock().is_empty()
            && self.session.queries().active().is_empty()
            && now.duration_since(*self.last_used.lock()) >= SESSION_IDLE
    }
}

/// `_SPARK_CONNECT_PYTHON spark/3.5.9 os/linux python/3.11`.
fn client_version(client_type: &str) -> Option<(String, SparkVersion)> {
    let text = client_type.split_once("spark/")?.1;
    let text = text.split_whitespace().next()?;
    let mut numbers = text.split('.').map(str::parse::<u16>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return None };
    Some((text.to_owned(), SparkVersion { major, minor }))
}

/// What every request says about itself.
pub(super) struct Caller<'a> {
    pub(super) user: Option<&'a proto::UserContext>,
    pub(super) session_id: &'a str,
    pub(super) observed: Option<&'a str>,
    pub(super) client_type: Option<&'a str>,
}

type Key = (String, String);

/// The sessions of a server.
#[derive(Default)]
pub(super) struct Sessions {
    open: Mutex<HashMap<Key, Arc<DoorSession>>>,
    closed: Mutex<(HashSet<Key>, VecDeque<Key>)>,
}

impl Sessions {
    /// The caller's session, made if it is new.
    pub(super) fn of(&self, door: &Door, caller: &Caller<'_>) -> Result<Arc<DoorSession>, SparkError> {
        let key = key(caller)?;
        let mut open = self.open.lock();
        let session = match open.get(&key) {
            Some(session) => Arc::clone(session),
            None => {
                if self.closed.lock().0.contains(&key) {
                    return Err(invalid_handle("SESSION_CLOSED", &key.1, "Session was closed."));
                }
                if caller.observed.is_some_and(|observed| !observed.is_empty()) {
                    return Err(changed(&key.1));
                }
                if open.len() >= SESSIONS_MAX {
                    return Err(SparkError::unsupported(format!("more than {SESSIONS_MAX} sessions")));
                }
                let session = Arc::new(DoorSession::new(door.engine.session(&key.0, &key.1)));
                open.insert(key, Arc::clone(&session));
                session
            }
        };
        drop(open);
        check(&session, caller)?;
        Ok(session)
    }

    /// The caller's session, which must be there.
    pub(super) fn existing(&self, caller: &Caller<'_>) -> Result<Arc<DoorSession>, SparkError> {
        let key = key(caller)?;
        let found = self.open.lock().get(&key).cloned();
        match found {
            Some(session) => {
                check(&session, caller)?;
                Ok(session)
            }
            None if self.closed.lock().0.contains(&key) => {
                Err(invalid_handle("SESSION_CLOSED", &key.1, "Session was closed."))
            }
            None => Err(invalid_handle("SESSION_NOT_FOUND", &key.1, "Session not found.")),
        }
    }

    /// Takes a session out; its client is told if it comes again, unless it may.
    pub(super) fn close(&self, caller: &Caller<'_>, may_return: bool) -> Result<Option<Arc<DoorSession>>, SparkError> {
        let key = key(caller)?;
        let session = self.open.lock().remove(&key);
        if !may_return {
            self.remember_closed(key);
        }
        Ok(session)
    }

    fn remember_closed(&self, key: Key) {
        let mut closed = self.closed.lock();
        if closed.0.insert(key.clone()) {
            closed.1.push_back(key);
        }
        if closed.1.len() > CLOSED_SESSIONS_MAX
            && let Some(oldest) = closed.1.pop_front()
        {
            closed.0.remove(&oldest);
        }
    }

    /// Puts a copy of a session beside it.
    pub(super) fn copy(&self, door: &Door, of: &DoorSession, id: &str) -> Result<Arc<DoorSession>, SparkError> {
        let key = (of.session.user().to_owned(), id.to_owned());
        let mut open = self.open.lock();
        if open.contains_key(&key) || self.closed.lock().0.contains(&key) {
            return Err(SparkError::new(
                andiron_engine::Exception::Spark,
                "INVALID_CLONE_SESSION_REQUEST.TARGET_SESSION_ID_ALREADY_EXISTS",
                "42K04",
                format!(
                    "Invalid session clone request. Cannot clone session because the target session ID {id} already exists."
                ),
            ));
        }
        let copy = DoorSession::new(door.engine.clone_session(&of.session, id));
        *copy.version.lock() = of.version();
        copy.artifacts.lock().clone_from(&of.artifacts.lock());
        let copy = Arc::new(copy);
        open.insert(key, Arc::clone(&copy));
        Ok(copy)
    }

    pub(super) fn all(&self) -> Vec<Arc<DoorSession>> {
        self.open.lock().values().cloned().collect()
    }

    fn take_idle(&self) -> Vec<(Key, Arc<DoorSession>)> {
        let now = Instant::now();
        let idle: Vec<_> = self.open.lock().extract_if(|_, session| session.is_idle(now)).collect();
        for (key, _) in &idle {
            self.remember_closed(key.clone());
        }
        idle
    }
}

fn key(caller: &Caller<'_>) -> Result<Key, SparkError> {
    if Uuid::parse_str(caller.session_id).is_err() {
        return Err(invalid_handle(
            "FORMAT",
            caller.session_id,
            "Handle must be an UUID string of the format '00112233-4455-6677-8899-aabbccddeeff'",
        ));
    }
    let user = caller.user.map_or("", |user| user.user_id.as_str());
    Ok((user.to_owned(), caller.session_id.to_owned()))
}

fn check(session: &DoorSession, caller: &Caller<'_>) -> Result<(), SparkError> {
    if let Some(observed) = caller.observed
        && !observed.is_empty()
        && observed != session.server_side_id
    {
        return Err(changed(caller.session_id));
    }
    session.client_is(caller.client_type);
    Ok(())
}

fn changed(id: &str) -> SparkError {
    invalid_handle("SESSION_CHANGED", id, "The existing Spark server driver instance has restarted. Please reconnect.")
}

/// Closes idle sessions and drops operations whose client is gone, until the door closes.
pub(super) async fn keep_house(door: Arc<Door>, mut closing: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(HOUSEKEEPING) => {}
            _ = closing.changed() => return,
        }
        for (key, session) in door.sessions.take_idle() {
            tracing::info!(user = key.0, session = key.1, "an idle Spark Connect session is closed");
            session.stop().await;
            door.engine.release_session(&key.0, &key.1);
        }
        for session in door.sessions.all() {
            for operation in session.operations() {
                if operation.is_detached_for(OPERATION_DETACHED) {
                    session.forget(&operation.id);
                    operation.cancel();
                }
            }
        }
    }
}
