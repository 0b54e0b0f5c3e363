//! The fetch loops behind [`PartitionReader`]s: one per leader, each asking for all its partitions that have room.
//!
//! A loop asks again as soon as an answer is handed out, so the network works while the readers' owners do. A partition
//! whose reader is full is left out of the next request; when all are full the loop waits until something is taken. A
//! partition whose leader moved leaves its loop and is placed anew.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use andiron_protocol::error::ErrorCode;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::Client;
use crate::config::Isolation;
use crate::consume::{Ahead, BatchRun, Fetched, PartitionReader, ReadRange};
use crate::error::{FetchError, MetadataError};
use crate::fetch::{self, Got, Wanted};
use crate::limits::{READ_AHEAD_BYTES_PER_PARTITION, READ_AHEAD_RUNS_PER_PARTITION};
use crate::metadata::Leader;
use crate::visible::visible_runs;
use crate::wire::{BrokerConnection, CallError};

type Run = Result<BatchRun, FetchError>;

/// One partition on its way through its range.
struct Part {
    range: ReadRange,
    position: i64,
    runs: mpsc::Sender<Run>,
    /// Fetched and not taken by the channel yet. A loop never waits for one reader: its owner may be waiting for another.
    pending: VecDeque<Run>,
    failed: bool,
    ahead: Arc<Ahead>,
    progress: Instant,
    failures: u32,
    last: String,
}

pub(crate) fn start(client: &Client, ranges: Vec<ReadRange>, isolation: Isolation) -> Vec<PartitionReader> {
    let taken = Arc::new(watch::Sender::new(0));
    let mut readers = Vec::with_capacity(ranges.len());
    let mut parts = Vec::with_capacity(ranges.len());
    for range in ranges {
        let (sender, runs) = mpsc::channel(READ_AHEAD_RUNS_PER_PARTITION);
        let ahead = Arc::new(Ahead { bytes: 0.into(), taken: taken.clone() });
        let position = range.start;
        if position < range.end {
            parts.push(Part {
                range: range.clone(),
                position,
                runs: sender,
                pending: VecDeque::new(),
                failed: false,
                ahead: ahead.clone(),
                progress: Instant::now(),
                failures: 0,
                last: String::new(),
            });
        }
        readers.push(PartitionReader { range, position, runs, ahead });
    }
    if !parts.is_empty() {
        tokio::spawn(place_and_read(client.clone(), parts, isolation, taken));
    }
    readers
}

/// Keeps every unfinished partition in the loop of its leader.
async fn place_and_read(client: Client, mut homeless: Vec<Part>, isolation: Isolation, taken: Arc<watch::Sender<u64>>) {
    let mut loops: JoinSet<Vec<Part>> = JoinSet::new();
    loop {
        let mut by_leader: Vec<(Leader, Vec<(Part, Leader)>)> = Vec::new();
        for part in std::mem::take(&mut homeless) {
            match place(&client, part).await {
                Placed::At(part, leader) => match by_leader.iter_mut().find(|(of, _)| of.node == leader.node) {
                    Some((_, parts)) => parts.push((part, leader)),
                    None => by_leader.push((leader.clone(), vec![(part, leader)])),
                },
                Placed::Later(part) => homeless.push(part),
                Placed::Over => {}
            }
        }
        for (leader, parts) in by_leader {
            loops.spawn(read_from(client.clone(), leader, parts, isolation, taken.subscribe()));
        }
        if homeless.is_empty() {
            match loops.join_next().await {
                Some(moved) => homeless.extend(moved.unwrap_or_default()),
                None => return,
            }
        }
        while let Some(Ok(moved)) = loops.try_join_next() {
            homeless.extend(moved);
        }
        if let Some(failures) = homeless.iter().map(|part| part.failures).max() {
            tokio::time::sleep(client.metadata().backoff().after(failures)).await;
        }
    }
}

enum Placed {
    At(Part, Leader),
    Later(Part),
    Over,
}

async fn place(client: &Client, mut part: Part) -> Placed {
    if part.runs.is_closed() {
        return Placed::Over;
    }
    let limit = Duration::from_millis(u64::from(client.config().default_api_timeout_ms.unsigned_abs()));
    if part.failures > 0 && part.progress.elapsed() >= limit {
        let (partition, offset) = (part.range.partition.clone(), part.position);
        let last = part.last.clone();
        return part.fail(FetchError::TimedOut { partition, offset, last });
    }
    match client.leader(&part.range.partition).await {
        Ok(Some(leader)) => Placed::At(part, leader),
        Ok(None) => {
            client.metadata().invalidate(&part.range.partition.topic);
            part.failures += 1;
            part.last = "no leader".to_owned();
            Placed::Later(part)
        }
        Err(MetadataError::TimedOut { last }) => {
            part.failures += 1;
            part.last = last;
            Placed::Later(part)
        }
        Err(error) => part.fail(error.into()),
    }
}

impl Part {
    /// Ends the part with an error, behind what is pending.
    fn fail(&mut self, error: FetchError) -> Placed {
        self.failed = true;
        self.pending.push_back(Err(error));
        self.hand_over();
        if !self.pending.is_empty() {
            let (runs, pending) = (self.runs.clone(), std::mem::take(&mut self.pending));
            tokio::spawn(async move {
                for run in pending {
                    if runs.send(run).await.is_err() {
                        return;
                    }
                }
            });
        }
        Placed::Over
    }

