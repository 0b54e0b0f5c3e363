//! The micro-batch machine: says the next act of a query and is told its outcome. Spark's contract is the order of
//! durable writes: offsets before the batch, the commit after it, and what a batch consumed is forgotten by its
//! source only once the next batch's offsets are written.
//!
//! Acts are numbered from 1 in the order in which they are given out, so that a crash test can die after each.

use crate::recovery::Start;
use crate::trigger::Trigger;

/// A source's position as the text that stands in the checkpoint; `None` where the source has no position yet.
pub type OffsetText = Option<String>;

/// What the machine must know of a query besides its checkpoint.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When batches start.
    pub trigger: Trigger,
    /// How long to wait before sources are asked again when they had nothing.
    pub polling_delay_ms: i64,
    /// How many batches the checkpoint's logs keep.
    pub min_batches_to_retain: i64,
}

impl Settings {
    /// Spark's defaults with this trigger.
    #[must_use]
    pub fn new(trigger: Trigger) -> Self {
        Self {
            trigger,
            polling_delay_ms: crate::limits::POLLING_DELAY_MS,
            min_batches_to_retain: crate::limits::MIN_BATCHES_TO_RETAIN,
        }
    }
}

/// What the driver is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Ask every source how far it could read from here: `from` has one entry per source.
    AskSources {
        /// Where the next batch starts, source by source.
        from: Vec<OffsetText>,
    },
    /// Write `offsets/batch` durably; then drop log entries below `prune_below`.
    WriteOffsets {
        /// The batch's number.
        batch: i64,
        /// Where it ends, source by source.
        end: Vec<OffsetText>,
        /// The oldest batch that stays in both logs.
        prune_below: Option<i64>,
    },
    /// Run the batch over exactly these ranges and hand its rows to the sink.
    RunBatch {
        /// The batch's number.
        batch: i64,
        /// Where it starts, source by source.
        start: Vec<OffsetText>,
        /// Where it ends, source by source.
        end: Vec<OffsetText>,
        /// The batch was planned by an earlier run whose commit is missing: its rows may be in the sink already.
        again: bool,
    },
    /// Write `commits/batch` durably.
    WriteCommit {
        /// The batch's number.
        batch: i64,
    },
    /// Nothing to do before `until` (milliseconds since the epoch).
    Sleep {
        /// When to come back.
        until: i64,
    },
    /// The query is over.
    Stop,
}

/// An act with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// 1 for the first act of a run, and so on.
    pub number: u64,
    /// What to do.
    pub act: Act,
}

/// What came of the act that was given last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The sources' answers, one each: how far the next batch may read; `None` = there is nothing to read at all.
    Latest(Vec<OffsetText>),
    /// `offsets/N` is durable.
    OffsetsWritten,
    /// The sink has the batch.
    BatchDone,
    /// `commits/N` is durable.
    CommitWritten,
    /// The sleep is over.
    Woken,
}

/// An outcome that does not belong to the act that was given: a mistake of the driver, not of its input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{outcome} is no outcome of the act that was given")]
pub struct OutOfTurn {
    /// The outcome that came.
    pub outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Between triggers: the next act depends on the time and on what was found.
    Idle,
    Asking,
    WritingOffsets {
        end: Vec<OffsetText>,
    },
    /// The batch's offsets are durable, it is not handed out yet.
    Planned {
        end: Vec<OffsetText>,
        again: bool,
    },
    Running {
        end: Vec<OffsetText>,
    },
    WritingCommit {
        end: Vec<OffsetText>,
    },
    Sleeping,
    Stopped,
}

/// One query's run, from its checkpoint to its stop.
#[derive(Clone, Debug)]
pub struct MicroBatch {
    settings: Settings,
    batch: i64,
    committed: Vec<OffsetText>,
    phase: Phase,
    acts: u64,
    trigger_started: Option<i64>,
    next_trigger: Option<i64>,
    nothing_new: bool,
    stopping: bool,
    ran_once: bool,
}

impl MicroBatch {
    /// A run that starts where `start` says; `sources` is the number of the query's sources.
    #[must_use]
    pub fn new(settings: Settings, start: Start, sources: usize) -> Self {
        let nothing = vec![None; sources];
        let (batch, committed, phase) = match start {
            Start::NewQuery => (0, nothing, Phase::Idle),
            Start::RunAgain { batch, start, end } => {
                (batch, start.unwrap_or(nothing), Phase::Planned { end, again: true })
            }
            Start::StartAfter { batch, end } => (batch + 1, end, Phase::Idle),
        };
        Self {
            settings,
            batch,
            committed,
            phase,
            acts: 0,
            trigger_started: None,
            next_trigger: None,
            nothing_new: false,
            stopping: false,
            ran_once: false,
        }
    }

    /// The number of the batch that is under way or comes next.
    #[must_use]
    pub fn batch(&self) -> i64 {
        self.batch
    }

