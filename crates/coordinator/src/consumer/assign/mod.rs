//! The assignors of the broker: from who reads what, and who was to have what, to who is to have what. They give what
//! Apache Kafka's own give for the same members.

mod balanced;
mod mixed;
mod range;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::member::Assignment;

/// An assignor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Assignor {
    /// As equal as can be, with as few moves as can be.
    Uniform,
    /// Of each topic a range to each member, so that topics with as many partitions are shared out alike.
    Range,
}

impl Assignor {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The assignor of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Uniform, Self::Range].into_iter().find(|assignor| assignor.name() == name)
    }

    /// Shares out: an assignment for each member, in the order of the members.
    pub(super) fn assign(self, task: &Task) -> Result<Vec<Assignment>, String> {
        match self {
            _ if task.members.is_empty() => Ok(Vec::new()),
            Self::Range => Ok(range::assign(task)),
            Self::Uniform if task.uniform => balanced::assign(task),
            Self::Uniform => Ok(mixed::assign(task)),
        }
    }
}

/// A member that is to be given partitions.
#[derive(Debug)]
pub(super) struct Asking {
    pub id: Arc<str>,
    pub instance_id: Option<Arc<str>>,
    /// How many topics it names, also if they do not exist.
    pub asked: usize,
    /// Those that exist, in the order in which a Java set of their names hands them out.
    pub topics: Vec<Uuid>,
    /// What it was to have.
    pub has: Arc<Assignment>,
}

/// What an assignor has to know.
#[derive(Debug)]
pub(super) struct Task {
    /// The members, in the order in which a Java map hands them out.
    pub members: Vec<Asking>,
    /// All read the same topics.
    pub uniform: bool,
    /// How many partitions each topic has.
    pub partitions: BTreeMap<Uuid, i32>,
    /// The partitions that somebody was to have.
    pub owners: BTreeSet<(Uuid, i32)>,
}

impl Task {
    fn count(&self, topic: Uuid) -> i32 {
        self.partitions.get(&topic).copied().unwrap_or(0)
    }
}

#[cfg(test)]
#[path = "../assign_tests.rs"]
mod tests;
