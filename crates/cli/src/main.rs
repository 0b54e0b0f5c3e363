//! The `andiron` binary.
fn main() {}