    /// How far each source has been read and committed.
    #[must_use]
    pub fn committed(&self) -> &[OffsetText] {
        &self.committed
    }

    /// Whether the sources had nothing new when they were asked last.
    #[must_use]
    pub fn nothing_new(&self) -> bool {
        self.nothing_new
    }

    /// Ask for the end: the next act is [`Act::Stop`], whatever was under way.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// The next act.
    pub fn next(&mut self, now: i64) -> Step {
        let act = self.decide(now);
        self.acts += 1;
        Step { number: self.acts, act }
    }

    fn decide(&mut self, now: i64) -> Act {
        if self.stopping {
            self.phase = Phase::Stopped;
        }
        match self.phase.clone() {
            Phase::Stopped => Act::Stop,
            Phase::Idle => self.between_triggers(now),
            Phase::Planned { end, again } => {
                self.trigger_started.get_or_insert(now);
                self.phase = Phase::Running { end: end.clone() };
                Act::RunBatch { batch: self.batch, start: self.committed.clone(), end, again }
            }
            // An act whose outcome was not told is given again: the driver may have been interrupted.
            Phase::Asking => Act::AskSources { from: self.committed.clone() },
            Phase::WritingOffsets { end } => self.write_offsets(end),
            Phase::Running { end } => {
                Act::RunBatch { batch: self.batch, start: self.committed.clone(), end, again: true }
            }
            Phase::WritingCommit { .. } => Act::WriteCommit { batch: self.batch },
            Phase::Sleeping => Act::Sleep { until: self.next_trigger.unwrap_or(now) },
        }
    }

    fn between_triggers(&mut self, now: i64) -> Act {
        let trigger = self.settings.trigger;
        if (self.ran_once && trigger == Trigger::Once) || (self.nothing_new && trigger.ends_by_itself()) {
            self.phase = Phase::Stopped;
            return Act::Stop;
        }
        if let Some(due) = self.next_trigger
            && now < due
        {
            self.phase = Phase::Sleeping;
            return Act::Sleep { until: due };
        }
        self.next_trigger = None;
        self.trigger_started = Some(now);
        self.phase = Phase::Asking;
        Act::AskSources { from: self.committed.clone() }
    }

    fn write_offsets(&self, end: Vec<OffsetText>) -> Act {
        // As Spark counts: batch N keeps the `min_batches_to_retain` batches before it, and itself.
        let oldest = self.batch - self.settings.min_batches_to_retain;
        Act::WriteOffsets { batch: self.batch, end, prune_below: (oldest > 0).then_some(oldest) }
    }

    /// Takes the outcome of the act that was given last.
    ///
    /// # Errors
    /// When the outcome does not belong to that act; the machine is unchanged then.
    pub fn told(&mut self, now: i64, outcome: Outcome) -> Result<(), OutOfTurn> {
        match (self.phase.clone(), outcome) {
            (Phase::Asking, Outcome::Latest(latest)) => self.on_latest(now, latest),
            (Phase::WritingOffsets { end }, Outcome::OffsetsWritten) => {
                self.phase = Phase::Planned { end, again: false }
            }
            (Phase::Running { end }, Outcome::BatchDone) => self.phase = Phase::WritingCommit { end },
            (Phase::WritingCommit { end }, Outcome::CommitWritten) => {
                self.committed = end;
                self.batch += 1;
                self.ran_once = true;
                self.nothing_new = false;
                self.end_trigger(now, 0);
            }
            (Phase::Sleeping, Outcome::Woken) => {
                self.phase = Phase::Idle;
                self.next_trigger = None;
            }
            (_, outcome) => {
                return Err(OutOfTurn { outcome: outcome.name() });
            }
        }
        Ok(())
    }

    fn on_latest(&mut self, now: i64, latest: Vec<OffsetText>) {
        // A source without an answer stays where it is.
        let end: Vec<OffsetText> =
            self.committed.iter().zip(latest).map(|(had, new)| new.or_else(|| had.clone())).collect();
        if end == self.committed {
            self.nothing_new = true;
            self.end_trigger(now, self.settings.polling_delay_ms);
        } else {
            self.nothing_new = false;
            self.phase = Phase::WritingOffsets { end };
        }
    }

    fn end_trigger(&mut self, now: i64, delay_ms: i64) {
        self.phase = Phase::Idle;
        let started = self.trigger_started.take().unwrap_or(now);
        let due = match self.settings.trigger {
            Trigger::ProcessingTime { interval_ms } if interval_ms > 0 => self.settings.trigger.next_after(started),
            _ => now.saturating_add(delay_ms),
        };
        self.next_trigger = (due > now).then_some(due);
    }
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Self::Latest(_) => "latest",
            Self::OffsetsWritten => "offsets-written",
            Self::BatchDone => "batch-done",
            Self::CommitWritten => "commit-written",
            Self::Woken => "woken",
        }
    }
}
