//! The layouts of the requests by which operators look after a cluster.

use super::super::Kind::{Array, Bytes, Fixed, Struct, Text};
use super::super::{Field, Layout, field, until};

use crate::messages::ApiKey;

/// The layout of a request, if it is one of these.
pub(super) fn layout(key: ApiKey) -> Option<&'static Layout> {
    Some(match key {
        ApiKey::OffsetForLeaderEpoch => &OFFSET_FOR_LEADER_EPOCH,
        ApiKey::DescribeAcls => &DESCRIBE_ACLS,
        ApiKey::CreateAcls => &CREATE_ACLS,
        ApiKey::DeleteAcls => &DELETE_ACLS,
        ApiKey::AlterReplicaLogDirs => &ALTER_REPLICA_LOG_DIRS,
        ApiKey::DescribeLogDirs => &DESCRIBE_LOG_DIRS,
        ApiKey::ElectLeaders => &ELECT_LEADERS,
        ApiKey::AlterPartitionReassignments => &ALTER_PARTITION_REASSIGNMENTS,
        ApiKey::ListPartitionReassignments => &LIST_PARTITION_REASSIGNMENTS,
        ApiKey::DescribeClientQuotas => &DESCRIBE_CLIENT_QUOTAS,
        ApiKey::AlterClientQuotas => &ALTER_CLIENT_QUOTAS,
        ApiKey::DescribeUserScramCredentials => &DESCRIBE_USER_SCRAM_CREDENTIALS,
        ApiKey::AlterUserScramCredentials => &ALTER_USER_SCRAM_CREDENTIALS,
        ApiKey::DescribeQuorum => &DESCRIBE_QUORUM,
        ApiKey::UpdateFeatures => &UPDATE_FEATURES,
        ApiKey::UnregisterBroker => &UNREGISTER_BROKER,
        ApiKey::ListConfigResources => &LIST_CONFIG_RESOURCES,
        _ => return None,
    })
}

const OFFSET_FOR_LEADER_EPOCH: Layout = Layout {
    flexible_from: 4,
    fields: &[
        field(3, Fixed(4)),
        field(
            0,
            Array(&Struct(&[
                field(0, Text),
                field(0, Array(&Struct(&[field(0, Fixed(4)), field(2, Fixed(4)), field(0, Fixed(4))]))),
            ])),
        ),
    ],
};

const DESCRIBE_ACLS: Layout = Layout {
    flexible_from: 2,
    fields: &[
        field(0, Fixed(1)),
        field(0, Text),
        field(1, Fixed(1)),
        field(0, Text),
        field(0, Text),
        field(0, Fixed(1)),
        field(0, Fixed(1)),
    ],
};

/// An ACL to make, and a filter of those to delete, have the same fields.
const ACLS: &[Field] = &[
    field(0, Fixed(1)),
    field(0, Text),
    field(1, Fixed(1)),
    field(0, Text),
    field(0, Text),
    field(0, Fixed(1)),
    field(0, Fixed(1)),
];

const CREATE_ACLS: Layout = Layout { flexible_from: 2, fields: &[field(0, Array(&Struct(ACLS)))] };

const DELETE_ACLS: Layout = Layout { flexible_from: 2, fields: &[field(0, Array(&Struct(ACLS)))] };

const ALTER_REPLICA_LOG_DIRS: Layout = Layout {
    flexible_from: 2,
    fields: &[field(
        0,
        Array(&Struct(&[field(0, Text), field(0, Array(&Struct(&[field(0, Text), field(0, Array(&Fixed(4)))])))])),
    )],
};

const DESCRIBE_LOG_DIRS: Layout =
    Layout { flexible_from: 2, fields: &[field(0, Array(&Struct(&[field(0, Text), field(0, Array(&Fixed(4)))])))] };

const ELECT_LEADERS: Layout = Layout {
    flexible_from: 2,
    fields: &[
        field(1, Fixed(1)),
        field(0, Array(&Struct(&[field(0, Text), field(0, Array(&Fixed(4)))]))),
        field(0, Fixed(4)),
    ],
};

const ALTER_PARTITION_REASSIGNMENTS: Layout = Layout {
    flexible_from: 0,
    fields: &[
        field(0, Fixed(4)),
        field(1, Fixed(1)),
        field(
            0,
            Array(&Struct(&[
                field(0, Text),
                field(0, Array(&Struct(&[field(0, Fixed(4)), field(0, Array(&Fixed(4)))]))),
            ])),
        ),
    ],
};

const LIST_PARTITION_REASSIGNMENTS: Layout = Layout {
    flexible_from: 0,
    fields: &[field(0, Fixed(4)), field(0, Array(&Struct(&[field(0, Text), field(0, Array(&Fixed(4)))])))],
};

const DESCRIBE_CLIENT_QUOTAS: Layout = Layout {
    flexible_from: 1,
    fields: &[field(0, Array(&Struct(&[field(0, Text), field(0, Fixed(1)), field(0, Text)]))), field(0, Fixed(1))],
};

const ALTER_CLIENT_QUOTAS: Layout = Layout {
    flexible_from: 1,
    fields: &[
        field(
            0,
            Array(&Struct(&[
                field(0, Array(&Struct(&[field(0, Text), field(0, Text)]))),
                field(0, Array(&Struct(&[field(0, Text), field(0, Fixed(8)), field(0, Fixed(1))]))),
            ])),
        ),
        field(0, Fixed(1)),
    ],
};

const DESCRIBE_USER_SCRAM_CREDENTIALS: Layout =
    Layout { flexible_from: 0, fields: &[field(0, Array(&Struct(&[field(0, Text)])))] };

const ALTER_USER_SCRAM_CREDENTIALS: Layout = Layout {
    flexible_from: 0,
    fields: &[
        field(0, Array(&Struct(&[field(0, Text), field(0, Fixed(1))]))),
        field(
            0,
            Array(&Struct(&[field(0, Text), field(0, Fixed(1)), field(0, Fixed(4)), field(0, Bytes), field(0, Bytes)])),
        ),
    ],
};

const DESCRIBE_QUORUM: Layout = Layout {
    flexible_from: 0,
    fields: &[field(0, Array(&Struct(&[field(0, Text), field(0, Array(&Struct(&[field(0, Fixed(4))])))])))],
};

const UPDATE_FEATURES: Layout = Layout {
    flexible_from: 0,
    fields: &[
        field(0, Fixed(4)),
        field(0, Array(&Struct(&[field(0, Text), field(0, Fixed(2)), until(0, 0, Fixed(1)), field(1, Fixed(1))]))),
        field(1, Fixed(1)),
    ],
};

const UNREGISTER_BROKER: Layout = Layout { flexible_from: 0, fields: &[field(0, Fixed(4))] };

const LIST_CONFIG_RESOURCES: Layout = Layout { flexible_from: 0, fields: &[field(1, Array(&Fixed(1)))] };
