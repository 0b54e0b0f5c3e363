//! One task per query: holds the machine, does each act it names, and tells it the outcome.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use andiron_streaming::checkpoint::{CommitMetadata, OffsetSeq, OffsetSeqMetadata, pinned_confs};
use andiron_streaming::limits::{MIN_BATCHES_TO_RETAIN, NO_DATA_EVENT_INTERVAL_MS, POLLING_DELAY_MS};
use andiron_streaming::machine::{OffsetText, Settings};
use andiron_streaming::progress::{Progress, SinkProgress, SourceProgress, rows_per_second};
use andiron_streaming::recovery::{self, Facts};
use andiron_streaming::trigger::Trigger;
use andiron_streaming::{Act, MicroBatch, Outcome, events};
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use indexmap::IndexMap;

use super::checkpoint::CheckpointStore;
use super::handle::StreamingQuery;
use super::now_ms;
use crate::sink::{Batch, MicroBatchSink};
use crate::source::{BoundedRows, MicroBatchSource};
use crate::{Resolved, Session, SparkError, StreamingSource};

/// What tests may do between the machine and the world: say at which act the run is to end as if the process had died.
pub(crate) type Fault = Box<dyn FnMut(u64, bool) -> bool + Send>;

/// A source of the plan and the one that reads for it.
pub(crate) struct PlannedSource {
    pub leaf: Arc<StreamingSource>,
    pub source: Box<dyn MicroBatchSource>,
}

/// Everything that one run of a query needs.
pub(crate) struct Driver {
    pub query: Arc<StreamingQuery>,
    pub session: Weak<Session>,
    pub rows: Resolved,
    pub sources: Vec<PlannedSource>,
    pub sink: Box<dyn MicroBatchSink>,
    pub store: CheckpointStore,
    pub trigger: Trigger,
    /// When the batch under way was planned, milliseconds since the epoch; after a crash what its offsets say.
    pub batch_time_ms: i64,
    /// A checkpoint folder that goes when the query has been stopped.
    pub temporary: Option<std::path::PathBuf>,
    pub fault: Option<Fault>,
}

/// The figures of a trigger while it runs.
struct Timing {
    started: i64,
    clock: Instant,
    durations: IndexMap<&'static str, i64>,
}

impl Timing {
    fn new() -> Self {
        Self { started: now_ms(), clock: Instant::now(), durations: IndexMap::new() }
    }

    fn add(&mut self, name: &'static str, since: Instant) {
        *self.durations.entry(name).or_insert(0) += since.elapsed().as_millis() as i64;
    }
}

/// How a run ended.
pub(crate) enum End {
    Stopped,
    /// A test let it die: nothing is told to anybody.
    Died,
}

impl Driver {
    /// Runs the query to its end and says so to everybody who waits.
    pub(crate) async fn run(mut self) {
        let query = Arc::clone(&self.query);
        let mut stop = query.stop_asked();
        // A stop cuts whatever is under way: the checkpoint says what must be done again.
        let outcome = tokio::select! {
            outcome = self.acts() => outcome,
            _ = stop.wait_for(|stop| *stop) => Ok(End::Stopped),
        };
        self.sink.close().await;
        let failure = match outcome {
            Ok(_) => {
                if let Some(folder) = self.temporary.take() {
                    let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
                }
                None
            }
            Err(error) => {
                tracing::error!(query = query.id(), run = query.run_id(), "streaming query failed: {error}");
                Some(error)
            }
        };
        let failure = query.end(failure);
        if let Some(session) = self.session.upgrade() {
            session.queries().ended(&query);
            let (text, class) = failure.as_ref().map_or((None, None), |f| (Some(f.message.clone()), f.cause.class()));
            let event = events::terminated(query.id(), query.run_id(), text.as_deref(), class);
            session.queries().listeners().post(event);
        }
    }

    fn session(&self) -> Result<Arc<Session>, SparkError> {
        self.session.upgrade().ok_or_else(|| SparkError::internal("the session of the query is gone"))
    }

    fn long_conf(&self, name: &str, default: i64) -> i64 {
        self.session().ok().and_then(|s| s.conf().get(name)).and_then(|v| v.trim().parse().ok()).unwrap_or(default)
    }

