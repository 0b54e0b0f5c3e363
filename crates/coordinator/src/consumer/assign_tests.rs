//! The assignors against what Apache Kafka's gave to the same members.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_protocol::KafkaUuid;
use uuid::Uuid;

use super::{Asking, Assignor, Task};
use crate::consumer::java_order::{self, Hashed};
use crate::consumer::member::Assignment;

fn numbers(text: &str) -> impl Iterator<Item = i32> {
    text.split('.').filter(|number| !number.is_empty()).map(|number| number.parse().unwrap())
}

fn partitions(text: &str, ids: &[Uuid]) -> Assignment {
    let topics = text.split(',').filter(|topic| !topic.is_empty()).map(|topic| {
        let (at, partitions) = topic.split_once(':').unwrap();
        (ids[at.parse::<usize>().unwrap()], numbers(partitions).collect())
    });
    topics.collect()
}

#[test]
fn what_is_given_is_what_apache_kafka_gives() {
    let lines = include_str!("../../testdata/captured/assignments-4.3.1.txt").lines();
    let mut rounds = 0;
    for line in lines.filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let topics = words[2].split(',').map(|topic| topic.split_once(':').unwrap());
        let topics: Vec<(Uuid, i32)> =
            topics.map(|(id, count)| (Uuid::from_kafka(id).unwrap(), count.parse().unwrap())).collect();
        let ids: Vec<Uuid> = topics.iter().map(|(id, _)| *id).collect();
        let mut expected = BTreeMap::new();
        let mut members = Vec::new();
        for word in &words[3..] {
            let parts: Vec<&str> = word.split('=').collect();
            let (id, instance) = parts[0].split_once('~').unwrap();
            let reads: Vec<Uuid> = numbers(parts[1]).map(|at| ids[usize::try_from(at).unwrap()]).collect();
            expected.insert(id, partitions(parts[3], &ids));
            members.push(Asking {
                id: id.into(),
                instance_id: (!instance.is_empty()).then(|| instance.into()),
                asked: reads.len(),
                topics: reads,
                has: Arc::new(partitions(parts[2], &ids)),
            });
        }
        members.sort_by(|a, b| a.id.cmp(&b.id));
        let table = java_order::grown(members.len());
        java_order::sort(&mut members, table, |member| member.id.java_hash());
        let had = members.iter().flat_map(|member| member.has.iter());
        let owners = had.flat_map(|(topic, partitions)| partitions.iter().map(|at| (*topic, *at))).collect();
        let task = Task { members, uniform: words[1] == "same", partitions: topics.into_iter().collect(), owners };
        let given = Assignor::from_name(words[0]).unwrap().assign(&task).unwrap();
        for (member, given) in task.members.iter().zip(given) {
            assert_eq!(given, expected[&*member.id], "round {rounds}: {line}");
        }
        rounds += 1;
    }
    assert_eq!(rounds, 300);
}
