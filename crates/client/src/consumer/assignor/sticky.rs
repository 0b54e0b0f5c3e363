//! Balanced, and as little moved as can be.
//!
//! Each member keeps what it held by the newest generation, the rest goes to whoever has least, and then partitions move
//! from who has most to who has least until no move makes the loads more alike.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Assigned, Layout, Member};
use crate::cluster::TopicPartition;

pub(super) fn assign(members: &[&Member], layout: &Layout) -> Assigned {
    let mut held = kept(members, layout);
    let taken: BTreeSet<TopicPartition> = held.iter().flatten().cloned().collect();
    let wanting: BTreeMap<&Arc<str>, Vec<usize>> = layout
        .keys()
        .map(|topic| {
            let wants = |(at, member): (usize, &&Member)| member.topics.contains(topic).then_some(at);
            (topic, members.iter().enumerate().filter_map(wants).collect())
        })
        .collect();
    let mut free: Vec<(usize, TopicPartition)> = Vec::new();
    for (topic, count) in layout {
        let among = wanting.get(topic).map_or(0, Vec::len);
        if among > 0 {
            let all = (0..*count).map(|partition| TopicPartition::new(topic.clone(), partition));
            free.extend(all.filter(|partition| !taken.contains(partition)).map(|partition| (among, partition)));
        }
    }
    // Those that fewest can take first: who can take anything evens it out afterwards.
    free.sort();
    if wanting.values().all(|of| of.is_empty() || of.len() == members.len()) {
        let mut by_load: BTreeSet<(usize, usize)> = held.iter().enumerate().map(|(at, h)| (h.len(), at)).collect();
        for (_, partition) in free {
            let Some((load, at)) = by_load.pop_first() else { break };
            held[at].push(partition);
            by_load.insert((load + 1, at));
        }
        even_out_alike(&mut held, by_load);
    } else {
        for (_, partition) in free {
            let least = wanting.get(&partition.topic).into_iter().flatten().min_by_key(|at| (held[**at].len(), **at));
            if let Some(at) = least {
                held[*at].push(partition);
            }
        }
        even_out(&mut held, &wanting);
    }
    members.iter().zip(held).map(|(member, partitions)| (member.id.clone(), partitions)).collect()
}

/// What each member may keep. Of two that say they hold the same partition the one with the newer generation is believed;
/// of two of the same generation neither, for then somebody holds what is not his.
fn kept(members: &[&Member], layout: &Layout) -> Vec<Vec<TopicPartition>> {
    let mut claims: BTreeMap<&TopicPartition, (i32, Option<usize>)> = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        for partition in &member.owned {
            let exists = layout.get(&partition.topic).is_some_and(|count| (0..*count).contains(&partition.partition));
            if !exists || !member.topics.contains(&partition.topic) {
                continue;
            }
            let claim = claims.entry(partition).or_insert((i32::MIN, None));
            if member.generation > claim.0 {
                *claim = (member.generation, Some(at));
            } else if member.generation == claim.0 && claim.1 != Some(at) {
                claim.1 = None;
            }
        }
    }
    let mut kept = vec![Vec::new(); members.len()];
    for (partition, (_, holder)) in claims {
        if let Some(at) = holder {
            kept[at].push(partition.clone());
        }
    }
    kept
}

/// Everybody may have everything.
fn even_out_alike(held: &mut [Vec<TopicPartition>], mut by_load: BTreeSet<(usize, usize)>) {
    while let (Some(least), Some(most)) = (by_load.first().copied(), by_load.last().copied()) {
        if most.0 < least.0 + 2 {
            return;
        }
        let Some(moved) = held[most.1].pop() else { return };
        held[least.1].push(moved);
        by_load.remove(&least);
        by_load.remove(&most);
        by_load.insert((least.0 + 1, least.1));
        by_load.insert((most.0 - 1, most.1));
    }
}

/// Each move takes from the fullest member that has something for one with two fewer; the sum of the squared loads falls
/// with each, so that there is an end.
fn even_out(held: &mut [Vec<TopicPartition>], wanting: &BTreeMap<&Arc<str>, Vec<usize>>) {
    loop {
        let mut from: Vec<usize> = (0..held.len()).collect();
        from.sort_by_key(|at| std::cmp::Reverse(held[*at].len()));
        let found = from.iter().find_map(|giver| {
            let load = held[*giver].len();
            held[*giver].iter().enumerate().rev().find_map(|(place, partition)| {
                let takers = wanting.get(&partition.topic)?;
                let taker = takers.iter().min_by_key(|at| (held[**at].len(), **at))?;
                (held[*taker].len() + 2 <= load).then_some((*giver, place, *taker))
            })
        });
        let Some((giver, place, taker)) = found else { return };
        let moved = held[giver].remove(place);
        held[taker].push(moved);
    }
}
