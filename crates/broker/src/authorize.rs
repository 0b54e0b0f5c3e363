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
    ClusterAction,
    IdempotentWrite,
}

/// With what it is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// A topic by name.
    Topic(&'a str),
    /// A group by id.
    Group(&'a str),
    /// A transactional id.
    TransactionalId(&'a str),
    /// The cluster.
    Cluster,
}

/// Whether `principal` may do `operation` with `resource`.
pub fn authorize(_principal: &Principal, _operation: Operation, _resource: Resource<'_>) -> bool {
    true
}

/// What an answer says when nobody asked which operations are allowed.
pub(crate) const NO_OPERATIONS: i32 = i32::MIN;

/// Every operation there is on a topic, as bits: read, write, create, delete, alter, describe, and both of configs.
pub(crate) const TOPIC_OPERATIONS: i32 = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11;

/// Every operation there is on the cluster: create, alter, describe, cluster action, both of configs, idempotent write.
pub(crate) const CLUSTER_OPERATIONS: i32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;
