//! The order of Java's maps, as Java itself prints it.

use super::{Hashed, copied, grown, sort};
use uuid::Uuid;

#[test]
fn tables_are_as_large_as_java_makes_them() {
    assert_eq!([0, 1, 12, 13, 24, 25].map(grown), [16, 16, 16, 32, 32, 64]);
    assert_eq!([0, 11, 12, 23, 24, 100].map(copied), [16, 16, 32, 32, 64, 256]);
}

#[test]
fn items_come_as_java_hands_them_out() {
    let mut names = ["member-a", "member-b", "uniform", "range", "consumer-1"];
    sort(&mut names, 16, |name| name.java_hash());
    // As `jshell> new HashMap<>(...)` prints the keys.
    assert_eq!(names, ["uniform", "member-a", "member-b", "range", "consumer-1"]);
    assert_eq!(Uuid::from_u128(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210).java_hash(), 0);
    let mut numbers = [0, 1, 16, 17, 2];
    sort(&mut numbers, 16, Hashed::java_hash);
    assert_eq!(numbers, [0, 16, 1, 17, 2]);
}
