//! libFuzzer's door to the target `batches`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| andiron_fuzz::batches::batches(data));

#[cfg(not(fuzzing))]
fn main() {}
