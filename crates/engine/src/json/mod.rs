//! JSON as Spark reads and writes it: `from_json`, `to_json`.
//!
//! Reading is in two steps. A row's text becomes a tape: by simd-json if the text is strict JSON (nearly always), else by our
//! own lenient parser, which takes what Jackson takes for Spark. Then the tape's values go straight into Arrow builders; a
//! value that does not fit its column leaves null there and marks the row, and the rest of the row is kept.

mod columns;
mod extract;
mod lenient;
mod options;
mod reader;
mod tape;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use extract::extract;
pub use options::{JsonMode, JsonReadOptions, JsonWriteOptions};
pub use reader::JsonReader;
pub use write::JsonWriter;
