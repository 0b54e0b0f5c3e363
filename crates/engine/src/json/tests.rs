//! Golden tables of `from_json` and `to_json`.
