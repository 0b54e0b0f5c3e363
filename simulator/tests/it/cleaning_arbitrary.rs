//! Arbitrary logs, cleaned at arbitrary points, with ends and power losses in between.

use proptest::prelude::*;

use crate::arbitrary_cleaning;

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_a_reader_sees_is_the_last_value_of_each_key(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        arbitrary_cleaning::run(&bytes, false);
    }
}
