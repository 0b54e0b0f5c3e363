//! Fetch: what lies in the partitions from an offset on, as ranges of files; at once if there is enough, else when there is
//! or when the reader's patience ends.

use std::sync::Arc;

use parking_lot::Mutex;

use andiron_protocol::ErrorCode;
use andiron_protocol::frame::fetch::{FetchAnswer, FetchPartition, FetchTopic, encode};
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::FetchRequest;
use andiron_storage::DiskFile;

use super::{Call, Owed};
use crate::answer::Answer;
use crate::authorize::{Operation, Resource, authorize};
use crate::errors;
use crate::fetch_session::{Asked, Opened, Wanted};
use crate::node::Node;
use crate::purgatory::{Delayed, Ticket};
use crate::quotas::Flow;
use crate::shard::{Isolation, Read, ReadRefused, Shard};
use crate::topics::Snapshot;

type Topic = FetchTopic<Arc<dyn DiskFile>>;
type Partition = FetchPartition<Arc<dyn DiskFile>>;

/// The first version that names topics by id.
const TOPIC_IDS_FROM: i16 = 13;
/// The first version in which a reader says the epoch of its last record.
const DIVERGENCE_FROM: i16 = 12;

/// One partition of a fetch, found or not.
struct Item {
    wanted: Wanted,
    name: StrBytes,
    shard: Result<Arc<Shard>, ErrorCode>,
}

/// A Fetch, waiting or about to be answered.
pub(crate) struct DelayedFetch {
    node: Arc<Node>,
    items: Vec<Item>,
    bytes_max: usize,
    bytes_min: usize,
    isolation: Isolation,
    version: i16,
    /// The user and the client that read.
    reader: (Arc<str>, StrBytes),
    pending: Mutex<Option<Pending>>,
}

struct Pending {
    owed: Owed,
    opened: Opened,
    ticket: Option<Ticket>,
    waits: bool,
}

impl std::fmt::Debug for DelayedFetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DelayedFetch")
    }
}

/// What one pass over the partitions found.
struct Pass {
    partitions: Vec<Partition>,
    bytes: usize,
    /// Something that must be told at once: an error, a divergence.
    urgent: bool,
}

impl DelayedFetch {
    /// More may be readable: answers if it is enough.
    pub(crate) fn try_complete(self: &Arc<Self>, woken_by: &Shard, now: i64) {
        if self.pending.lock().is_none() {
            return;
        }
        // Whoever wakes a reader has taken it out of its list: back in first, and only then a look.
        woken_by.wait(self);
        let pass = self.read();
        if pass.urgent || pass.bytes >= self.bytes_min {
            self.complete(pass, now);
        }
    }

    fn read(&self) -> Pass {
        let mut pass = Pass { partitions: Vec::with_capacity(self.items.len()), bytes: 0, urgent: false };
        for item in &self.items {
            let left = self.bytes_max.saturating_sub(pass.bytes);
            let partition = self.read_one(item, left, pass.bytes == 0);
            pass.bytes += partition.record_bytes();
            pass.urgent |= !partition.error.is_none() || partition.diverging.is_some();
            pass.partitions.push(partition);
        }
        pass
    }

    fn read_one(&self, item: &Item, left: usize, at_least_one: bool) -> Partition {
        let wanted = &item.wanted;
        let shard = match &item.shard {
            Ok(shard) => shard,
            Err(error) => return Partition::refused(wanted.partition, *error),
        };
        if self.version >= DIVERGENCE_FROM
            && let Some(diverging) = diverging(shard, wanted)
            && let Some(bounds) = shard.bounds()
        {
            return Partition {
                partition: wanted.partition,
                error: ErrorCode::None,
                high_watermark: bounds.high_watermark,
                last_stable_offset: bounds.last_stable,
                log_start_offset: bounds.log_start,
                aborted: None,
                diverging: Some(diverging),
                records: Vec::new(),
            };
        }
        let bytes_max = left.min(usize::try_from(wanted.bytes_max).unwrap_or(0));
        let epoch = (wanted.leader_epoch >= 0).then_some(wanted.leader_epoch);
        match shard.read(wanted.offset, bytes_max, self.isolation, at_least_one, epoch) {
            Ok(read) => self.found(wanted.partition, read),
            Err(refused) => {
                if matches!(refused, ReadRefused::Log(_)) {
                    tracing::debug!(topic = %item.name, partition = wanted.partition, ?refused, "read refused");
                }
                Partition::refused(wanted.partition, errors::read(&refused))
            }
        }
    }

    fn found(&self, partition: i32, read: Read) -> Partition {
        Partition {
            partition,
            error: ErrorCode::None,
            high_watermark: read.bounds.high_watermark,
            last_stable_offset: read.bounds.last_stable,
            log_start_offset: read.bounds.log_start,
            aborted: read.aborted,
            diverging: None,
            records: read.parts,
        }
    }

    fn complete(&self, pass: Pass, now: i64) {
        let Some(pending) = self.pending.lock().take() else { return };
        let pass_bytes = pass.bytes;
        if pending.waits {
            if let Some(ticket) = pending.ticket {
                self.node.purgatory().remove(ticket);
            }
            for shard in self.items.iter().filter_map(|item| item.shard.as_ref().ok()) {
                shard.forget(self);
            }
        }
        let session_id = pending.opened.session_id();
        let wanted = pending.opened.changed(&pass.partitions, self.items.iter().map(|i| &i.wanted), now);
        let mut topics: Vec<Topic> = Vec::new();
        for (index, (item, partition)) in self.items.iter().zip(pass.partitions).enumerate() {
            if !wanted.get(index).copied().unwrap_or(true) {
                continue;
            }
            match topics.last_mut() {
                Some(last) if last.id == item.wanted.topic_id && last.name == item.name => {
                    last.partitions.push(partition);
                }
                _ => topics.push(Topic {
                    name: item.name.clone(),
                    id: item.wanted.topic_id,
                    partitions: vec![partition],
                }),
            }
        }
        self.count(pass_bytes, now);
        let answer = FetchAnswer { throttle_time_ms: 0, error: ErrorCode::None, session_id, topics };
        let Owed { correlation_id, version, reply, .. } = pending.owed;
        reply.send(Answer::Frame(encode(correlation_id, version, answer)));
    }

