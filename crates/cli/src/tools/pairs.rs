//! `name=value` on the command line, and options that stand for properties (`CommandLineUtils`, `ToolsUtils`).

use super::failure::Stop;
use super::session::with;

/// `parseKeyValueArgs`: a name without a value has an empty one.
pub(crate) fn key_values(words: &[String]) -> Vec<(String, String)> {
    let pair = |word: &String| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        (name.to_owned(), value.to_owned())
    };
    words.iter().map(pair).collect()
}

/// `maybeMergeOptions`: an option that is given stands over the property, its default only where there is none.
pub(crate) fn merge(properties: Vec<(String, String)>, name: &str, given: bool, value: &str) -> Vec<(String, String)> {
    if given || !properties.iter().any(|(known, _)| known == name) { with(properties, name, value) } else { properties }
}

/// `ToolsUtils.validateBootstrapServer`
pub(crate) fn check_bootstrap(servers: Option<&str>) -> Result<(), Stop> {
    let servers = servers.unwrap_or_default();
    if servers.trim().is_empty() {
        return Err(Stop::Usage("Error while validating the bootstrap address\n".to_owned()));
    }
    let has_port = |address: &str| {
        address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u32>().is_ok())
    };
    if servers.split(',').all(has_port) {
        return Ok(());
    }
    Err(Stop::Usage("Please provide valid host:port like host1:9091,host2:9092\n".to_owned()))
}
