//! libFuzzer's door to the target `groups`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| andiron_fuzz::groups::groups(data));

#[cfg(not(fuzzing))]
fn main() {}
