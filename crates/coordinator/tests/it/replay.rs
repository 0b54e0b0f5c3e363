//! Whatever was asked of a machine: one that reads its log knows the same settled groups and the same offsets.

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
    let noticed = (0..200u64).any(|seed| {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        let bytes: Vec<u8> = (0..500).map(|_| next()).collect();
        std::panic::catch_unwind(|| arbitrary::run(&bytes, true)).is_err()
    });
    assert!(noticed, "appends that fail and count as done");
}
