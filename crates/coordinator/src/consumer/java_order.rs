//! The order in which Java's hash maps hand out what they hold. Apache Kafka's assignors go through such maps: who gets
//! which partition follows from it, and the same group must be shared out here as it is there.

use uuid::Uuid;

use crate::routing::java_hash;

/// Something with a `hashCode`.
pub(crate) trait Hashed {
    fn java_hash(&self) -> i32;
}

impl Hashed for str {
    fn java_hash(&self) -> i32 {
        java_hash(self)
    }
}

impl Hashed for Uuid {
    fn java_hash(&self) -> i32 {
        let (most, least) = self.as_u64_pair();
        let both = most ^ least;
        ((both >> 32) as u32 ^ both as u32).cast_signed()
    }
}

impl Hashed for i32 {
    fn java_hash(&self) -> i32 {
        *self
    }
}

/// The table of a map that was filled one by one.
pub(crate) fn grown(count: usize) -> usize {
    let mut table = 16;
    while count > table / 4 * 3 {
        table *= 2;
    }
    table
}

/// The table of a set that was made of a collection.
pub(crate) fn copied(count: usize) -> usize {
    (count * 4 / 3 + 1).max(16).next_power_of_two()
}

/// Brings the items into the order of a table of this size; those that share a place stay in theirs.
pub(crate) fn sort<T>(items: &mut [T], table: usize, hash: impl Fn(&T) -> i32) {
    let mask = u32::try_from(table - 1).unwrap_or(u32::MAX);
    items.sort_by_key(|item| {
        let hash = hash(item).cast_unsigned();
        (hash ^ (hash >> 16)) & mask
    });
}

#[cfg(test)]
#[path = "java_order_tests.rs"]
mod tests;
