//! libFuzzer's door to the target `transactions`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| andiron_fuzz::transactions::transactions(data));

#[cfg(not(fuzzing))]
fn main() {}
