//! The configs by which `kafka-reassign-partitions` slows a reassignment down, and takes them back.

use std::collections::{BTreeMap, BTreeSet};

use andiron_client::admin::{ConfigKind, ConfigResource, Reassignment};
use andiron_client::{Admin, TopicPartition};

use super::joined;
use crate::tools::failure::Thrown;
use crate::tools::print::say;

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const DIRS_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// From which brokers to which a partition goes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Move {
    sources: BTreeSet<i32>,
    destinations: BTreeSet<i32>,
}

/// Topics and the moves of their partitions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moves(BTreeMap<String, BTreeMap<i32, Move>>);

impl Moves {
    /// What is under way together with what is wanted.
    pub(super) fn new(
        under_way: &[Reassignment],
        wanted: &[(TopicPartition, Vec<i32>)],
        current: &[(TopicPartition, Vec<i32>)],
    ) -> Moves {
        let mut moves = Moves::default();
        for reassignment in under_way {
            let destinations: BTreeSet<i32> = reassignment.adding.iter().copied().collect();
            let sources = reassignment.replicas.iter().copied().filter(|id| !destinations.contains(id)).collect();
            moves.put(&reassignment.partition, Move { sources, destinations });
        }
        for (partition, replicas) in wanted {
            let topic = moves.0.get(&*partition.topic);
            let sources: BTreeSet<i32> = match topic.and_then(|topic| topic.get(&partition.partition)) {
                Some(under_way) => under_way.sources.clone(),
                None => current.iter().filter(|(p, _)| p == partition).flat_map(|(_, r)| r.iter().copied()).collect(),
            };
            let destinations = replicas.iter().copied().filter(|id| !sources.contains(id)).collect();
            moves.put(partition, Move { sources, destinations });
        }
        moves
    }

    fn put(&mut self, partition: &TopicPartition, part: Move) {
        self.0.entry(partition.topic.to_string()).or_default().insert(partition.partition, part);
    }

    /// The replicas that are slowed down when they lead, and when they follow, by topic.
    fn replicas(&self) -> Vec<(String, String, String)> {
        let of = |(topic, parts): (&String, &BTreeMap<i32, Move>)| {
            let (mut leaders, mut followers) = (BTreeSet::new(), BTreeSet::new());
            for (partition, part) in parts {
                leaders.extend(part.sources.iter().map(|broker| format!("{partition}:{broker}")));
                let new = part.destinations.difference(&part.sources);
                followers.extend(new.map(|broker| format!("{partition}:{broker}")));
            }
            (topic.clone(), joined(leaders, ","), joined(followers, ","))
        };
        self.0.iter().map(of).collect()
    }

    fn brokers(&self) -> BTreeSet<i32> {
        let parts = self.0.values().flat_map(BTreeMap::values);
        parts.flat_map(|part| part.sources.iter().chain(&part.destinations)).copied().collect()
    }
}

/// Slows down what goes from broker to broker.
pub(super) async fn between_brokers(admin: &Admin, moves: &Moves, rate: i64) -> Result<(), Thrown> {
    for (topic, leaders, followers) in moves.replicas() {
        let changes = [(LEADER_REPLICAS.to_owned(), Some(leaders)), (FOLLOWER_REPLICAS.to_owned(), Some(followers))];
        alter(admin, ConfigKind::Topic, topic, &changes).await?;
    }
    let text = Some(rate.to_string());
    let changes = [(LEADER_RATE.to_owned(), text.clone()), (FOLLOWER_RATE.to_owned(), text)];
    for broker in moves.brokers() {
        alter(admin, ConfigKind::Broker, broker.to_string(), &changes).await?;
    }
    say(format_args!("The inter-broker throttle limit was set to {rate} B/s"));
    Ok(())
}

/// Slows down what goes from directory to directory of a broker.
pub(super) async fn between_dirs(admin: &Admin, brokers: &BTreeSet<i32>, rate: i64) -> Result<(), Thrown> {
    for broker in brokers {
        let changes = [(DIRS_RATE.to_owned(), Some(rate.to_string()))];
        alter(admin, ConfigKind::Broker, broker.to_string(), &changes).await?;
    }
    say(format_args!("The replica-alter-dir throttle limit was set to {rate} B/s"));
    Ok(())
}

/// Takes all of it back from brokers.
pub(super) async fn clear_brokers(admin: &Admin, brokers: &[i32]) -> Result<(), Thrown> {
    let changes = [LEADER_RATE, FOLLOWER_RATE, DIRS_RATE].map(|name| (name.to_owned(), None));
    for broker in brokers {
        alter(admin, ConfigKind::Broker, broker.to_string(), &changes).await?;
    }
    Ok(())
}

/// Takes all of it back from topics.
pub(super) async fn clear_topics(admin: &Admin, topics: &[&str]) -> Result<(), Thrown> {
    let changes = [LEADER_REPLICAS, FOLLOWER_REPLICAS].map(|name| (name.to_owned(), None));
    for topic in topics {
        alter(admin, ConfigKind::Topic, (*topic).to_owned(), &changes).await?;
    }
    Ok(())
}

async fn alter(
    admin: &Admin,
    kind: ConfigKind,
    name: String,
    changes: &[(String, Option<String>)],
) -> Result<(), Thrown> {
    let altered = admin.alter_configs(&ConfigResource { kind, name }, changes).await;
    let refused = altered.map_err(|error| Thrown::from(error).in_execution())?;
    refused.map_err(|refusal| Thrown::from(refusal).in_execution())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition::new("t", number)
    }

    #[test]
    fn old_replicas_lead_and_new_ones_follow() {
        let wanted = [(partition(0), vec![2, 3]), (partition(10), vec![1]), (partition(2), vec![4])];
        let current = [(partition(0), vec![1, 2]), (partition(10), vec![1])];
        let under_way =
            [Reassignment { partition: partition(2), replicas: vec![1, 5], adding: vec![5], removing: vec![1] }];
        let moves = Moves::new(&under_way, &wanted, &current);
        assert_eq!(moves.replicas(), [("t".to_owned(), "0:1,0:2,10:1,2:1".to_owned(), "0:3,2:4".to_owned())]);
        assert_eq!(moves.brokers(), BTreeSet::from([1, 2, 3, 4]));
    }
}
