//! Arbitrary logs, cleaned at arbitrary points, with ends and power losses in between.

use andiron_simulator::bytes_of;
use proptest::prelude::*;

use crate::arbitrary_cleaning;

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_a_reader_sees_is_the_last_value_of_each_key(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        arbitrary_cleaning::run(&bytes, false);
    }
}

#[test]
fn a_cleaner_that_does_not_wait_for_transactions_is_noticed() {
    let noticed = |seed| std::panic::catch_unwind(|| arbitrary_cleaning::run(&bytes_of(seed, 600), true)).is_err();
    assert!((0..200).any(noticed), "undecided transactions that are cleaned");
}
