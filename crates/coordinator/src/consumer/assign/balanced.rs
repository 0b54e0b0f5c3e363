//! The uniform assignor where all members read the same topics: everybody keeps what fits into an equal share, and what
//! is left over goes to those who have less.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Task;
use crate::consumer::java_order::{self, Hashed};
use crate::consumer::member::Assignment;

/// Shares out.
pub(super) fn assign(task: &Task) -> Result<Vec<Assignment>, String> {
    let (asked, mut order) =
        task.members.first().map_or((0, Vec::new()), |member| (member.asked, member.topics.clone()));
    let topics: BTreeMap<Uuid, usize> = order.iter().copied().zip(0..).collect();
    java_order::sort(&mut order, java_order::copied(asked), Hashed::java_hash);
    if order.is_empty() {
        return Ok(vec![Assignment::new(); task.members.len()]);
    }
    let all = |topic: Uuid| (0..task.count(topic)).map(move |at| (topic, at));
    let total: usize = order.iter().map(|topic| usize::try_from(task.count(*topic)).unwrap_or(0)).sum();
    let mut free: Vec<(Uuid, i32)> =
        order.iter().flat_map(|topic| all(*topic)).filter(|place| !task.owners.contains(place)).collect();
    let least = total / task.members.len();
    let mut extra = total % task.members.len();
    let mut assigned = Vec::with_capacity(task.members.len());
    let mut hungry = Vec::new();
    for (at, member) in task.members.iter().enumerate() {
        let with_extra = extra > 0;
        let mut quota = least + usize::from(with_extra);
        let mut kept = Assignment::new();
        for (topic, partitions) in in_java_order(&member.has, &topics) {
            if !topics.contains_key(&topic) {
                continue;
            }
            let mut numbers: Vec<i32> = partitions.iter().copied().collect();
            if numbers.len() > quota {
                let table = java_order::copied(numbers.len());
                java_order::sort(&mut numbers, table, Hashed::java_hash);
                free.extend(numbers.split_off(quota).into_iter().map(|number| (topic, number)));
            }
            quota -= numbers.len();
            if !numbers.is_empty() {
                kept.insert(topic, numbers.into_iter().collect());
            }
        }
        // Who keeps less than the larger share gets it only if the others cannot take up all of them.
        let left = task.members.len() - at;
        let gets_extra = with_extra && !(quota > 0 && left > extra);
        if with_extra && !gets_extra {
            quota -= 1;
        }
        if gets_extra {
            extra -= 1;
        }
        if quota > 0 {
            hungry.push((at, quota));
        }
        assigned.push(kept);
    }
    let mut free = free.into_iter();
    for (at, quota) in hungry {
        if let Some(assigned) = assigned.get_mut(at) {
            for (topic, number) in free.by_ref().take(quota) {
                assigned.entry(topic).or_default().insert(number);
            }
        }
    }
    if free.next().is_some() { Err("Partitions were left unassigned".to_owned()) } else { Ok(assigned) }
}

/// What a member has, topic by topic: those that share a place of the map are in the order in which they were given.
fn in_java_order<'a>(has: &'a Assignment, order: &BTreeMap<Uuid, usize>) -> Vec<(Uuid, &'a BTreeSet<i32>)> {
    let mut topics: Vec<_> = has.iter().map(|(topic, partitions)| (*topic, partitions)).collect();
    topics.sort_by_key(|(topic, _)| order.get(topic).copied());
    java_order::sort(&mut topics, java_order::grown(has.len()), |(topic, _)| topic.java_hash());
    topics
}
