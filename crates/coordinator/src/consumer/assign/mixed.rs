//! The uniform assignor where members read different topics: everybody keeps what it still reads, what is free goes to the
//! least loaded reader, and then partitions move from the most to the least loaded until nothing is gained by it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Task;
use crate::consumer::member::Assignment;

/// How often all topics are gone through at most.
const ROUNDS_MAX: usize = 16;

/// Shares out.
pub(super) fn assign(task: &Task) -> Vec<Assignment> {
    let mut work = Work::new(task);
    work.keep();
    work.hand_out();
    work.balance();
    work.assigned
}

struct Topic {
    id: Uuid,
    /// The members that read it, by their place.
    readers: Vec<usize>,
    /// Who has each partition.
    owners: Vec<Option<usize>>,
}

struct Work<'a> {
    task: &'a Task,
    /// The fullest first.
    topics: Vec<Topic>,
    assigned: Vec<Assignment>,
    loads: Vec<usize>,
}

/// How Kafka compares ids: as two numbers with signs.
fn signed(id: Uuid) -> (i64, i64) {
    let (most, least) = id.as_u64_pair();
    (most.cast_signed(), least.cast_signed())
}

/// The topic with the most partitions for each reader first, then the one with fewer readers.
fn order(a: &Topic, b: &Topic) -> Ordering {
    let (a_share, b_share) = (a.owners.len() * b.readers.len(), b.owners.len() * a.readers.len());
    let by_readers = || a.readers.len().cmp(&b.readers.len());
    b_share.cmp(&a_share).then_with(by_readers).then_with(|| signed(a.id).cmp(&signed(b.id)))
}

impl<'a> Work<'a> {
    fn new(task: &'a Task) -> Self {
        let mut readers: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
        for (at, member) in task.members.iter().enumerate() {
            for topic in &member.topics {
                readers.entry(*topic).or_default().push(at);
            }
        }
        let topics = readers.into_iter().map(|(id, readers)| {
            let count = usize::try_from(task.count(id)).unwrap_or(0);
            Topic { id, readers, owners: vec![None; count] }
        });
        let mut topics: Vec<Topic> = topics.collect();
        topics.sort_by(order);
        let members = task.members.len();
        Self { task, topics, assigned: vec![Assignment::new(); members], loads: vec![0; members] }
    }

    /// Everybody keeps what it had of the topics it reads.
    fn keep(&mut self) {
        for (at, member) in self.task.members.iter().enumerate() {
            let reads: BTreeSet<&Uuid> = member.topics.iter().collect();
            for topic in self.topics.iter_mut().filter(|topic| reads.contains(&topic.id)) {
                let Some(partitions) = member.has.get(&topic.id) else { continue };
                for partition in partitions {
                    let slot = usize::try_from(*partition).ok().and_then(|number| topic.owners.get_mut(number));
                    let Some(slot) = slot else { continue };
                    *slot = Some(at);
                    give(&mut self.assigned, &mut self.loads, topic.id, *partition, at);
                }
            }
        }
    }

    fn hand_out(&mut self) {
        for topic in &mut self.topics {
            if topic.owners.iter().all(Option::is_some) {
                continue;
            }
            let mut scale = Scale::new(&topic.readers, &self.loads);
            for (number, owner) in (0..).zip(&mut topic.owners).filter(|(_, owner)| owner.is_none()) {
                let Some(least) = scale.next_least(&self.loads) else { break };
                *owner = Some(least);
                give(&mut self.assigned, &mut self.loads, topic.id, number, least);
            }
        }
    }

    fn balance(&mut self) {
        let several: Vec<usize> = (0..self.topics.len())
            .filter(|at| self.topics.get(*at).is_some_and(|topic| topic.readers.len() >= 2))
            .collect();
        // When a whole round from the last topic in which something moved has moved nothing, nothing will.
        let mut last_moved = None;
        for _ in 0..ROUNDS_MAX {
            for at in &several {
                if last_moved == Some(*at) {
                    return;
                }
                if self.balance_topic(*at) > 0 || last_moved.is_none() {
                    last_moved = Some(*at);
                }
            }
        }
    }

