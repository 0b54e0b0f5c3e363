//! libFuzzer's door to the target `recovery`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| andiron_fuzz::recovery::recovery(data));

#[cfg(not(fuzzing))]
fn main() {}
