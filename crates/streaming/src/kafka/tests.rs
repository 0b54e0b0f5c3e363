//! Offsets as text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn offsets_are_sorted_by_topic_and_partition_number() {
    let offsets = offsets_from_json(r#"{"b":{"10":1,"9":2},"a":{"0":-2}}"#).unwrap();
    assert_eq!(offsets_to_json(&offsets), r#"{"a":{"0":-2},"b":{"9":2,"10":1}}"#);
    assert_eq!(offsets_to_json(&Offsets::new()), "{}");
}

#[test]
fn texts_of_another_form_are_refused_with_an_example() {
    for bad in ["", "[]", r#"{"t":5}"#, r#"{"t":{"x":1}}"#, r#"{"t":{"0":"1"}}"#, r#"{"t":{"0":1.5}}"#] {
        let said = offsets_from_json(bad).unwrap_err().to_string();
        assert_eq!(said, format!(r#"Expected e.g. {{"topicA":{{"0":23,"1":-1}},"topicB":{{"0":-2}}}}, got {bad}"#));
    }
    for bad in [r#"{"t":{"0":1}}"#, r#"{"t":["0"]}"#] {
        let said = partitions_from_json(bad).unwrap_err().to_string();
        assert_eq!(said, format!(r#"Expected e.g. {{"topicA":[0,1],"topicB":[0,1]}}, got {bad}"#));
    }
    assert_eq!(partitions_from_json(r#"{"t":[1,0]}"#).unwrap().len(), 2);
}