    fn balance_topic(&mut self, at: usize) -> usize {
        let Some(topic) = self.topics.get_mut(at) else { return 0 };
        let mut scale = Scale::new(&topic.readers, &self.loads);
        if scale.imbalance(&self.loads) <= 1 {
            return 0;
        }
        let mut by_owner: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
        for (number, owner) in (0..).zip(&topic.owners) {
            if let Some(owner) = owner {
                by_owner.entry(*owner).or_default().push(number);
            }
        }
        let mut moved = 0;
        while !scale.is_balanced() {
            let from = loop {
                let Some(most) = scale.next_most(&self.loads) else { return moved };
                if by_owner.get(&most).is_some_and(|partitions| !partitions.is_empty()) {
                    break most;
                }
                scale.exclude_most();
            };
            let Some(partition) = by_owner.get_mut(&from).and_then(Vec::pop) else { return moved };
            let Some(to) = scale.next_least(&self.loads) else { return moved };
            if scale.is_balanced() {
                break;
            }
            if let Some(owner) = usize::try_from(partition).ok().and_then(|number| topic.owners.get_mut(number)) {
                *owner = Some(to);
            }
            take(&mut self.assigned, &mut self.loads, topic.id, partition, from);
            give(&mut self.assigned, &mut self.loads, topic.id, partition, to);
            moved += 1;
        }
        moved
    }
}

fn give(assigned: &mut [Assignment], loads: &mut [usize], topic: Uuid, partition: i32, to: usize) {
    if let (Some(assigned), Some(load)) = (assigned.get_mut(to), loads.get_mut(to)) {
        assigned.entry(topic).or_default().insert(partition);
        *load += 1;
    }
}

fn take(assigned: &mut [Assignment], loads: &mut [usize], topic: Uuid, partition: i32, from: usize) {
    let (Some(assigned), Some(load)) = (assigned.get_mut(from), loads.get_mut(from)) else { return };
    if let Some(partitions) = assigned.get_mut(&topic) {
        partitions.remove(&partition);
        if partitions.is_empty() {
            assigned.remove(&topic);
        }
    }
    *load -= 1;
}

/// The readers of a topic by load, walked from both ends in levels: all with the least load, then all with one more, and
/// from the top all with the most, then all with one less. Loads change on the way by exactly what it hands out.
struct Scale {
    sorted: Vec<usize>,
    least_end: usize,
    least_load: i64,
    next_least: usize,
    most_start: usize,
    most_end: usize,
    most_load: i64,
    /// The place before the next, so that it never goes below 0.
    next_most: usize,
}

fn load_of(loads: &[usize], member: Option<&usize>) -> i64 {
    member.and_then(|member| loads.get(*member)).map_or(0, |load| i64::try_from(*load).unwrap_or(i64::MAX))
}

impl Scale {
    fn new(readers: &[usize], loads: &[usize]) -> Self {
        let mut sorted = readers.to_vec();
        sorted.sort_by_key(|member| (loads.get(*member).copied(), *member));
        let end = sorted.len();
        let (least, most) = (load_of(loads, sorted.first()), load_of(loads, sorted.last()));
        Self {
            sorted,
            least_end: 0,
            least_load: least - 1,
            next_least: 0,
            most_start: end,
            most_end: end,
            most_load: most + 1,
            next_most: end,
        }
    }

    fn imbalance(&self, loads: &[usize]) -> i64 {
        load_of(loads, self.sorted.last()) - load_of(loads, self.sorted.first())
    }

    fn is_balanced(&self) -> bool {
        self.most_load - self.least_load <= 1
    }

    fn next_least(&mut self, loads: &[usize]) -> Option<usize> {
        if self.next_least >= self.least_end {
            self.least_load += 1;
            while self.least_end < self.sorted.len()
                && load_of(loads, self.sorted.get(self.least_end)) == self.least_load
            {
                self.least_end += 1;
            }
            self.next_least = 0;
        }
        let member = self.sorted.get(self.next_least).copied();
        self.next_least += 1;
        member
    }

    fn next_most(&mut self, loads: &[usize]) -> Option<usize> {
        if self.next_most <= self.most_start {
            self.most_load = if self.most_end <= self.most_start && self.most_start > 0 {
                load_of(loads, self.sorted.get(self.most_start - 1))
            } else {
                self.most_load - 1
            };
            while self.most_start > 0 && load_of(loads, self.sorted.get(self.most_start - 1)) == self.most_load {
                self.most_start -= 1;
            }
            self.next_most = self.most_end;
        }
        if self.next_most == 0 {
            return None;
        }
        self.next_most -= 1;
        self.sorted.get(self.next_most).copied()
    }

    /// The member that `next_most` gave has nothing to give: it counts no more.
    fn exclude_most(&mut self) {
        if let Some(last) = self.most_end.checked_sub(1) {
            self.sorted.swap(self.next_most, last);
            self.most_end = last;
        }
    }
}
