//! What the clients were told, and how the log is held against it.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use andiron_protocol::ErrorCode;
use andiron_protocol::batch::{Batches, ControlType, control_key};
use andiron_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use andiron_protocol::messages::fetch_response::PartitionData;
use andiron_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use andiron_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use andiron_protocol::messages::{FetchRequest, GroupId, ListOffsetsRequest, OffsetFetchRequest};

use super::operator::Scratch;
use super::wire::{Wire, text, topic};

pub(crate) const TOPIC: &str = "orders";
pub(crate) const PARTITIONS: usize = 3;

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It may become either.
    Open,
    /// Its commit was asked for and never answered, and its producer came back as another.
    Unknown,
    Committed,
    Aborted,
}

/// A transaction of one of the producers.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) outcome: Outcome,
    /// Its records: partition and value.
    pub(crate) records: Vec<(usize, String)>,
    /// Whether it moves its group's offset to its own number.
    pub(crate) moves_group: bool,
}

/// What all clients know.
#[derive(Default)]
pub(crate) struct Truth {
    /// Values that were sent.
    pub(crate) sent: HashSet<String>,
    /// Partition -> offset -> value, of records that were acknowledged.
    pub(crate) acknowledged: [BTreeMap<i64, String>; PARTITIONS],
    /// Producer -> number -> transaction.
    pub(crate) transactions: BTreeMap<String, BTreeMap<i64, Transaction>>,
    /// Partition -> what the reader of committed records saw, in its order.
    pub(crate) seen: [BTreeMap<i64, String>; PARTITIONS],
    /// Where that reader goes on.
    pub(crate) position: [i64; PARTITIONS],
    /// The greatest high watermark that anybody was told.
    pub(crate) high_watermark: [i64; PARTITIONS],
    /// Group -> the last offset that was committed and acknowledged, the last that was sent.
    pub(crate) offsets: BTreeMap<String, (i64, i64)>,
    pub(crate) producer_ids: BTreeSet<i64>,
    pub(crate) scratch: Scratch,
}

pub(crate) fn fetch_request(partition: usize, offset: i64, committed: bool) -> FetchRequest {
    fetch_request_of(TOPIC, partition, offset, committed)
}

fn fetch_request_of(name: &str, partition: usize, offset: i64, committed: bool) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition as i32)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 16)
        .with_current_leader_epoch(-1);
    FetchRequest::default()
        .with_max_bytes(1 << 16)
        .with_isolation_level(i8::from(committed))
        .with_session_epoch(-1)
        .with_topics(vec![FetchTopic::default().with_topic(topic(name)).with_partitions(vec![partition])])
}

/// Walks over what a fetch from `at` brought as a consumer does; returns where it goes on.
pub(crate) fn consume(data: &PartitionData, mut at: i64, mut each: impl FnMut(i64, String, bool)) -> i64 {
    let from = at;
    let mut aborted: Vec<_> =
        data.aborted_transactions.iter().flatten().map(|a| (a.first_offset, a.producer_id.0)).collect();
    aborted.sort_unstable();
    let (mut aborted, mut aborting) = (VecDeque::from(aborted), HashSet::new());
    let records = data.records.clone().unwrap_or_default();
    for batch in Batches::new(&records) {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        let header = batch.header;
        assert!(header.next_offset() > at, "offset {} comes after {at}", header.base_offset);
        at = header.next_offset();
        while let Some((_, producer)) = aborted.pop_front_if(|(first, _)| *first <= header.last_offset()) {
            aborting.insert(producer);
        }
        let mut scratch = Vec::new();
        for record in batch.records(&mut scratch).unwrap() {
            let record = record.unwrap();
            if header.attributes.is_control() {
                if record.key == Some(&control_key(ControlType::Abort)) {
                    aborting.remove(&header.producer_id);
                }
            } else if record.offset >= from {
                let hidden = header.attributes.is_transactional() && aborting.contains(&header.producer_id);
                each(record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap(), !hidden);
            }
        }
    }
    at
}

