//! From the messages of Spark Connect to the unresolved plan.

mod catalog;
mod command;
mod expression;
mod literal;
mod relation;
mod types;
mod wire;

use std::collections::HashMap;

use bytes::Bytes;
use spark_connect_proto as proto;

use crate::{
    PlanError,
    depth::Depth,
    spec::{Command, Expr, Options, Relation},
};

pub(crate) use literal::parse_decimal;
pub use types::{data_type_from_proto, data_type_to_proto, schema_to_proto};

pub use wire::decode;

/// Finds what a client has uploaded as `cache/<hash>`.
pub type Artifacts<'a> = dyn Fn(&str) -> Option<Bytes> + 'a;

/// A relation, with the SQL text in it parsed.
pub fn relation(message: &proto::Relation) -> Result<Relation, PlanError> {
    Lower::default().relation(message)
}

/// A command.
pub fn command(message: &proto::Command) -> Result<Command, PlanError> {
    Lower::default().command(message)
}

/// A relation whose uploaded rows are put in their place.
pub fn relation_with(message: &proto::Relation, artifacts: &Artifacts<'_>) -> Result<Relation, PlanError> {
    Lower { artifacts: Some(artifacts), ..Lower::default() }.relation(message)
}

/// A command whose uploaded rows are put in their place.
pub fn command_with(message: &proto::Command, artifacts: &Artifacts<'_>) -> Result<Command, PlanError> {
    Lower { artifacts: Some(artifacts), ..Lower::default() }.command(message)
}

/// An expression.
pub fn expression(message: &proto::Expression) -> Result<Expr, PlanError> {
    Lower::default().expression(message)
}

/// One walk over one message.
#[derive(Default)]
struct Lower<'a> {
    depth: Depth,
    artifacts: Option<&'a Artifacts<'a>>,
}

/// Maps have no order on the wire; a plan is the same each time it is lowered.
fn options(map: &HashMap<String, String>) -> Options {
    let mut options: Options = map.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    options.sort();
    options
}

fn required<'a, T>(part: Option<&'a T>, what: &'static str) -> Result<&'a T, PlanError> {
    part.ok_or_else(|| PlanError::invalid(format!("{what} is missing")))
}

#[cfg(test)]
mod tests;
