//! `kafka-verifiable-producer` and `kafka-verifiable-consumer` tell what they do as JSON, an object a line, each with its time
//! and its name first.

mod consumer;
mod producer;

pub(super) use consumer::{PARSER as CONSUMER, run as run_consumer};
pub(super) use producer::{PARSER as PRODUCER, run as run_producer};

use andiron_protocol::schema::Json;

use super::clock::now_ms;
use super::print::say;

/// An event with what belongs to it.
fn event(name: &str, more: Vec<(&str, Json)>) {
    let mut members = vec![("timestamp", Json::Whole(now_ms())), ("name", Json::text(name))];
    members.extend(more);
    say(object(members));
}

fn object(members: Vec<(&str, Json)>) -> Json {
    Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn text(value: Option<&str>) -> Json {
    value.map_or(Json::Null, Json::text)
}