/// Reads a partition of a topic from its begin, or `at`; returns where its reader comes to.
fn read(wire: &mut Wire, name: &str, partition: usize, mut at: i64, committed: bool) -> (BTreeMap<i64, String>, i64) {
    let mut found = BTreeMap::new();
    loop {
        let answer =
            wire.ask(11, &fetch_request_of(name, partition, at, committed)).expect("a fetch that does not wait");
        let data = &answer.responses[0].partitions[0];
        assert_eq!(data.error_code, 0, "fetch from {at} of {name}-{partition}");
        let next = consume(data, at, |offset, value, visible| {
            if visible {
                found.insert(offset, value);
            }
        });
        if next == at {
            return (found, at);
        }
        at = next;
    }
}

/// The records of the first partition of a topic.
pub(crate) fn read_topic(wire: &mut Wire, name: &str, from: i64) -> BTreeMap<i64, String> {
    read(wire, name, 0, from, false).0
}

/// Where the first partition of a topic begins.
pub(crate) fn start_of(wire: &mut Wire, name: &str) -> i64 {
    list_offsets(wire, name, 0, -2, false).expect("a begin is always known")
}

/// Where it ends.
pub(crate) fn end_of(wire: &mut Wire, name: &str) -> i64 {
    list_offsets(wire, name, 0, -1, false).expect("the end is known by now")
}

/// What ListOffsets says for a timestamp, or for -1, the end, and -2, the begin; none if the leader does not know yet.
fn list_offsets(wire: &mut Wire, name: &str, partition: usize, timestamp: i64, committed: bool) -> Option<i64> {
    let asked = ListOffsetsPartition::default()
        .with_partition_index(partition as i32)
        .with_timestamp(timestamp)
        .with_current_leader_epoch(-1);
    let asked = ListOffsetsTopic::default().with_name(topic(name)).with_partitions(vec![asked]);
    let request = ListOffsetsRequest::default().with_isolation_level(i8::from(committed)).with_topics(vec![asked]);
    let answer = wire.ask(7, &request).expect("an answer without waiting");
    let found = &answer.topics[0].partitions[0];
    match ErrorCode::from_code(found.error_code).unwrap() {
        ErrorCode::None => Some(found.offset),
        ErrorCode::OffsetNotAvailable => None,
        error => panic!("ListOffsets of {name}-{partition}: {}", error.name()),
    }
}

fn committed_offset(wire: &mut Wire, group: &str) -> i64 {
    let asked = OffsetFetchRequestTopics::default().with_name(topic(TOPIC)).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(Some(vec![asked]));
    let answer =
        wire.ask(8, &OffsetFetchRequest::default().with_groups(vec![group])).expect("an answer without waiting");
    let partition = &answer.groups[0].topics[0].partitions[0];
    assert_eq!((answer.groups[0].error_code, partition.error_code), (0, 0));
    partition.committed_offset
}

impl Truth {
    /// Holds everything that the node has against what its clients were told.
    pub(crate) fn check(&self, wire: &mut Wire) {
        let mut values = BTreeMap::new();
        let mut visible = HashSet::new();
        let mut stable = [0; PARTITIONS];
        self.check_ends(wire, true);
        for (partition, stable) in stable.iter_mut().enumerate() {
            let (log, _) = read(wire, TOPIC, partition, 0, false);
            let (committed, read_to) = read(wire, TOPIC, partition, 0, true);
            *stable = read_to;
            self.check_partition(partition, &log);
            assert!(read_to >= self.position[partition], "a reader was further than {read_to} in {partition}");
            for offset in 0..self.position[partition] {
                let (seen, there) = (self.seen[partition].get(&offset), committed.get(&offset));
                assert_eq!(seen, there, "what was seen at {offset} of {partition} is not what is there");
            }
            for (offset, value) in log {
                let twice = values.insert(value.clone(), (partition, offset));
                assert_eq!(twice, None, "{value} is there twice, also at {offset} of {partition}");
            }
            visible.extend(committed.into_values());
        }
        for (producer, transactions) in &self.transactions {
            for (number, transaction) in transactions {
                check_transaction(&format!("{producer}:{number}"), transaction, &values, &visible, &stable);
            }
            self.check_group_of(wire, producer, transactions);
        }
        self.scratch.check(wire);
        for (group, (acknowledged, sent)) in &self.offsets {
            let there = committed_offset(wire, group);
            assert!((*acknowledged..=*sent).contains(&there), "{group} is at {there}, not in {acknowledged}..={sent}");
        }
    }

