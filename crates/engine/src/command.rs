//! Commands that change something: views, writes, SQL statements. Streaming queries are the query driver's matter.

use andiron_plan::spec::Command;

use crate::{CommandOutcome, Session, SparkError};

/// Runs a command.
pub(crate) async fn run(_session: &Session, _command: &Command) -> Result<CommandOutcome, SparkError> {
    Err(SparkError::unsupported("command"))
}