    async fn machine(&mut self) -> Result<MicroBatch, SparkError> {
        for (place, planned) in self.sources.iter_mut().enumerate() {
            let folder = self.store.root().join("sources").join(place.to_string());
            planned.source.initialize(&self.store, &folder).await?;
            match self.trigger {
                Trigger::AvailableNow => planned.source.prepare_available_now().await?,
                Trigger::Once => planned.source.ignore_limits(),
                Trigger::ProcessingTime { .. } => {}
            }
        }
        let facts = self.store.facts(self.sources.len()).await?;
        if let Some(metadata) = facts.latest_offsets.as_ref().and_then(|(_, seq)| seq.metadata.as_ref()) {
            self.batch_time_ms = metadata.batch_timestamp_ms;
        }
        let start = recovery::decide(self.normalized(facts)?)
            .map_err(|e| SparkError::plain(crate::Exception::Spark, format!("java.lang.IllegalStateException: {e}")))?;
        let mut settings = Settings::new(self.trigger);
        settings.polling_delay_ms = self.long_conf("spark.sql.streaming.pollingDelay", POLLING_DELAY_MS);
        settings.min_batches_to_retain =
            self.long_conf("spark.sql.streaming.minBatchesToRetain", MIN_BATCHES_TO_RETAIN).max(1);
        Ok(MicroBatch::new(settings, start, self.sources.len()))
    }

    /// Positions in our spelling: Spark does not sort partitions of two digits.
    fn normalized(&self, mut facts: Facts) -> Result<Facts, SparkError> {
        let respell = |seq: &mut OffsetSeq| -> Result<(), SparkError> {
            for (text, planned) in seq.sources.iter_mut().zip(&self.sources) {
                if let Some(offset) = text {
                    *text = Some(planned.source.normalize(offset)?);
                }
            }
            Ok(())
        };
        if let Some((_, seq)) = &mut facts.latest_offsets {
            respell(seq)?;
        }
        if let Some(seq) = &mut facts.previous_offsets {
            respell(seq)?;
        }
        Ok(facts)
    }

    fn dies(&mut self, number: u64, done: bool) -> bool {
        self.fault.as_mut().is_some_and(|fault| fault(number, done))
    }

    async fn acts(&mut self) -> Result<End, SparkError> {
        let mut machine = self.machine().await?;
        let mut timing = Timing::new();
        let mut last_trigger: Option<i64> = None;
        let mut last_event = now_ms();
        let mut sink_progress = SinkProgress::default();
        let mut counted: Vec<i64> = vec![0; self.sources.len()];
        let mut range: (Vec<OffsetText>, Vec<OffsetText>) = (Vec::new(), Vec::new());
        loop {
            let step = machine.next(now_ms());
            if self.dies(step.number, false) {
                return Ok(End::Died);
            }
            let outcome = match step.act {
                Act::AskSources { from } => {
                    timing = Timing::new();
                    let ticket = self.query.asked();
                    let latest = self.ask(&from, &mut timing).await?;
                    let outcome = Outcome::Latest(latest);
                    self.told(&mut machine, step.number, outcome)?;
                    if machine.nothing_new() {
                        self.query.drained(ticket);
                        self.query.set_status(|s| {
                            s.message = "Waiting for data to arrive".to_owned();
                            s.is_data_available = false;
                            s.is_trigger_active = false;
                        });
                        last_event = self.idle_since(last_event)?;
                    }
                    if self.dies(step.number, true) {
                        return Ok(End::Died);
                    }
                    continue;
                }
                Act::WriteOffsets { batch, end, prune_below } => {
                    let since = Instant::now();
                    self.batch_time_ms = timing.started;
                    let metadata = OffsetSeqMetadata {
                        batch_watermark_ms: 0,
                        batch_timestamp_ms: self.batch_time_ms,
                        conf: {
                            let session = self.session()?;
                            pinned_confs(|name| session.conf().get(name))
                        },
                    };
                    let seq = OffsetSeq { metadata: Some(metadata), sources: end };
                    self.store.write_offsets(batch, &seq, prune_below).await?;
                    timing.add("walCommit", since);
                    Outcome::OffsetsWritten
                }
                Act::RunBatch { batch, start, end, again } => {
                    self.query.set_status(|s| {
                        s.message = "Processing new data".to_owned();
                        s.is_data_available = true;
                        s.is_trigger_active = true;
                    });
                    (sink_progress, counted) = self.batch(batch, &start, &end, again, &mut timing).await?;
                    range = (start, end);
                    Outcome::BatchDone
                }
                Act::WriteCommit { batch } => {
                    let since = Instant::now();
                    self.store.write_commit(batch, &CommitMetadata::default()).await?;
                    timing.add("commitOffsets", since);
                    let elapsed = timing.clock.elapsed().as_millis() as i64;
                    timing.durations.insert("triggerExecution", elapsed);
                    let since_last = last_trigger.map(|last| timing.started - last);
                    last_trigger = Some(timing.started);
                    let progress = self.progress(batch, &timing, since_last, &range, &counted, sink_progress.clone());
                    self.tell(progress)?;
                    last_event = now_ms();
                    Outcome::CommitWritten
                }
                Act::Sleep { until } => {
                    self.query.set_status(|s| {
                        if s.is_trigger_active {
                            s.message = "Waiting for next trigger".to_owned();
                            s.is_trigger_active = false;
                        }
                    });
                    let left = until.saturating_sub(now_ms()).max(0) as u64;
                    tokio::time::sleep(Duration::from_millis(left)).await;
                    Outcome::Woken
                }
                Act::Stop => return Ok(End::Stopped),
            };
            if self.dies(step.number, true) {
                return Ok(End::Died);
            }
            self.told(&mut machine, step.number, outcome)?;
        }
    }

