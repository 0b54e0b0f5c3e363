//! Whatever was asked of a machine: one that reads its log knows the same settled groups and the same offsets.

use andiron_simulator::bytes_of;
use proptest::prelude::*;

use crate::arbitrary;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_log_replayed_is_the_machine_that_wrote_it(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        arbitrary::run(&bytes, false);
    }
}

#[test]
fn a_log_that_lies_is_noticed() {
    let noticed = |seed| std::panic::catch_unwind(|| arbitrary::run(&bytes_of(seed, 500), true)).is_err();
    assert!((0..200).any(noticed), "appends that fail and count as done");
}
