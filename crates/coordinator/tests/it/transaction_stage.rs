//! One transaction coordinator with a log of its own, and who is told what.

use std::collections::BTreeSet;
use std::sync::Arc;

use andiron_coordinator::transactions::{
    AddPartitions, Call, EndTransaction, InitProducerId, Markers, Producer, Request, Response, Transaction,
    TransactionConfig, TransactionCoordinator, TransactionRecord,
};
use andiron_coordinator::{StateMachine, Ticket};
use andiron_protocol::ErrorCode;
use andiron_replication::machine::{Harness, Outcome};

use crate::stage::append;

pub const ID: &str = "tx";
/// What is said of a request that has to come again with a producer id.
pub const NEEDS_ID: &str = "needs a producer id";

pub struct Stage {
    pub harness: Harness<TransactionCoordinator>,
    pub log: Vec<TransactionRecord>,
    pub now: i64,
    /// The level of `transaction.version`.
    pub version: i16,
    pub next_ticket: u64,
    next_producer_id: i64,
    /// Nothing that is appended is committed.
    pub held: bool,
    pub refuses: bool,
    /// A mistake made on purpose: what is refused counts as done.
    pub believes: bool,
    pub config: TransactionConfig,
    told: Vec<(u64, String)>,
    pub to_write: Vec<Markers>,
}

pub fn partitions(names: &[(&str, i32)]) -> BTreeSet<(Arc<str>, i32)> {
    names.iter().map(|(topic, partition)| (Arc::from(*topic), *partition)).collect()
}

pub fn producer(id: i64, epoch: i16) -> Producer {
    Producer { id, epoch }
}

pub fn said(response: Response) -> String {
    let code = |error: andiron_coordinator::transactions::TransactionError| error.code().name().to_owned();
    match response {
        Response::InitProducerId(Ok(p)) | Response::EndTransaction(Ok(p)) => format!("{} {}", p.id, p.epoch),
        Response::AddPartitions(Ok(missing)) if missing.is_empty() => "ok".into(),
        Response::AddPartitions(Ok(missing)) => format!("missing {}", missing.len()),
        Response::InitProducerId(Err(e)) | Response::EndTransaction(Err(e)) | Response::AddPartitions(Err(e)) => {
            code(e)
        }
        Response::NeedsProducerId => NEEDS_ID.into(),
        Response::Completed => "complete".into(),
        Response::Describe(Ok(transaction)) => words(&transaction),
        Response::List(Ok(listed)) => listed
            .iter()
            .map(|one| format!("{}={}", one.transactional_id, one.state.name()))
            .collect::<Vec<_>>()
            .join(" "),
        Response::Describe(Err(e)) | Response::List(Err(e)) => code(e),
        Response::WriteMarkers(_) => unreachable!("nobody asks for it"),
    }
}

pub fn words(of: &Transaction) -> String {
    let partitions: Vec<String> = of.partitions.iter().map(|(topic, at)| format!("{topic}/{at}")).collect();
    format!("{} {}:{} [{}]", of.state.name(), of.producer_id, of.producer_epoch, partitions.join(" "))
}

impl Stage {
    pub fn new(version: i16) -> Self {
        let mut stage = Stage {
            harness: Harness::new(TransactionCoordinator::new(TransactionConfig::default(), version), 0),
            log: Vec::new(),
            now: 1_000,
            version,
            next_ticket: 0,
            next_producer_id: 7,
            held: false,
            refuses: false,
            believes: false,
            config: TransactionConfig::default(),
            told: Vec::new(),
            to_write: Vec::new(),
        };
        stage.restart();
        stage
    }

    /// A machine that has read what is in the log, byte by byte.
    pub fn restart(&mut self) {
        let mut machine = TransactionCoordinator::new(self.config.clone(), self.version);
        for (offset, record) in self.log.iter().enumerate() {
            let (key, value) = record.encode().unwrap();
            machine.replay(offset as i64, &TransactionRecord::decode(Some(&key), value.as_deref()).unwrap());
        }
        let effects = machine.loaded(self.now);
        self.to_write.clear();
        self.harness = Harness::new(machine, self.log.len() as i64);
        let now = self.now;
        self.carry(|harness, append| Some(harness.carry_out(now, effects, append)));
    }

