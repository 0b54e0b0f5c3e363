//! The orders in which Java's hash maps give their entries. The tools print many of them as they come, so a script sees
//! them; they depend on nothing but the hash codes and the number of entries.

/// `String.hashCode`.
pub(crate) fn string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `TopicPartition.hashCode`.
pub(crate) fn partition_hash(topic: &str, partition: i32) -> i32 {
    31i32.wrapping_add(partition).wrapping_mul(31).wrapping_add(string_hash(topic))
}

/// Things in the order of a `HashMap` or `HashSet` into which they were put one by one, by their hash codes.
pub(crate) fn hash_order<T>(things: Vec<T>, hash: impl Fn(&T) -> i32) -> Vec<T> {
    let mut buckets = 16usize;
    while things.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    let bucket = |thing: &T| {
        let hash = hash(thing) as u32;
        (hash ^ (hash >> 16)) as usize & (buckets - 1)
    };
    let mut things = things;
    things.sort_by_key(bucket);
    things
}

/// Strings in that order.
pub(crate) fn in_hash_order<T: AsRef<str>>(texts: Vec<T>) -> Vec<T> {
    hash_order(texts, |text| string_hash(text.as_ref()))
}
