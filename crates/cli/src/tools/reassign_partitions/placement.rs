//! Where replicas are put among brokers: racks in turn, in each rack its brokers in turn, both from a random start
//! (`StripedReplicaPlacer`, which Kafka's controller and this tool share).

use std::collections::BTreeMap;

use crate::tools::failure::Thrown;
use crate::tools::java_random::JavaRandom;

/// A broker that may get replicas.
#[derive(Debug, Clone)]
pub(super) struct Usable {
    pub(super) id: i32,
    pub(super) rack: Option<String>,
}

/// The brokers of one rack; each round of the placement begins one broker further on.
#[derive(Debug, Default)]
struct Brokers {
    ids: Vec<i32>,
    index: usize,
    offset: usize,
    round: usize,
}

impl Brokers {
    fn next(&mut self, round: usize) -> Option<i32> {
        if self.round != round {
            self.round = round;
            self.index = 0;
            self.offset = (self.offset + 1) % self.ids.len();
        }
        if self.index >= self.ids.len() {
            return None;
        }
        let id = self.ids[(self.index + self.offset) % self.ids.len()];
        self.index += 1;
        Some(id)
    }
}

#[derive(Debug)]
struct Racks {
    racks: Vec<Brokers>,
    brokers: usize,
    round: usize,
    offset: usize,
}

fn below(random: &mut JavaRandom, bound: usize) -> usize {
    usize::try_from(random.below(i32::try_from(bound).unwrap_or(i32::MAX))).unwrap_or(0)
}

/// `Collections.shuffle`
fn shuffle<T>(random: &mut JavaRandom, things: &mut [T]) {
    for at in (1..things.len()).rev() {
        things.swap(at, below(random, at + 1));
    }
}

impl Racks {
    fn new(brokers: &[Usable], random: &mut JavaRandom) -> Racks {
        // Sorted by name, those of no rack first.
        let mut by_name: BTreeMap<Option<&str>, Vec<i32>> = BTreeMap::new();
        for broker in brokers {
            by_name.entry(broker.rack.as_deref()).or_default().push(broker.id);
        }
        let mut racks = Vec::new();
        for mut ids in by_name.into_values() {
            ids.sort_unstable();
            let offset = below(random, ids.len());
            racks.push(Brokers { ids, offset, ..Brokers::default() });
        }
        let offset = if racks.is_empty() { 0 } else { below(random, racks.len()) };
        Racks { racks, brokers: brokers.len(), round: 0, offset }
    }

    fn place(&mut self, replicas: usize, random: &mut JavaRandom) -> Vec<i32> {
        // After as many partitions as there are brokers the same assignments would come again.
        if self.round == self.brokers && self.brokers > 1 {
            shuffle(random, &mut self.racks);
            self.racks.iter_mut().for_each(|rack| shuffle(random, &mut rack.ids));
            self.round = 0;
        }
        if self.offset == self.racks.len() {
            self.offset = 0;
        }
        let mut placed = Vec::with_capacity(replicas);
        let count = self.racks.len();
        // The rack of the first replica; its turn is over when the others are dealt out for the first time.
        let mut first = None;
        for rack in (self.offset..count).chain(0..self.offset) {
            if let Some(id) = self.racks[rack].next(self.round) {
                placed.push(id);
                first = Some(rack);
                break;
            }
        }
        let mut rack = self.offset;
        while placed.len() < replicas {
            if first == Some(rack) {
                first = None;
            } else if let Some(id) = self.racks[rack].next(self.round) {
                placed.push(id);
            }
            rack = (rack + 1) % count;
        }
        self.round += 1;
        self.offset += 1;
        placed
    }
}

/// The replicas of so many partitions; an error if there are fewer brokers than replicas.
pub(super) fn place(
    partitions: usize,
    replicas: usize,
    brokers: &[Usable],
    random: &mut JavaRandom,
) -> Result<Vec<Vec<i32>>, Thrown> {
    let wrong =
        |message: String| Err(Thrown::new("org.apache.kafka.common.errors.InvalidReplicationFactorException", message));
    if replicas == 0 {
        return wrong("Invalid replication factor 0: the replication factor must be positive.".to_owned());
    }
    if brokers.is_empty() {
        return wrong("All brokers are currently fenced, or have all their log directories cordoned.".to_owned());
    }
    if brokers.len() < replicas {
        return wrong(format!(
            "The target replication factor of {replicas} cannot be reached because only {} broker(s) are registered or \
             some brokers have all their log directories cordoned.",
            brokers.len()
        ));
    }
    let mut racks = Racks::new(brokers, random);
    Ok((0..partitions).map(|_| racks.place(replicas, random)).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn usable(racks: &[Option<&str>]) -> Vec<Usable> {
        let broker = |(at, rack): (usize, &Option<&str>)| Usable { id: at as i32 + 1, rack: rack.map(str::to_owned) };
        racks.iter().enumerate().map(broker).collect()
    }

    #[test]
    fn one_broker_gets_everything() {
        let placed = place(3, 1, &usable(&[None]), &mut JavaRandom::new(7)).unwrap();
        assert_eq!(placed, [[1], [1], [1]]);
    }

    #[test]
    fn leaders_go_round_and_replicas_differ() {
        for seed in 0..50 {
            let placed = place(4, 3, &usable(&[None; 4]), &mut JavaRandom::new(seed)).unwrap();
            let leaders: BTreeSet<i32> = placed.iter().map(|replicas| replicas[0]).collect();
            assert_eq!(leaders.len(), 4);
            assert!(placed.iter().all(|replicas| replicas.iter().collect::<BTreeSet<_>>().len() == 3));
        }
    }

    #[test]
    fn replicas_are_spread_over_racks() {
        let racks = [Some("a"), Some("a"), Some("b"), Some("b")];
        for seed in 0..50 {
            for replicas in place(9, 2, &usable(&racks), &mut JavaRandom::new(seed)).unwrap() {
                assert_eq!(replicas.iter().filter(|id| **id <= 2).count(), 1, "{replicas:?}");
            }
        }
    }

    #[test]
    fn too_few_brokers_are_refused() {
        let refusal = place(1, 2, &usable(&[None]), &mut JavaRandom::new(0)).unwrap_err();
        assert!(refusal.text().starts_with("The target replication factor of 2 cannot be reached because only 1 "));
    }
}