    /// What was read counts towards the reader's quota; whether it is over it, its next Fetch is told.
    fn count(&self, bytes: usize, now: i64) {
        let snapshot = self.node.snapshot();
        let (user, client) = &self.reader;
        self.node.quotas().record(&snapshot.image, Flow::Fetch, user, client, bytes as f64, now);
    }

    /// The partitions to be woken by.
    pub(crate) fn shards(&self) -> impl Iterator<Item = &Arc<Shard>> {
        self.items.iter().filter_map(|item| item.shard.as_ref().ok())
    }
}

impl Delayed for DelayedFetch {
    fn expire(&self, now: i64) {
        if self.pending.lock().is_none() {
            return;
        }
        let pass = self.read();
        self.complete(pass, now);
    }
}

/// Where the reader's log and this one part, if they do.
fn diverging(shard: &Shard, wanted: &Wanted) -> Option<(i32, i64)> {
    if wanted.last_fetched_epoch < 0 {
        return None;
    }
    let (epoch, end) = shard.end_offset_for_epoch(wanted.last_fetched_epoch)?;
    (epoch < wanted.last_fetched_epoch || end < wanted.offset).then_some((epoch, end))
}

pub(super) fn handle(call: &Call<'_>, request: FetchRequest, owed: Owed) {
    let snapshot = call.node.snapshot();
    if owed.throttle_ms > 0 && (call.version < 7 || request.session_epoch <= 0) {
        // Whoever is over the quota reads nothing now; a session is begun by the next try.
        owed.nothing(ErrorCode::None, 0);
        return;
    }
    let asked = Asked::from_request(&request, call.version);
    let opened = match call.node.fetch_sessions().open(asked, call.now) {
        Ok(opened) => opened,
        Err(error) => {
            owed.nothing(error, 0);
            return;
        }
    };
    if owed.throttle_ms > 0 {
        owed.nothing(ErrorCode::None, opened.session_id());
        return;
    }
    let items = opened.wanted().into_iter().map(|wanted| find(call, &snapshot, wanted)).collect();
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0).min(call.node.config().fetch_max_bytes);
    let fetch = Arc::new(DelayedFetch {
        node: Arc::clone(call.node),
        items,
        bytes_max,
        bytes_min: usize::try_from(request.min_bytes).unwrap_or(0).min(bytes_max),
        isolation: if request.isolation_level == 1 { Isolation::Committed } else { Isolation::Uncommitted },
        version: call.version,
        // Owned on its own: a client's id as it came keeps the whole frame in memory.
        reader: (Arc::clone(&call.session.principal.name), StrBytes::from_string(call.client_id.to_string())),
        pending: Mutex::new(Some(Pending { owed, opened, ticket: None, waits: false })),
    });
    let pass = fetch.read();
    if pass.urgent || pass.bytes >= fetch.bytes_min || request.max_wait_ms <= 0 || fetch.items.is_empty() {
        fetch.complete(pass, call.now);
        return;
    }
    wait(call, &fetch, i64::from(request.max_wait_ms));
}

impl Owed {
    /// An answer that says nothing of any partition.
    fn nothing(self, error: ErrorCode, session_id: i32) {
        let Owed { correlation_id, version, throttle_ms, reply } = self;
        let topics = Vec::<Topic>::new();
        let answer = FetchAnswer { throttle_time_ms: throttle_ms, error, session_id, topics };
        reply.send(Answer::Frame(encode(correlation_id, version, answer)));
    }
}

/// Registers first and looks again after that, so that nothing appended in between is missed.
fn wait(call: &Call<'_>, fetch: &Arc<DelayedFetch>, max_wait_ms: i64) {
    let deadline: Arc<dyn Delayed> = Arc::<DelayedFetch>::clone(fetch);
    let ticket = call.node.wait_until(call.now + max_wait_ms, deadline);
    match fetch.pending.lock().as_mut() {
        Some(pending) => {
            pending.ticket = Some(ticket);
            pending.waits = true;
        }
        None => call.node.purgatory().remove(ticket),
    }
    let room = fetch.shards().all(|shard| shard.wait(fetch));
    let pass = fetch.read();
    if !room || pass.urgent || pass.bytes >= fetch.bytes_min {
        fetch.complete(pass, call.now);
    }
}

fn find(call: &Call<'_>, snapshot: &Snapshot, wanted: Wanted) -> Item {
    let by_id = call.version >= TOPIC_IDS_FROM;
    let entry = if by_id { snapshot.topic_by_id(wanted.topic_id) } else { snapshot.topic(&wanted.name) };
    let unknown = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
    let shard = entry.ok_or(unknown).and_then(|entry| {
        if !authorize(&call.session.principal, Operation::Read, Resource::Topic(&entry.name)) {
            return Err(ErrorCode::TopicAuthorizationFailed);
        }
        entry.shard(wanted.partition).cloned().ok_or(ErrorCode::UnknownTopicOrPartition)
    });
    Item { name: wanted.name.clone(), wanted, shard }
}
