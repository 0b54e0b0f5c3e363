//! COMPAT.md says which APIs are offered, and says so truly.
#![allow(clippy::unwrap_used)]

use andiron_protocol::api;

#[test]
fn compat_md_lists_the_offered_apis() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../COMPAT.md");
    let text = std::fs::read_to_string(path).unwrap();
    let offered: Vec<String> =
        api::BROKER.iter().map(|o| format!("| {} | {:?} | {}-{} |", o.key as i16, o.key, o.min, o.max)).collect();
    let listed: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("| key | API"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(listed, offered, "the table of COMPAT.md should read:\n{}\n", offered.join("\n"));
}
