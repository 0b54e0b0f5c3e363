//! From the messages of Spark Connect to the unresolved plan.

use spark_connect_proto as proto;

use crate::{
    PlanError,
    spec::{Command, Relation},
};

/// A relation, with the SQL text in it parsed.
pub fn relation(_message: &proto::Relation) -> Result<Relation, PlanError> {
    Err(PlanError::invalid("no relation"))
}

/// A command.
pub fn command(_message: &proto::Command) -> Result<Command, PlanError> {
    Err(PlanError::invalid("no command"))
}
