//! One execution and its answers. They are numbered and kept until the client has released them, so that a stream that was
//! cut goes on behind the last answer that arrived; a slow client makes the query wait, an absent one ends it.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use andiron_engine::SparkError;
use futures::Stream;
use parking_lot::Mutex;
use prost::Message as _;
use spark_connect_proto::{self as proto, execute_plan_response::ResponseType};
use tokio::{sync::watch, task::AbortHandle};
use tonic::{Status, codegen::BoxStream};
use uuid::Uuid;

use super::{
    errors::{canceled, invalid_cursor, status},
    limits::{RETAINED_BYTES_MAX, UNSENT_BYTES_MAX},
    session::DoorSession,
};

/// One execution.
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) tags: Vec<String>,
    is_reattachable: bool,
    session_id: String,
    server_side_session_id: String,
    session: Weak<DoorSession>,
    answers: Mutex<Answers>,
    /// Counts changes of `answers`.
    changed: watch::Sender<u64>,
    task: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct Answers {
    /// The number of the first one kept.
    first: u64,
    kept: VecDeque<(usize, proto::ExecutePlanResponse)>,
    /// One more than the number of the last one sent to any client.
    sent: u64,
    sent_bytes: usize,
    unsent_bytes: usize,
    /// How it ended.
    end: Option<Result<(), SparkError>>,
    /// Which attachment is the present one: an older one ends when a newer comes.
    attachment: u64,
    detached_since: Option<Instant>,
}

/// The operation was ended from outside.
#[derive(Debug)]
pub(super) struct Ended;

impl Answers {
    fn drop_first(&mut self) {
        if let Some((bytes, _)) = self.kept.pop_front() {
            if self.first < self.sent {
                self.sent_bytes -= bytes;
            } else {
                self.unsent_bytes -= bytes;
                self.sent = self.first + 1;
            }
            self.first += 1;
        }
    }
}

impl Operation {
    pub(super) fn new(session: &Arc<DoorSession>, id: String, tags: Vec<String>, is_reattachable: bool) -> Self {
        Self {
            id,
            tags,
            is_reattachable,
            session_id: session.id(),
            server_side_session_id: session.server_side_id.clone(),
            session: Arc::downgrade(session),
            answers: Mutex::default(),
            changed: watch::Sender::new(0),
            task: Mutex::default(),
        }
    }

