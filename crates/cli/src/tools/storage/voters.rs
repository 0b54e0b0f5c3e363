//! The voters of `--initial-controllers`: `id@host:port:directory`, with commas between them.

use std::collections::BTreeMap;

use andiron_protocol::{KafkaUuid as _, Uuid};

use crate::tools::failure::Thrown;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DynamicVoter {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) directory: Uuid,
}

/// All of them by their ids.
pub(super) fn parse(text: &str) -> Result<BTreeMap<i32, DynamicVoter>, Thrown> {
    let mut voters = BTreeMap::new();
    for one in text.trim().split(',').filter(|one| !one.is_empty()) {
        let (id, voter) = parse_one(one.trim()).map_err(Thrown::illegal)?;
        if voters.insert(id, voter).is_some() {
            return Err(Thrown::illegal(format!("Node id {id} was specified more than once.")));
        }
    }
    if voters.is_empty() {
        return Err(Thrown::illegal("No voters given."));
    }
    Ok(voters)
}

fn parse_one(text: &str) -> Result<(i32, DynamicVoter), String> {
    let (id, rest) = text.split_once('@').ok_or("No @ found in dynamic voter string.")?;
    if id.is_empty() {
        return Err("Invalid @ at beginning of dynamic voter string.".to_owned());
    }
    let id: i32 = id.parse().map_err(|_| "Failed to parse node id in dynamic voter string.")?;
    if id < 0 {
        return Err(format!("Invalid negative node id {id} in dynamic voter string."));
    }
    if rest.is_empty() {
        return Err("No hostname found after node id.".to_owned());
    }
    let (host, rest) = match rest.strip_prefix('[') {
        Some(bracketed) => {
            bracketed.split_once(']').ok_or("Hostname began with left bracket, but no right bracket was found.")?
        }
        None => rest.split_at(rest.find(':').ok_or("No colon following hostname could be found.")?),
    };
    let rest = rest.strip_prefix(':').ok_or("Port section must start with a colon.")?;
    let (port, directory) = rest.split_once(':').ok_or("No colon following port could be found.")?;
    let port: i32 = port.parse().map_err(|_| "Failed to parse port in dynamic voter string.")?;
    let port = u16::try_from(port).map_err(|_| format!("Invalid port {port} in dynamic voter string."))?;
    let unreadable = "Failed to parse directory ID in dynamic voter string.";
    let directory = Uuid::from_kafka(directory).ok_or(unreadable)?;
    Ok((id, DynamicVoter { host: host.to_owned(), port, directory }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_are_read_and_each_mistake_has_its_sentence() {
        let id = "JEXY6aqzQY-32P5TStzaFg";
        let read = parse(&format!("1@[::1]:80:{id}, 0@a.b:8082:{id}")).unwrap_or_default();
        let shown: Vec<_> = read.iter().map(|(id, v)| (*id, v.host.as_str(), v.port, v.directory.to_kafka())).collect();
        assert_eq!(shown, [(0, "a.b", 8082, id.to_owned()), (1, "::1", 80, id.to_owned())]);
        let table = [
            ("", "No voters given."),
            ("x", "No @ found in dynamic voter string."),
            ("@x", "Invalid @ at beginning of dynamic voter string."),
            ("y@x", "Failed to parse node id in dynamic voter string."),
            ("-1@x", "Invalid negative node id -1 in dynamic voter string."),
            ("1@", "No hostname found after node id."),
            ("1@[x", "Hostname began with left bracket, but no right bracket was found."),
            ("1@x", "No colon following hostname could be found."),
            ("1@[x]y", "Port section must start with a colon."),
            ("1@x:1", "No colon following port could be found."),
            ("1@x:y:z", "Failed to parse port in dynamic voter string."),
            ("1@x:70000:z", "Invalid port 70000 in dynamic voter string."),
            ("1@x:1:z", "Failed to parse directory ID in dynamic voter string."),
        ];
        for (text, sentence) in table {
            assert_eq!(parse(text).map_err(|thrown| thrown.text().to_owned()), Err(sentence.to_owned()), "{text}");
        }
        let twice = format!("1@x:1:{id},1@x:1:{id}");
        let refused = parse(&twice).map_err(|thrown| thrown.text().to_owned());
        assert_eq!(refused, Err("Node id 1 was specified more than once.".to_owned()));
    }
}