    /// Gives the reader's channel what it takes.
    fn hand_over(&mut self) {
        while let Some(run) = self.pending.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(run)) = self.runs.try_send(run) {
                self.pending.push_front(run);
                return;
            }
        }
    }

    fn is_read(&self) -> bool {
        self.failed || self.position >= self.range.end
    }

    fn has_room(&self) -> bool {
        self.pending.is_empty() && self.ahead.bytes.load(Ordering::Acquire) < READ_AHEAD_BYTES_PER_PARTITION
    }

    fn is_over(&self) -> bool {
        self.runs.is_closed() || self.is_read() && self.pending.is_empty()
    }
}

/// Reads from one leader until every partition is done or some have moved; what is not done is returned.
async fn read_from(
    client: Client,
    leader: Leader,
    mut parts: Vec<(Part, Leader)>,
    isolation: Isolation,
    mut taken: watch::Receiver<u64>,
) -> Vec<Part> {
    let connection = match client.pool().lease(&leader.address).await {
        Ok(connection) => connection,
        Err(error) => return give_up_all(&client, parts, &error),
    };
    loop {
        // Marked before looking: what is taken in between must not be missed.
        taken.mark_unchanged();
        parts.iter_mut().for_each(|(part, _)| part.hand_over());
        parts.retain(|(part, _)| !part.is_over());
        if parts.is_empty() {
            client.pool().give_back(&leader.address, connection);
            return Vec::new();
        }
        let wants = |part: &Part| !part.is_read() && part.has_room();
        let wanted: Vec<usize> =
            parts.iter().enumerate().filter(|(_, (part, _))| wants(part)).map(|(at, _)| at).collect();
        if wanted.is_empty() {
            if taken.changed().await.is_err() {
                return Vec::new();
            }
            continue;
        }
        match step(&client, &connection, &mut parts, &wanted, isolation).await {
            Ok(true) => {}
            Ok(false) => {
                client.pool().give_back(&leader.address, connection);
                return parts.into_iter().map(|(part, _)| part).collect();
            }
            Err(error) => return give_up_all(&client, parts, &error),
        }
    }
}

fn give_up_all(client: &Client, parts: Vec<(Part, Leader)>, error: &CallError) -> Vec<Part> {
    parts
        .into_iter()
        .map(|(mut part, _)| {
            client.metadata().invalidate(&part.range.partition.topic);
            part.failures += 1;
            part.last = error.to_string();
            part
        })
        .collect()
}

/// One request and its answer; false if some partition must find another leader.
async fn step(
    client: &Client,
    connection: &BrokerConnection,
    parts: &mut [(Part, Leader)],
    wanted: &[usize],
    isolation: Isolation,
) -> Result<bool, CallError> {
    let request: Vec<Wanted> = wanted
        .iter()
        .map(|at| {
            let (part, leader) = &parts[*at];
            Wanted {
                partition: part.range.partition.clone(),
                offset: part.position,
                leader_epoch: -1,
                leader: leader.clone(),
            }
        })
        .collect();
    let answer = fetch::ask(connection, client.config(), &request, isolation).await?;
    let limit = Duration::from_millis(u64::from(client.config().default_api_timeout_ms.unsigned_abs()));
    let mut all_stay = true;
    for (at, got) in wanted.iter().zip(answer) {
        let part = &mut parts[*at].0;
        let partition = part.range.partition.clone();
        let error = match got {
            Some(Got::Data(fetched)) => match keep(client, part, fetched, isolation) {
                Ok(true) => continue,
                Ok(false) if part.range.end == i64::MAX || part.progress.elapsed() < limit => continue,
                Ok(false) => FetchError::TimedOut { partition, offset: part.position, last: "no records".to_owned() },
                Err(error) => error,
            },
            Some(Got::Error(ErrorCode::OffsetOutOfRange)) => {
                fetch::out_of_range(client, &partition, part.position).await
            }
            Some(Got::Error(code)) if fetch::is_passing(code) => {
                client.metadata().invalidate(&partition.topic);
                part.last = code.to_string();
                part.failures += 1;
                all_stay = false;
                continue;
            }
            Some(Got::Error(code)) => FetchError::Refused { partition, code },
            Some(Got::Elsewhere(node)) => FetchError::Protocol(format!("{partition} was sent to node {node}")),
            None => FetchError::Protocol(format!("a Fetch answer without {partition}")),
        };
        part.fail(error);
    }
    Ok(all_stay)
}

/// Queues what came for the reader; true if the position moved.
fn keep(client: &Client, part: &mut Part, fetched: Fetched, isolation: Isolation) -> Result<bool, FetchError> {
    let corrupt = |part: &Part, reason: String| FetchError::Corrupt {
        partition: part.range.partition.clone(),
        offset: part.position,
        reason,
    };
    let (records, check) = (&fetched.records, client.config().check_crcs);
    let runs = visible_runs(records, part.position, part.range.end, isolation, &fetched.aborted, check)
        .map_err(|error| corrupt(part, error.to_string()))?;
    if runs.is_empty() {
        let Some(base) = records.first_chunk::<8>().map(|base| i64::from_be_bytes(*base)) else { return Ok(false) };
        if base < part.range.end {
            return Err(corrupt(part, "the batch is cut short".to_owned()));
        }
        // Compaction has taken everything from here to the end.
        part.position = part.range.end;
        return Ok(true);
    }
    for run in runs {
        let records = records.slice(run.bytes.clone());
        part.ahead.bytes.fetch_add(records.len(), Ordering::AcqRel);
        let from = part.position;
        part.position = run.until;
        let high_watermark = fetched.high_watermark;
        part.pending.push_back(Ok(BatchRun { records, from, until: run.until, high_watermark }));
    }
    part.hand_over();
    part.progress = Instant::now();
    part.failures = 0;
    Ok(true)
}
