//! The one question every handler asks before it acts. There are no ACLs yet, so the answer is yes; the question is
//! already in its place, so that nothing has to be threaded through the handlers later.

use crate::session::Principal;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operation {
    Read,
    Write,
    Create,
    Delete,
    Alter,
    Describe,
    DescribeConfigs,
    AlterConfigs,
    IdempotentWrite,
}

/// With what it is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// A topic by name.
    Topic(&'a str),
    /// A group by id.
    Group(&'a str),
    /// The cluster.
    Cluster,
}

/// Whether `principal` may do `operation` with `resource`.
pub fn authorize(_principal: &Principal, _operation: Operation, _resource: Resource<'_>) -> bool {
    true
}
