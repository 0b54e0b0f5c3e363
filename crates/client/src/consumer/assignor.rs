//! The assignors of Java's consumer: which member of a classic group gets which partition. Only the group's leader runs
//! one; the others need no more than its name. Pure: members and partition counts in, partitions out.
//!
//! Racks (KIP-881) are passed on in the subscription and not looked at when this member leads.

mod sticky;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use andiron_protocol::schema::{Bytes, SchemaError};

use super::protocol::{self, Subscription};
use crate::cluster::TopicPartition;

/// An assignor of `partition.assignment.strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Of each topic a range of partitions per member.
    Range,
    /// All partitions dealt out in turn.
    RoundRobin,
    /// Balanced, and as little moved as can be; members give up everything while they rebalance.
    Sticky,
    /// As `Sticky`, but members keep what is not moved while they rebalance.
    CooperativeSticky,
}

/// One member as the leader sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) topics: Vec<Arc<str>>,
    /// What it says it holds (cooperative) or held (sticky).
    pub(crate) owned: Vec<TopicPartition>,
    /// The generation by which it holds that.
    pub(crate) generation: i32,
}

/// How many partitions each topic has; topics that do not exist are not in it.
pub(crate) type Layout = BTreeMap<Arc<str>, i32>;
/// Partitions by member id.
pub(crate) type Assigned = BTreeMap<String, Vec<TopicPartition>>;

impl Assignor {
    const ALL: [Assignor; 4] = [Assignor::Range, Assignor::RoundRobin, Assignor::Sticky, Assignor::CooperativeSticky];

    /// The name in the group protocol.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::RoundRobin => "roundrobin",
            Assignor::Sticky => "sticky",
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// The assignor of a Java class; its name in the group protocol, as librdkafka takes it, means the same.
    pub fn from_class(class: &str) -> Option<Assignor> {
        let simple = class.strip_prefix("org.apache.kafka.clients.consumer.").unwrap_or(class);
        match simple {
            "RangeAssignor" => Some(Assignor::Range),
            "RoundRobinAssignor" => Some(Assignor::RoundRobin),
            "StickyAssignor" => Some(Assignor::Sticky),
            "CooperativeStickyAssignor" => Some(Assignor::CooperativeSticky),
            name => Assignor::from_name(name),
        }
    }

    /// The assignor of a name in the group protocol.
    pub fn from_name(name: &str) -> Option<Assignor> {
        Assignor::ALL.into_iter().find(|assignor| assignor.name() == name)
    }

    /// Whether it can serve members that keep their partitions while they rebalance.
    pub fn is_cooperative(self) -> bool {
        self == Assignor::CooperativeSticky
    }

    /// What a member says of itself under this assignor.
    pub(crate) fn subscription(
        self,
        topics: &[Arc<str>],
        held: &[TopicPartition],
        last_held: &[TopicPartition],
        generation: i32,
        rack: &str,
    ) -> Result<Bytes, SchemaError> {
        let user_data = match self {
            Assignor::Range | Assignor::RoundRobin => None,
            // Java's writes nothing before it was given something for the first time.
            Assignor::Sticky if last_held.is_empty() => None,
            Assignor::Sticky => Some(protocol::write_sticky(last_held, generation)?),
            Assignor::CooperativeSticky => Some(protocol::write_generation(generation)),
        };
        protocol::write(&Subscription {
            topics: topics.iter().map(|topic| topic.to_string()).collect(),
            user_data,
            owned_partitions: protocol::by_topic(held),
            generation_id: generation,
            rack_id: (!rack.is_empty()).then(|| rack.to_owned()),
        })
    }

    /// Reads a member's subscription as its leader.
    pub(crate) fn member(
        self,
        id: String,
        instance_id: Option<String>,
        subscription: &[u8],
    ) -> Result<Member, SchemaError> {
        let read = protocol::read::<Subscription>(subscription)?;
        let user_data = read.user_data.unwrap_or_default();
        let (owned, generation) = match self {
            Assignor::Sticky => protocol::read_sticky(&user_data),
            _ => {
                let generation = match read.generation_id {
                    -1 => protocol::read_generation(&user_data).filter(|_| self.is_cooperative()).unwrap_or(-1),
                    generation => generation,
                };
                (protocol::flatten(&read.owned_partitions), generation)
            }
        };
        let topics = read.topics.iter().map(|topic| Arc::from(topic.as_str())).collect();
        Ok(Member { id, instance_id, topics, owned, generation })
    }

    /// Deals out the partitions of `layout`. Every member is in the answer.
    pub(crate) fn assign(self, members: &[Member], layout: &Layout) -> Assigned {
        let mut members: Vec<&Member> = members.iter().collect();
        // Static members first, so that ids that change with every restart do not move anything.
        members.sort_by_key(|m| (m.instance_id.is_none(), m.instance_id.clone(), m.id.clone()));
        let mut assigned: Assigned = members.iter().map(|member| (member.id.clone(), Vec::new())).collect();
        match self {
            Assignor::Range => range(&members, layout, &mut assigned),
            Assignor::RoundRobin => round_robin(&members, layout, &mut assigned),
            Assignor::Sticky => assigned = sticky::assign(&members, layout),
            Assignor::CooperativeSticky => {
                assigned = sticky::assign(&members, layout);
                without_what_must_be_given_up(&members, &mut assigned);
            }
        }
        assigned.values_mut().for_each(|partitions| partitions.sort());
        assigned
    }
}

fn give(assigned: &mut Assigned, member: &Member, topic: &Arc<str>, partition: i32) {
    if let Some(partitions) = assigned.get_mut(&member.id) {
        partitions.push(TopicPartition::new(topic.clone(), partition));
    }
}

fn range(members: &[&Member], layout: &Layout, assigned: &mut Assigned) {
    for (topic, count) in layout {
        let wanting: Vec<&&Member> = members.iter().filter(|member| member.topics.contains(topic)).collect();
        let (count, among) = (*count as usize, wanting.len().max(1));
        let (each, more) = (count / among, count % among);
        let mut next = 0;
        for (at, member) in wanting.into_iter().enumerate() {
            let end = next + each + usize::from(at < more);
            (next..end).for_each(|partition| give(assigned, member, topic, partition as i32));
            next = end;
        }
    }
}

fn round_robin(members: &[&Member], layout: &Layout, assigned: &mut Assigned) {
    let mut turn = 0;
    for (topic, count) in layout {
        if !members.iter().any(|member| member.topics.contains(topic)) {
            continue;
        }
        for partition in 0..*count {
            // Ends: somebody wants the topic.
            while let Some(member) = members.get(turn % members.len()) {
                turn += 1;
                if member.topics.contains(topic) {
                    give(assigned, member, topic, partition);
                    break;
                }
            }
        }
    }
}

/// A cooperative member keeps what it holds until it has been told to give it up: who is to have it next gets it in the
/// rebalance after this one.
fn without_what_must_be_given_up(members: &[&Member], assigned: &mut Assigned) {
    let mut held: BTreeMap<TopicPartition, BTreeSet<&str>> = BTreeMap::new();
    for member in members {
        for partition in &member.owned {
            held.entry(partition.clone()).or_default().insert(&member.id);
        }
    }
    for (id, partitions) in assigned.iter_mut() {
        let is_free = |partition: &TopicPartition| {
            held.get(partition).is_none_or(|holders| holders.len() == 1 && holders.contains(id.as_str()))
        };
        partitions.retain(is_free);
    }
}