    fn notify(&self) {
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// Remembers the task that runs it.
    pub(super) fn runs_as(&self, task: AbortHandle) {
        if self.is_over() {
            task.abort();
        }
        *self.task.lock() = Some(task);
    }

    /// An answer with a payload.
    pub(super) async fn answer(&self, payload: ResponseType) -> Result<(), Ended> {
        self.push(proto::ExecutePlanResponse { response_type: Some(payload), ..Default::default() }).await
    }

    /// An answer; waits while the client has too much before it.
    pub(super) async fn push(&self, mut response: proto::ExecutePlanResponse) -> Result<(), Ended> {
        response.session_id = self.session_id.clone();
        response.server_side_session_id = self.server_side_session_id.clone();
        response.operation_id = self.id.clone();
        response.response_id = Uuid::new_v4().to_string();
        let bytes = response.encoded_len();
        let mut changed = self.changed.subscribe();
        loop {
            {
                let mut answers = self.answers.lock();
                if answers.end.is_some() {
                    return Err(Ended);
                }
                if answers.unsent_bytes == 0 || answers.unsent_bytes + bytes <= UNSENT_BYTES_MAX {
                    let is_last = matches!(response.response_type, Some(ResponseType::ResultComplete(_)));
                    answers.unsent_bytes += bytes;
                    answers.kept.push_back((bytes, response));
                    if is_last {
                        // With the last answer in one step, so that the end of the stream leaves with it.
                        answers.end = Some(Ok(()));
                    }
                    break;
                }
                changed.mark_unchanged();
            }
            if changed.changed().await.is_err() {
                return Err(Ended);
            }
        }
        self.notify();
        Ok(())
    }

    /// The end: after it nothing is added.
    pub(super) async fn finish(&self, result: Result<(), SparkError>) {
        if result.is_ok() && self.is_reattachable {
            let complete = proto::execute_plan_response::ResultComplete {};
            if self.answer(ResponseType::ResultComplete(complete)).await.is_err() {
                return;
            }
        }
        self.end(result);
    }

    fn end(&self, result: Result<(), SparkError>) {
        self.answers.lock().end.get_or_insert(result);
        self.notify();
    }

    /// Whether it has ended, one way or the other.
    pub(super) fn is_over(&self) -> bool {
        self.answers.lock().end.is_some()
    }

    /// Whether it ended well, badly, or not yet.
    pub(super) fn outcome(&self) -> Option<Result<(), SparkError>> {
        self.answers.lock().end.clone()
    }

    /// Ends it from outside; whether it was still running.
    pub(super) fn cancel(&self) -> bool {
        let running = !self.is_over();
        self.end(Err(canceled(&self.id)));
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
        running
    }

    pub(super) fn is_detached_for(&self, time: Duration) -> bool {
        self.answers.lock().detached_since.is_some_and(|since| since.elapsed() >= time)
    }

    /// The client has these and will not ask again.
    pub(super) fn release_until(&self, response_id: &str) {
        let mut answers = self.answers.lock();
        if let Some(at) = answers.kept.iter().position(|(_, answer)| answer.response_id == response_id) {
            (0..=at).for_each(|_| answers.drop_first());
        }
        drop(answers);
        self.notify();
    }

    /// The answers from the beginning, or behind one.
    pub(super) fn attach(
        self: &Arc<Self>,
        after: Option<&str>,
    ) -> Result<BoxStream<proto::ExecutePlanResponse>, SparkError> {
        let mut answers = self.answers.lock();
        let from = match after.filter(|id| !id.is_empty()) {
            None if answers.first == 0 => 0,
            Some(id) => match answers.kept.iter().position(|(_, answer)| answer.response_id == id) {
                Some(at) => answers.first + at as u64 + 1,
                None => {
                    return Err(invalid_cursor(
                        "POSITION_NOT_AVAILABLE",
                        "The cursor position is no longer available.",
                    ));
                }
            },
            None => {
                return Err(invalid_cursor("POSITION_NOT_AVAILABLE", "The cursor position is no longer available."));
            }
        };
        answers.attachment += 1;
        answers.detached_since = None;
        let attachment = Attachment { operation: Arc::clone(self), number: answers.attachment };
        drop(answers);
        self.notify();
        Ok(Box::pin(attachment.stream(from)))
    }

    fn status(&self, error: &SparkError) -> Status {
        status(error, self.session.upgrade().as_deref())
    }
}

/// A client that is being answered.
struct Attachment {
    operation: Arc<Operation>,
    number: u64,
}

enum Next {
    /// The answer, and the number of the one behind it.
    Answer(Box<proto::ExecutePlanResponse>, u64),
    Failed(Status),
    End,
    Wait,
}

impl Attachment {
    fn stream(self, from: u64) -> impl Stream<Item = Result<proto::ExecutePlanResponse, Status>> + Send {
        let changed = self.operation.changed.subscribe();
        futures::stream::unfold(Some((self, from, changed)), |state| async move {
            let (attachment, position, mut changed) = state?;
            loop {
                changed.mark_unchanged();
                match attachment.next(position) {
                    Next::Answer(answer, behind) => return Some((Ok(*answer), Some((attachment, behind, changed)))),
                    Next::Failed(status) => return Some((Err(status), None)),
                    Next::End => return None,
                    Next::Wait => changed.changed().await.ok()?,
                }
            }
        })
    }

    fn next(&self, position: u64) -> Next {
        let mut answers = self.operation.answers.lock();
        if answers.attachment != self.number {
            let error = invalid_cursor("DISCONNECTED", "The cursor has been disconnected by the server.");
            drop(answers);
            return Next::Failed(self.operation.status(&error));
        }
        // What was released while it was on its way is not sent again.
        let position = position.max(answers.first);
        let at = usize::try_from(position - answers.first).unwrap_or(usize::MAX);
        if let Some((bytes, answer)) = answers.kept.get(at) {
            let (bytes, answer) = (*bytes, Box::new(answer.clone()));
            if position >= answers.sent {
                answers.sent = position + 1;
                answers.sent_bytes += bytes;
                answers.unsent_bytes -= bytes;
            }
            let retained = if self.operation.is_reattachable { RETAINED_BYTES_MAX } else { 0 };
            while answers.sent_bytes > retained && answers.first < position {
                answers.drop_first();
            }
            drop(answers);
            self.operation.notify();
            return Next::Answer(answer, position + 1);
        }
        match &answers.end {
            None => Next::Wait,
            Some(Ok(())) => Next::End,
            Some(Err(error)) => {
                let error = error.clone();
                drop(answers);
                Next::Failed(self.operation.status(&error))
            }
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut answers = self.operation.answers.lock();
        if answers.attachment != self.number {
            return;
        }
        answers.detached_since = Some(Instant::now());
        drop(answers);
        if !self.operation.is_reattachable {
            self.operation.cancel();
            if let Some(session) = self.operation.session.upgrade() {
                session.forget(&self.operation.id);
            }
        }
    }
}
