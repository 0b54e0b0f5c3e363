//! What an answer, or the want of one, means for each batch of a request.

use andiron_protocol::messages::produce_response::PartitionProduceResponse;

use super::*;
use crate::transport::TransportError;

/// What becomes of one batch.
enum Verdict {
    Written(Placed),
    /// Not now; `invalid` when the metadata were shown to be wrong.
    Again {
        code: Option<ErrorCode>,
        invalid: bool,
    },
    Refused {
        code: ErrorCode,
        detail: String,
    },
    /// Too large for the broker, and more than one record.
    TooLarge,
}

impl Sender {
    pub(super) fn settle(
        &mut self,
        sent: Vec<Sent>,
        answer: Result<Answer, CallError>,
        connection: &BrokerConnection,
        now: Instant,
    ) {
        match answer {
            Ok(Answer::None) => {
                let placed = Placed { base_offset: -1, append_time: -1 };
                sent.into_iter().for_each(|sent| self.written(sent, placed));
            }
            Ok(Answer::Response(response)) => {
                for sent in sent {
                    match find(&response, &sent) {
                        Some(part) => self.judge(sent, part, now),
                        None => self.lost(sent, TransportError::lost("an answer without the partition"), now),
                    }
                }
            }
            Err(CallError::Transport(error)) => {
                sent.into_iter().for_each(|sent| self.lost(sent, error.clone(), now));
            }
            Err(CallError::Unsupported(key)) => {
                let reason = CallError::Unsupported(key).to_string();
                for Sent { at, batch, .. } in sent {
                    at.queue.lock().given_up(&batch, true, batch.uncertain);
                    let determinacy = determinacy(batch.uncertain);
                    self.shared.complete(batch, Err(ProduceError::Fatal { reason: reason.clone(), determinacy }));
                }
            }
            Err(CallError::Protocol(what)) => {
                connection.close();
                sent.into_iter().for_each(|sent| self.lost(sent, TransportError::lost(&what), now));
            }
        }
    }

    fn judge(&mut self, mut sent: Sent, part: &PartitionProduceResponse, now: Instant) {
        let code = error_code(part.error_code);
        // The records are in the leader's log although it says no.
        sent.batch.uncertain |= matches!(code, ErrorCode::NotEnoughReplicasAfterAppend | ErrorCode::RequestTimedOut);
        if !code.is_none() {
            let (partition, batch) = (&sent.at.partition, &sent.batch);
            tracing::debug!(
                "{partition}: batch {} (sequence {:?}) attempt {}: {code}",
                batch.number,
                batch.sequence,
                batch.attempts
            );
        }
        match self.verdict(&sent, code, part) {
            Verdict::Written(placed) => self.written(sent, placed),
            Verdict::Again { code, invalid } => {
                if invalid {
                    self.client.metadata().invalidate(&sent.at.partition.topic);
                }
                self.again(sent, code, None, now);
            }
            Verdict::Refused { code, detail } => self.refused(sent, code, detail),
            Verdict::TooLarge => {
                let Sent { at, topic_id, batch } = sent;
                let (records, bytes) = (batch.records, batch.bytes.len());
                match self.shared.split(&at, batch) {
                    Ok(()) => tracing::warn!(
                        "{}: a batch of {records} records ({bytes} bytes) is too large for the broker and goes on as two",
                        at.partition
                    ),
                    Err(batch) => self.refused(Sent { at, topic_id, batch: *batch }, code, String::new()),
                }
            }
        }
    }

    fn verdict(&self, sent: &Sent, code: ErrorCode, part: &PartitionProduceResponse) -> Verdict {
        let again = Verdict::Again { code: Some(code), invalid: false };
        let idempotent = sent.batch.sequence.is_some();
        match code {
            ErrorCode::None => {
                Verdict::Written(Placed { base_offset: part.base_offset, append_time: part.log_append_time_ms })
            }
            // An earlier attempt had been written.
            ErrorCode::DuplicateSequenceNumber => {
                Verdict::Written(Placed { base_offset: -1, append_time: part.log_append_time_ms })
            }
            ErrorCode::OutOfOrderSequenceNumber if idempotent && sent.at.queue.lock().is_premature(&sent.batch) => {
                again
            }
            ErrorCode::UnknownProducerId if idempotent && self.shared.transactions.is_none() => {
                // Retention took all that the broker knew of us; the records themselves were acknowledged.
                sent.at.queue.lock().forgotten();
                again
            }
            ErrorCode::MessageTooLarge if sent.batch.records > 1 => Verdict::TooLarge,
            ErrorCode::NotEnoughReplicas
            | ErrorCode::NotEnoughReplicasAfterAppend
            | ErrorCode::RequestTimedOut
            | ErrorCode::ThrottlingQuotaExceeded
            | ErrorCode::ConcurrentTransactions
            | ErrorCode::CorruptMessage => again,
            code if code.is_retriable() || matches!(code, ErrorCode::FencedLeaderEpoch | ErrorCode::UnknownTopicId) => {
                Verdict::Again { code: Some(code), invalid: true }
            }
            code => {
                let detail = match &part.error_message {
                    Some(message) => format!(" {}", message.as_str()),
                    None => String::new(),
                };
                Verdict::Refused { code, detail }
            }
        }
    }

