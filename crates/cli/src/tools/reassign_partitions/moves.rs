//! Replicas on their way from one directory of a broker to another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use andiron_client::{Admin, AdminError, TopicPartition};
use andiron_protocol::error::ErrorCode;

use super::plan::Replica;
use super::{failed, in_call, joined, plural, terse};
use crate::tools::failure::Thrown;
use crate::tools::java::hash_order;
use crate::tools::print::say;

/// How long to wait before a broker that does not know a replica yet is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// Where a replica is, and where it is going.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Dirs {
    pub(super) current: Option<String>,
    future: Option<String>,
}

/// The directories of replicas, asked of their brokers.
pub(super) async fn dirs(
    admin: &Admin,
    replicas: impl Iterator<Item = &Replica>,
) -> Result<BTreeMap<Replica, Dirs>, Thrown> {
    let mut found: BTreeMap<Replica, Dirs> = replicas.map(|replica| (replica.clone(), Dirs::default())).collect();
    let brokers: BTreeSet<i32> = found.keys().map(|replica| replica.broker).collect();
    for broker in brokers {
        let described = admin.describe_log_dirs(broker).await.map_err(|error| match error {
            AdminError::TimedOut { last, determinacy, .. } => {
                in_call(AdminError::TimedOut { call: "describeReplicaLogDirs", last, determinacy })
            }
            error => in_call(error),
        })?;
        for dir in described {
            for replica in dir.replicas {
                if let Some(dirs) = found.get_mut(&Replica::new(&replica.partition, broker)) {
                    let place = if replica.is_future { &mut dirs.future } else { &mut dirs.current };
                    *place = Some(dir.path.clone());
                }
            }
        }
    }
    Ok(found)
}

/// How far replicas are that are to be in directories: with the directory that each is to be in.
pub(super) type States = Vec<(Replica, String, Dirs)>;

pub(super) async fn states(admin: &Admin, targets: &BTreeMap<Replica, String>) -> Result<States, Thrown> {
    let mut found = dirs(admin, targets.keys()).await?;
    let state = |(replica, target): (&Replica, &String)| {
        (replica.clone(), target.clone(), found.remove(replica).unwrap_or_default())
    };
    Ok(targets.iter().map(state).collect())
}

/// Whether one of them is not where it is to stay: those count too of which nothing is known.
pub(super) fn any_under_way(states: &States) -> bool {
    states.iter().any(|(_, _, dirs)| dirs.current.is_none() || dirs.future.is_some())
}

/// A sentence for each, of one partition or of all.
pub(super) fn told(states: &States, partition: Option<&TopicPartition>) -> Vec<String> {
    let wanted = |state: &&(Replica, String, Dirs)| partition.is_none_or(|wanted| state.0.partition == *wanted);
    states.iter().filter(wanted).map(|(replica, target, dirs)| sentence(replica, target, dirs)).collect()
}

fn sentence(replica: &Replica, target: &str, dirs: &Dirs) -> String {
    let on = format!("Partition {} on broker {}", replica.partition, replica.broker);
    match (&dirs.current, &dirs.future) {
        (None, _) => format!(
            "Partition {} is not found in any live log dir on broker {}. There is likely an offline log directory on the broker.",
            replica.partition, replica.broker
        ),
        (Some(_), Some(future)) if future == target => {
            format!("Reassignment of replica {replica} is still in progress.")
        }
        (Some(_), Some(future)) => format!("{on} is being moved to log dir {future} instead of {target}."),
        (Some(current), None) if current == target => {
            format!("Reassignment of replica {replica} completed successfully.")
        }
        (Some(current), None) => format!("{on} is not being moved from log dir {current} to {target}."),
    }
}

/// Where the replicas under way must go to be where they were.
pub(super) fn back(states: &States) -> BTreeMap<Replica, String> {
    let back = |(replica, _, dirs): &(Replica, String, Dirs)| {
        Some((replica.clone(), dirs.current.clone().filter(|_| dirs.future.is_some())?))
    };
    states.iter().filter_map(back).collect()
}

/// Begins moves; what a broker does not know yet is asked again until the time is over.
pub(super) async fn execute(
    admin: &Admin,
    mut pending: BTreeMap<Replica, String>,
    timeout_ms: i64,
) -> Result<(), Thrown> {
    let start = Instant::now();
    let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    loop {
        for replica in begin(admin, &pending).await? {
            let dir = pending.remove(&replica).unwrap_or_default();
            say(format_args!(
                "Successfully started moving log directory to {dir} for replica {} with broker {} ",
                replica.partition, replica.broker
            ));
        }
        if pending.is_empty() {
            return Ok(());
        }
        if start.elapsed() >= timeout {
            let (s, names) = (plural(pending.len()), joined(pending.keys(), ","));
            return Err(terse(format!("Timed out before log directory move{s} could be started for: {names}")));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Those that could be begun.
async fn begin(admin: &Admin, pending: &BTreeMap<Replica, String>) -> Result<BTreeSet<Replica>, Thrown> {
    let brokers: BTreeSet<i32> = pending.keys().map(|replica| replica.broker).collect();
    let mut outcomes: Vec<(Replica, Option<Thrown>)> = Vec::new();
    for broker in brokers {
        let own = pending.iter().filter(|(replica, _)| replica.broker == broker);
        let own: Vec<(TopicPartition, String)> =
            own.map(|(replica, dir)| (replica.partition.clone(), dir.clone())).collect();
        match admin.alter_replica_log_dirs(broker, &own).await {
            Ok(answers) => outcomes.extend(answers.into_iter().filter_map(|(partition, code)| {
                let wrong = (!code.is_none()).then(|| Thrown::of(code, ""));
                (code != ErrorCode::ReplicaNotAvailable).then(|| (Replica::new(&partition, broker), wrong))
            })),
            Err(error) => {
                let thrown = Thrown::from(error);
                outcomes.extend(own.iter().map(|(p, _)| (Replica::new(p, broker), Some(thrown.clone()))));
            }
        }
    }
    let mut begun = BTreeSet::new();
    for (replica, wrong) in hash_order(outcomes, |(replica, _)| replica.hash()) {
        match wrong {
            None => begun.insert(replica),
            Some(wrong) => {
                let cause = Some(Box::new(wrong.in_execution()));
                return Err(Thrown { cause, ..failed(format!("Failed to alter dir for {replica}")) });
            }
        };
    }
    Ok(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_sentence() {
        let replica = Replica::new(&TopicPartition::new("t", 0), 1);
        let told = |current: Option<&str>, future: Option<&str>| {
            let dirs = Dirs { current: current.map(str::to_owned), future: future.map(str::to_owned) };
            let states = vec![(replica.clone(), "/b".to_owned(), dirs)];
            (sentence(&replica, "/b", &states[0].2), any_under_way(&states), back(&states).len())
        };
        let completed = "Reassignment of replica t-0-1 completed successfully.".to_owned();
        assert_eq!(told(Some("/b"), None), (completed, false, 0));
        let going = "Reassignment of replica t-0-1 is still in progress.".to_owned();
        assert_eq!(told(Some("/a"), Some("/b")), (going, true, 1));
        let elsewhere = "Partition t-0 on broker 1 is being moved to log dir /c instead of /b.".to_owned();
        assert_eq!(told(Some("/a"), Some("/c")), (elsewhere, true, 1));
        let not = "Partition t-0 on broker 1 is not being moved from log dir /a to /b.".to_owned();
        assert_eq!(told(Some("/a"), None), (not, false, 0));
        assert!(
            told(None, None).0.starts_with("Partition t-0 is not found in any live log dir on broker 1. There is ")
        );
    }
}
