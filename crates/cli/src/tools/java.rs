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
    hash_order_in(16, things, hash)
}

/// The same for a map that was made for `capacity` entries.
pub(crate) fn hash_order_in<T>(capacity: usize, things: Vec<T>, hash: impl Fn(&T) -> i32) -> Vec<T> {
    let mut buckets = capacity.max(1).next_power_of_two();
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

/// `Double.toString`.
pub(crate) fn double(value: f64) -> String {
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        format!("{value:?}")
    } else if value.is_finite() {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let point = if digits.contains('.') { "" } else { ".0" };
        format!("{digits}{point}E{exponent}")
    } else if value.is_nan() {
        "NaN".to_owned()
    } else if value > 0.0 {
        "Infinity".to_owned()
    } else {
        "-Infinity".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_orders_are_javas() {
        assert_eq!(string_hash("orders"), -1_008_770_331);
        assert_eq!(in_hash_order(vec!["a.b", "orders", "placed"]), ["placed", "a.b", "orders"]);
    }

    #[test]
    fn doubles_print_as_javas() {
        for (value, text) in
            [(1024.0, "1024.0"), (0.5, "0.5"), (1e7, "1.0E7"), (12_345_678.5, "1.23456785E7"), (1e-4, "1.0E-4")]
        {
            assert_eq!(double(value), text);
        }
    }
}