    fn told(&self, machine: &mut MicroBatch, number: u64, outcome: Outcome) -> Result<(), SparkError> {
        machine.told(now_ms(), outcome).map_err(|e| SparkError::internal(format!("act {number}: {e}")))
    }

    async fn ask(&mut self, from: &[OffsetText], timing: &mut Timing) -> Result<Vec<OffsetText>, SparkError> {
        let since = Instant::now();
        let query = Arc::clone(&self.query);
        let mut latest = Vec::with_capacity(self.sources.len());
        for (planned, from) in self.sources.iter_mut().zip(from) {
            query.set_status(|s| {
                s.message = format!("Getting offsets from {}", planned.source.description());
                s.is_trigger_active = true;
            });
            latest.push(planned.source.latest(from.as_deref(), timing.started).await?);
        }
        timing.add("latestOffset", since);
        Ok(latest)
    }

    async fn batch(
        &mut self,
        batch: i64,
        start: &[OffsetText],
        end: &[OffsetText],
        again: bool,
        timing: &mut Timing,
    ) -> Result<(SinkProgress, Vec<i64>), SparkError> {
        let since = Instant::now();
        let mut bounded: HashMap<u64, Arc<dyn TableProvider>> = HashMap::new();
        let mut counters = Vec::with_capacity(self.sources.len());
        for ((planned, start), end) in self.sources.iter_mut().zip(start).zip(end) {
            let counted = match end {
                Some(end) => {
                    let BoundedRows { table, counted } = planned.source.rows(start.as_deref(), end).await?;
                    bounded.insert(planned.leaf.id, table);
                    Some(counted)
                }
                None => None,
            };
            counters.push(counted);
        }
        timing.add("getBatch", since);
        let since = Instant::now();
        let rows = self.rows.with_bounded_sources(self.batch_time_ms, |leaf| {
            let table = bounded.get(&leaf.id).cloned();
            Ok(table.unwrap_or_else(|| Arc::new(EmptyTable::new(Arc::clone(&leaf.schema)))))
        })?;
        timing.add("queryPlanning", since);
        let since = Instant::now();
        let session = self.session()?;
        self.query.set_explain(rows.plan.display_indent().to_string());
        let request = Batch { id: batch, again, rows: &rows, session: &session, query_id: self.query.id() };
        let written = self.sink.add_batch(&request).await?;
        timing.add("addBatch", since);
        let counted = counters.iter().map(|counted| counted.as_ref().map_or(0, |counted| counted())).collect();
        Ok((SinkProgress { description: self.sink.description(), num_output_rows: written.unwrap_or(-1) }, counted))
    }

    fn progress(
        &self,
        batch: i64,
        timing: &Timing,
        since_last: Option<i64>,
        range: &(Vec<OffsetText>, Vec<OffsetText>),
        counted: &[i64],
        sink: SinkProgress,
    ) -> Progress {
        let took = timing.clock.elapsed().as_millis() as i64;
        let sources = self.sources.iter().enumerate().map(|(i, planned)| {
            let rows = counted.get(i).copied().unwrap_or(0);
            let end = range.1.get(i).cloned().flatten();
            SourceProgress {
                description: planned.source.description(),
                start_offset: range.0.get(i).cloned().flatten(),
                latest_offset: planned.source.reported_latest().or_else(|| end.clone()),
                metrics: planned.source.metrics(end.as_deref()),
                end_offset: end,
                num_input_rows: rows,
                input_rows_per_second: rows_per_second(rows, since_last),
                processed_rows_per_second: rows_per_second(rows, Some(took)),
            }
        });
        Progress {
            id: self.query.id().to_owned(),
            run_id: self.query.run_id().to_owned(),
            name: self.query.name().map(str::to_owned),
            timestamp_ms: timing.started,
            batch_id: batch,
            durations_ms: timing.durations.clone(),
            event_time: IndexMap::new(),
            sources: sources.collect(),
            sink,
        }
    }

    fn tell(&self, progress: Progress) -> Result<(), SparkError> {
        let session = self.session()?;
        let listeners = session.queries().listeners();
        if listeners.is_open() {
            listeners.post(events::progress(&progress));
        }
        self.query.report(progress);
        Ok(())
    }

    fn idle_since(&self, last_event: i64) -> Result<i64, SparkError> {
        let now = now_ms();
        if now - last_event < NO_DATA_EVENT_INTERVAL_MS {
            return Ok(last_event);
        }
        let session = self.session()?;
        session.queries().listeners().post(events::idle(self.query.id(), self.query.run_id(), now));
        Ok(now)
    }
}
