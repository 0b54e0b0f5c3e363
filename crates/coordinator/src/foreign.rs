//! Groups of a protocol that this machine does not speak, found in a log of Apache Kafka.
//!
//! Their records are left as they are: whoever wrote them can take the log back. Only if a KIP-848 group becomes a classic
//! one, or is deleted, its own records are buried with it, as Apache Kafka does; none of its members can be alive here.
//! The records of share and streams groups are never touched.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::record::Record;

/// The key types of KIP-848 groups.
const CONSUMER_GROUP_TYPES: [i16; 7] = [3, 4, 5, 6, 7, 8, 16];

/// What is known of such groups: the keys that lie in the log.
#[derive(Debug, Default)]
pub(crate) struct Foreign {
    keys: BTreeMap<Bytes, BTreeSet<Bytes>>,
    seen: u64,
}

impl Foreign {
    /// A record of the log.
    pub fn replay(&mut self, key_type: i16, key: &Bytes, has_value: bool) {
        self.seen += 1;
        let Some(group) = group_of(key).filter(|_| CONSUMER_GROUP_TYPES.contains(&key_type)) else { return };
        if has_value {
            self.keys.entry(group).or_default().insert(key.clone());
        } else if let Some(keys) = self.keys.get_mut(&group) {
            keys.remove(key);
            if keys.is_empty() {
                self.keys.remove(&group);
            }
        }
    }

    /// How many records were replayed.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Buries the group's records.
    pub fn tombstones(&self, group: &str, records: &mut Vec<Record>) {
        let keys = self.keys.get(group.as_bytes()).into_iter().flatten();
        records.extend(keys.map(|key| {
            let key_type = key.first_chunk().map_or(0, |bytes| i16::from_be_bytes(*bytes));
            Record::Other { key_type, key: key.clone(), value: None }
        }));
    }
}

/// Every such key begins with its type and the group, as a string of the old form.
fn group_of(key: &Bytes) -> Option<Bytes> {
    let length: [u8; 2] = key.get(2..4)?.try_into().ok()?;
    let end = 4 + usize::try_from(i16::from_be_bytes(length)).ok()?;
    key.get(4..end)?;
    Some(key.slice(4..end))
}