    /// Nobody is told an end that is lower than one that was told before. A node that has just begun need not know the end, and
    /// others `must` know it.
    pub(crate) fn check_ends(&self, wire: &mut Wire, must: bool) {
        for partition in 0..PARTITIONS {
            for (committed, told) in [(false, self.high_watermark[partition]), (true, self.position[partition])] {
                let end = list_offsets(wire, TOPIC, partition, -1, committed);
                assert!(end.is_some() || !must, "nobody knows where {partition} ends");
                assert!(end.is_none_or(|end| end >= told), "{partition} ends at {end:?} and was told to end at {told}");
            }
        }
    }

    /// Every acknowledged record is at the offset that was answered; nothing is there that nobody sent; the order is each
    /// producer's own.
    fn check_partition(&self, partition: usize, log: &BTreeMap<i64, String>) {
        for (offset, value) in &self.acknowledged[partition] {
            assert_eq!(log.get(offset), Some(value), "acknowledged at {offset} of {partition}");
        }
        let mut last: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for (offset, value) in log {
            assert!(self.sent.contains(value), "{value} at {offset} of {partition} was never sent");
            let mut words = value.split(':');
            let producer = words.next().unwrap();
            let mut number = || words.next().unwrap().parse::<i64>().unwrap();
            let place = (number(), number());
            let before = last.insert(producer, place);
            assert!(before < Some(place), "{value} at {offset} of {partition} comes after {before:?}");
        }
    }

    /// The group of a transactional producer is where its last committed transaction moved it.
    fn check_group_of(&self, wire: &mut Wire, producer: &str, transactions: &BTreeMap<i64, Transaction>) {
        let moves = || transactions.iter().filter(|(_, t)| t.moves_group);
        let committed = moves().filter(|(_, t)| t.outcome == Outcome::Committed).map(|(n, _)| *n).max().unwrap_or(-1);
        let there = committed_offset(wire, producer);
        let may_be = moves().any(|(n, t)| *n == there && t.outcome != Outcome::Aborted);
        let first = there == -1 && committed == -1;
        assert!(first || (there >= committed && may_be), "the group of {producer} is at {there}, not at {committed}");
    }
}

/// A committed transaction is whole, nothing is seen of an aborted one, and of one of which nobody knows all or nothing.
fn check_transaction(
    name: &str,
    transaction: &Transaction,
    values: &BTreeMap<String, (usize, i64)>,
    visible: &HashSet<String>,
    stable: &[i64; PARTITIONS],
) {
    let seen = transaction.records.iter().filter(|(_, value)| visible.contains(value)).count();
    match transaction.outcome {
        Outcome::Aborted => assert_eq!(seen, 0, "{name} was aborted and is seen"),
        Outcome::Committed => {
            for (_, value) in &transaction.records {
                let place = values.get(value);
                let (partition, offset) = place.unwrap_or_else(|| panic!("{value} was committed and is not there"));
                // What is open in front of it hides it from readers for a while.
                assert!(
                    visible.contains(value) || *offset >= stable[*partition],
                    "{value} was committed and is not seen"
                );
            }
        }
        Outcome::Unknown | Outcome::Open => {
            let hidden = transaction
                .records
                .iter()
                .any(|(_, value)| values.get(value).is_some_and(|(partition, offset)| *offset >= stable[*partition]));
            let whole = seen == 0 || seen == transaction.records.len() || hidden;
            assert!(whole, "{seen} of {} records of {name} are seen", transaction.records.len());
        }
    }
}
