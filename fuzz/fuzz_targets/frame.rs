//! libFuzzer's door to the target `frame`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| andiron_fuzz::frame::frame(data));

#[cfg(not(fuzzing))]
fn main() {}
