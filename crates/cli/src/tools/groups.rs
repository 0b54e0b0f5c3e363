//! `kafka-groups` (`org.apache.kafka.tools.GroupsCommand`).

use andiron_client::Admin;
use andiron_client::admin::GroupListing;
use serde_json::json;

use super::failure::{Stop, Thrown};
use super::options::{Given, Spec, flag, value};
use super::print::{Rows, log_error, pad, say};
use super::session::{admin_of, block_on};

const LOGGER: &str = "org.apache.kafka.tools.GroupsCommand";

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-groups",
    about: "This tool helps to list groups of all types.",
    json: true,
    flags: &[
        value("bootstrap-server", "host:port,...", "Where the cluster is.").required(),
        value("command-config", "file", "Properties for the admin client."),
        flag("list", "List the groups."),
        value("group-type", "type", "Only groups of this type: classic, consumer, share or streams."),
        value("protocol", "protocol", "Only groups of this protocol."),
        flag("consumer", "Only consumer groups, classic and simple ones too."),
        flag("share", "Only share groups."),
        flag("streams", "Only streams groups."),
    ],
};

/// The types by the names they are shown with; the word on the command line is read without regard to case.
pub(super) const TYPES: &[&str] = &["Consumer", "Classic", "Share", "Streams"];

pub(super) fn run(args: &[String]) -> u8 {
    let ready = prepare(args).and_then(|given| Ok((admin_of(&given)?, given)));
    let (admin, given) = match ready {
        Ok(ready) => ready,
        Err(stop) => return SPEC.end(Err(stop), Thrown::told),
    };
    let outcome = block_on(list(&given, &admin)).unwrap_or_else(|thrown| Err(thrown.into()));
    SPEC.end(outcome, |thrown| {
        say(format_args!("Error while executing groups command : {}", thrown.text()));
        log_error(LOGGER, format_args!("{}\n", thrown.trace()));
        1
    })
}

fn prepare(args: &[String]) -> Result<Given, Stop> {
    let given = SPEC.parse(args).map_err(|thrown| Stop::Usage(thrown.text().to_owned()))?;
    SPEC.begin(&given)?;
    if !given.has("list") {
        return Err(Stop::Usage("Command must include exactly one action: --list.".to_owned()));
    }
    if given.has("group-type") && group_type(&given)?.is_none() {
        return Err(Thrown::illegal("--group-type must be a valid group type.").into());
    }
    given.forbid("consumer", &["group-type", "protocol", "share", "streams"])?;
    given.forbid("share", &["consumer", "group-type", "protocol", "streams"])?;
    given.forbid("streams", &["consumer", "group-type", "protocol", "share"])?;
    Ok(given)
}

fn group_type(given: &Given) -> Result<Option<&'static str>, Thrown> {
    let wanted = given.one("group-type")?.unwrap_or_default();
    Ok(TYPES.iter().find(|name| name.eq_ignore_ascii_case(wanted)).copied())
}

async fn list(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let (of_type, protocol) = (group_type(given)?, given.one("protocol")?);
    let is = |group: &GroupListing, name: &str| group.group_type.eq_ignore_ascii_case(name);
    let wanted = |group: &GroupListing| {
        if let Some(of_type) = of_type {
            is(group, of_type) && protocol.is_none_or(|protocol| group.protocol == protocol)
        } else if let Some(protocol) = protocol {
            group.protocol == protocol
        } else if given.has("consumer") {
            group.protocol == "consumer" || group.protocol.is_empty() || is(group, "consumer")
        } else if given.has("share") {
            is(group, "share")
        } else {
            !given.has("streams") || is(group, "streams")
        }
    };
    let groups = admin.list_groups(&[], &[]).await?;
    let groups: Vec<GroupListing> = groups.into_iter().filter(wanted).collect();
    let groups = super::java::hash_order(groups, |group| super::java::string_hash(&group.group));
    if given.json() {
        let mut rows = Rows::default();
        for group in &groups {
            rows.row([
                ("group", json!(group.group)),
                ("type", json!(group.group_type)),
                ("protocol", json!(group.protocol)),
            ]);
        }
        rows.print();
        return Ok(());
    }
    let longest = |group: &GroupListing| {
        [&group.group, &group.group_type, &group.protocol].iter().map(|text| text.encode_utf16().count()).max()
    };
    let width = groups.iter().filter_map(longest).max().unwrap_or(0).max(20);
    say(format_args!("{} {} {}", pad("GROUP", width), pad("TYPE", width), pad("PROTOCOL", width)));
    for group in groups {
        let (id, of_type, protocol) = (group.group, shown_type(&group.group_type), group.protocol);
        say(format_args!("{} {} {} ", pad(id, width), pad(of_type, width), pad(protocol, width)));
    }
    Ok(())
}

/// The type as Java's `GroupType` prints it.
pub(super) fn shown_type(of_type: &str) -> &str {
    TYPES.iter().find(|name| name.eq_ignore_ascii_case(of_type)).copied().unwrap_or(of_type)
}