    fn carry(
        &mut self,
        act: impl FnOnce(
            &mut Harness<TransactionCoordinator>,
            &mut dyn FnMut(&[TransactionRecord]) -> Result<i64, ErrorCode>,
        ) -> Option<Outcome<Response>>,
    ) {
        let (log, believes) = (&mut self.log, self.believes);
        let refusal = self.refuses.then_some(ErrorCode::NotLeaderOrFollower);
        let outcome = act(&mut self.harness, &mut |records| append(log, records, refusal, believes));
        self.tell(outcome.into_iter().flat_map(|outcome| outcome.replies).collect());
        if !self.held {
            self.commit();
        }
    }

    pub fn commit(&mut self) {
        let answers = self.harness.committed(self.log.len() as i64);
        self.tell(answers);
    }

    fn tell(&mut self, answers: Vec<(Ticket, Response)>) {
        for (ticket, answer) in answers {
            match answer {
                Response::WriteMarkers(markers) => {
                    assert_eq!(ticket, Ticket::UNASKED);
                    self.to_write.push(markers);
                }
                answer => self.told.push((ticket.0, said(answer))),
            }
        }
    }

    /// Asks, and says what is answered now.
    pub fn ask(&mut self, request: Request) -> String {
        self.next_ticket += 1;
        let (now, ticket, transaction_version) = (self.now, Ticket(self.next_ticket), self.version);
        let call = Call { transaction_version, request };
        self.carry(|harness, append| Some(harness.request(now, ticket, call, append)));
        self.answer_to(ticket.0)
    }

    pub fn answer_to(&mut self, ticket: u64) -> String {
        let at = self.told.iter().position(|(of, _)| *of == ticket);
        at.map_or_else(|| "waits".to_owned(), |at| self.told.remove(at).1)
    }

    pub fn pass(&mut self, ms: i64) {
        self.now += ms;
        let now = self.now;
        while self.harness.next_deadline().is_some_and(|at| at <= now) {
            self.carry(|harness, append| harness.deadline(now, append));
        }
    }

    pub fn fresh(&mut self) -> Option<i64> {
        self.next_producer_id += 1;
        Some(self.next_producer_id)
    }

    /// Asks as a broker does: first without a producer id, then with one if it is needed.
    fn ask_with_id(&mut self, request: impl Fn(Option<i64>) -> Request) -> String {
        let answer = self.ask(request(None));
        if answer != NEEDS_ID {
            return answer;
        }
        let id = self.fresh();
        self.ask(request(id))
    }

    pub fn init(&mut self, expected: Option<Producer>) -> String {
        self.ask_with_id(|fresh_producer_id| {
            Request::InitProducerId(InitProducerId {
                transactional_id: ID.into(),
                timeout_ms: 60_000,
                expected,
                fresh_producer_id,
            })
        })
    }

    pub fn add(&mut self, from: Producer, names: &[(&str, i32)]) -> String {
        self.add_as(from, names, 0, false)
    }

    pub fn add_as(&mut self, from: Producer, names: &[(&str, i32)], client_version: i16, verify_only: bool) -> String {
        self.ask(Request::AddPartitions(AddPartitions {
            transactional_id: ID.into(),
            producer: from,
            partitions: partitions(names),
            client_version,
            verify_only,
            patient: client_version >= 2,
        }))
    }

    pub fn end(&mut self, from: Producer, commit: bool, client_version: i16) -> String {
        self.ask_with_id(|fresh_producer_id| {
            Request::EndTransaction(EndTransaction {
                transactional_id: ID.into(),
                producer: from,
                commit,
                client_version,
                fresh_producer_id,
            })
        })
    }

    /// All markers that are asked for are written.
    pub fn write_markers(&mut self) {
        for markers in std::mem::take(&mut self.to_write) {
            let (transactional_id, producer) = (markers.transactional_id, markers.producer);
            assert_eq!(self.ask(Request::Completed { transactional_id, producer }), "complete");
        }
    }

    pub fn state(&self) -> String {
        self.harness.latest().get(ID).map_or_else(|| "none".to_owned(), words)
    }
}
