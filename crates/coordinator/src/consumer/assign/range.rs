//! Of each topic, the members in the order of their names get one range after the other.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Asking, Task};
use crate::consumer::member::Assignment;

struct Shares {
    quota: i32,
    /// How many members get one more.
    extra: i32,
    next: i32,
    count: i32,
}

/// Shares out.
pub(super) fn assign(task: &Task) -> Vec<Assignment> {
    let mut order: Vec<usize> = (0..task.members.len()).collect();
    // Static members come first, by the names that they keep.
    let by_name = |member: &Asking| (member.instance_id.is_none(), member.instance_id.clone(), member.id.clone());
    order.sort_by_key(|at| task.members.get(*at).map(by_name));
    let mut readers: BTreeMap<Uuid, i32> = BTreeMap::new();
    for topic in task.members.iter().flat_map(|member| &member.topics) {
        *readers.entry(*topic).or_default() += 1;
    }
    let shares = readers.into_iter().map(|(topic, readers)| {
        let count = task.count(topic);
        (topic, Shares { quota: count / readers, extra: count % readers, next: 0, count })
    });
    let mut shares: BTreeMap<Uuid, Shares> = shares.collect();
    let mut assigned = vec![Assignment::new(); task.members.len()];
    for at in order {
        let (Some(member), Some(assigned)) = (task.members.get(at), assigned.get_mut(at)) else { continue };
        for topic in &member.topics {
            let Some(shares) = shares.get_mut(topic) else { continue };
            let more = i32::from(shares.extra > 0);
            shares.extra -= more;
            let end = shares.count.min(shares.next + shares.quota + more);
            if shares.next < end {
                assigned.insert(*topic, (shares.next..end).collect());
            }
            shares.next = end;
        }
    }
    assigned
}
