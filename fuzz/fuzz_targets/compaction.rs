//! libFuzzer's door to the target `compaction`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| andiron_fuzz::compaction::compaction(data));

#[cfg(not(fuzzing))]
fn main() {}