    fn written(&self, sent: Sent, placed: Placed) {
        sent.at.queue.lock().acknowledged(&sent.batch);
        self.shared.complete(sent.batch, Ok(placed));
    }

    fn refused(&self, sent: Sent, code: ErrorCode, detail: String) {
        let Sent { at, batch, .. } = sent;
        {
            let mut queue = at.queue.lock();
            queue.given_up(&batch, true, batch.uncertain);
            if code == ErrorCode::OutOfOrderSequenceNumber && batch.sequence.is_some() {
                // The broker lost what it had acknowledged: only another epoch gets past that.
                queue.forgotten();
            }
        }
        let determinacy = determinacy(batch.uncertain);
        let error = ProduceError::Refused { partition: at.partition.clone(), code, detail, determinacy };
        self.shared.complete(batch, Err(error));
    }

    /// No answer: the batch may have been written.
    fn lost(&mut self, mut sent: Sent, error: TransportError, now: Instant) {
        sent.batch.uncertain |= error.may_have_been_sent();
        self.client.metadata().invalidate(&sent.at.partition.topic);
        self.again(sent, None, Some(error), now);
    }

    /// Back into the queue, unless its time or its attempts are over.
    fn again(&mut self, sent: Sent, code: Option<ErrorCode>, error: Option<TransportError>, now: Instant) {
        let config = self.client.config();
        let Sent { at, batch, .. } = sent;
        let timeout = Duration::from_millis(u64::from(config.delivery_timeout_ms.unsigned_abs()));
        let expired = batch.created + timeout <= now;
        if self.shared.gives_up() {
            at.queue.lock().given_up(&batch, true, batch.uncertain);
            self.shared.drop_aborted(batch);
            return;
        }
        if !expired && batch.attempts <= config.retries.unsigned_abs() {
            let wait = self.backoff.after(batch.attempts);
            at.queue.lock().put_back(batch, now + wait);
            return;
        }
        at.queue.lock().given_up(&batch, true, batch.uncertain);
        let partition = at.partition.clone();
        let determinacy = determinacy(batch.uncertain);
        let failure = match (expired, code, error) {
            (true, _, _) => expiry(&at, &batch, now),
            (false, Some(code), _) => ProduceError::Refused { partition, code, detail: String::new(), determinacy },
            (false, None, Some(cause)) => ProduceError::Transport { partition, cause, determinacy },
            (false, None, None) => ProduceError::Closed { determinacy },
        };
        self.shared.complete(batch, Err(failure));
    }

    /// A batch that grew too old while it waited.
    pub(super) fn expired(&self, at: &PartitionQueue, batch: Batch, now: Instant) {
        at.queue.lock().given_up(&batch, false, batch.uncertain);
        let failure = expiry(at, &batch, now);
        self.shared.complete(batch, Err(failure));
    }
}

fn determinacy(uncertain: bool) -> Determinacy {
    if uncertain { Determinacy::MayHaveHappened } else { Determinacy::DidNotHappen }
}

fn expiry(at: &PartitionQueue, batch: &Batch, now: Instant) -> ProduceError {
    ProduceError::Expired {
        partition: at.partition.clone(),
        records: batch.records,
        elapsed_ms: (now - batch.created).as_millis() as i64,
        determinacy: determinacy(batch.uncertain),
    }
}

fn find<'a>(response: &'a ProduceResponse, sent: &Sent) -> Option<&'a PartitionProduceResponse> {
    let is_it = |topic: &&andiron_protocol::messages::produce_response::TopicProduceResponse| {
        if topic.name.is_empty() {
            topic.topic_id == sent.topic_id
        } else {
            topic.name.as_str() == &*sent.at.partition.topic
        }
    };
    let parts = response.responses.iter().filter(is_it).flat_map(|topic| &topic.partition_responses);
    parts.into_iter().find(|part| part.index == sent.at.partition.partition)
}
