//! Which partition of `__consumer_offsets` a group belongs to, and how requests that name many groups are taken apart
//! and their answers put together.

/// The partition that holds the group: the hash of a Java string, without its sign, modulo the number of partitions.
pub fn partition_for(group: &str, partitions: i32) -> i32 {
    let hash = java_hash(group);
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive.checked_rem(partitions).unwrap_or(0)
}

/// `String.hashCode` of Java: over UTF-16 units.
pub(crate) fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}
