//! What each offered request looks like on the wire, as far as lengths go: the guard walks a request by these before
//! anything is allocated for it. One line a field, in the order of Kafka's message definitions.

mod admin;

use super::Kind::{Array, Bytes, Fixed, Optional, Struct, Text};
use super::{Layout, field, until};
use crate::messages::ApiKey;

/// The layout of a request, if this broker offers its API.
pub(super) fn layout(key: ApiKey) -> Option<&'static Layout> {
    Some(match key {
        ApiKey::Produce => &PRODUCE,
        ApiKey::Fetch => &FETCH,
        ApiKey::ListOffsets => &LIST_OFFSETS,
        ApiKey::Metadata => &METADATA,
        ApiKey::OffsetCommit => &OFFSET_COMMIT,
        ApiKey::OffsetFetch => &OFFSET_FETCH,
        ApiKey::FindCoordinator => &FIND_COORDINATOR,
        ApiKey::JoinGroup => &JOIN_GROUP,
        ApiKey::Heartbeat => &HEARTBEAT,
        ApiKey::LeaveGroup => &LEAVE_GROUP,
        ApiKey::SyncGroup => &SYNC_GROUP,
        ApiKey::DescribeGroups => &DESCRIBE_GROUPS,
        ApiKey::ListGroups => &LIST_GROUPS,
        ApiKey::ApiVersions => &API_VERSIONS,
        ApiKey::CreateTopics => &CREATE_TOPICS,
        ApiKey::DeleteTopics => &DELETE_TOPICS,
        ApiKey::DeleteRecords => &DELETE_RECORDS,
        ApiKey::InitProducerId => &INIT_PRODUCER_ID,
        ApiKey::DescribeConfigs => &DESCRIBE_CONFIGS,
        ApiKey::AlterConfigs => &ALTER_CONFIGS,
        ApiKey::CreatePartitions => &CREATE_PARTITIONS,
        ApiKey::DeleteGroups => &DELETE_GROUPS,
        ApiKey::IncrementalAlterConfigs => &INCREMENTAL_ALTER_CONFIGS,
        ApiKey::OffsetDelete => &OFFSET_DELETE,
        ApiKey::DescribeCluster => &DESCRIBE_CLUSTER,
        ApiKey::AddPartitionsToTxn => &ADD_PARTITIONS_TO_TXN,
        ApiKey::AddOffsetsToTxn => &ADD_OFFSETS_TO_TXN,
        ApiKey::EndTxn => &END_TXN,
        ApiKey::WriteTxnMarkers => &WRITE_TXN_MARKERS,
        ApiKey::TxnOffsetCommit => &TXN_OFFSET_COMMIT,
        ApiKey::DescribeProducers => &DESCRIBE_PRODUCERS,
        ApiKey::DescribeTransactions => &DESCRIBE_TRANSACTIONS,
        ApiKey::ListTransactions => &LIST_TRANSACTIONS,
        ApiKey::ConsumerGroupHeartbeat => &CONSUMER_GROUP_HEARTBEAT,
        ApiKey::ConsumerGroupDescribe => &CONSUMER_GROUP_DESCRIBE,
        ApiKey::DescribeTopicPartitions => &DESCRIBE_TOPIC_PARTITIONS,
        _ => return admin::layout(key),
    })
}

const PRODUCE: Layout = Layout {
    flexible_from: 9,
    fields: &[
        field(3, Text),
        field(0, Fixed(2)),
        field(0, Fixed(4)),
        field(
            0,
            Array(&Struct(&[
                until(0, 12, Text),
                field(13, Fixed(16)),
                field(0, Array(&Struct(&[field(0, Fixed(4)), field(0, Bytes)]))),
            ])),
        ),
    ],
};

const FETCH: Layout = Layout {
    flexible_from: 12,
    fields: &[
        super::tagged(12, 0, Text),
        until(0, 14, Fixed(4)),
        super::tagged(15, 1, Struct(&[field(15, Fixed(4)), field(15, Fixed(8))])),
        field(0, Fixed(4)),
        field(0, Fixed(4)),
        field(3, Fixed(4)),
        field(4, Fixed(1)),
        field(7, Fixed(4)),
        field(7, Fixed(4)),
        field(
            0,
            Array(&Struct(&[
                until(0, 12, Text),
                field(13, Fixed(16)),
                field(
                    0,
                    Array(&Struct(&[
                        field(0, Fixed(4)),
                        field(9, Fixed(4)),
                        field(0, Fixed(8)),
                        field(12, Fixed(4)),
                        field(5, Fixed(8)),
                        field(0, Fixed(4)),
                        super::tagged(17, 0, Fixed(16)),
                        super::tagged(18, 1, Fixed(8)),
                    ])),
                ),
            ])),
        ),
        field(7, Array(&Struct(&[until(7, 12, Text), field(13, Fixed(16)), field(7, Array(&Fixed(4)))]))),
        field(11, Text),
    ],
};

const LIST_OFFSETS: Layout = Layout {
    flexible_from: 6,
    fields: &[
        field(0, Fixed(4)),
        field(2, Fixed(1)),
        field(
            0,
            Array(&Struct(&[
                field(0, Text),
                field(0, Array(&Struct(&[field(0, Fixed(4)), field(4, Fixed(4)), field(0, Fixed(8))]))),
            ])),
        ),
        field(10, Fixed(4)),
    ],
};

const METADATA: Layout = Layout {
    flexible_from: 9,
    fields: &[
        field(0, Array(&Struct(&[field(10, Fixed(16)), field(0, Text)]))),
        field(4, Fixed(1)),
        until(8, 10, Fixed(1)),
        field(8, Fixed(1)),
    ],
};

const OFFSET_COMMIT: Layout = Layout {
    flexible_from: 8,
    fields: &[
        field(0, Text),
        field(1, Fixed(4)),
        field(1, Text),
        field(7, Text),
        until(2, 4, Fixed(8)),
        field(
            0,
            Array(&Struct(&[
                until(0, 9, Text),
                field(10, Fixed(16)),
                field(0, Array(&Struct(&[field(0, Fixed(4)), field(0, Fixed(8)), field(6, Fixed(4)), field(0, Text)]))),
            ])),
        ),
    ],
};

const OFFSET_FETCH: Layout = Layout {
    flexible_from: 6,
    fields: &[
        until(0, 7, Text),
        until(0, 7, Array(&Struct(&[until(0, 7, Text), until(0, 7, Array(&Fixed(4)))]))),
        field(
            8,
            Array(&Struct(&[
                field(8, Text),
                field(9, Text),
                field(9, Fixed(4)),
                field(8, Array(&Struct(&[until(8, 9, Text), field(10, Fixed(16)), field(8, Array(&Fixed(4)))]))),
            ])),
        ),
        field(7, Fixed(1)),
    ],
};

const FIND_COORDINATOR: Layout =
    Layout { flexible_from: 3, fields: &[until(0, 3, Text), field(1, Fixed(1)), field(4, Array(&Text))] };

const JOIN_GROUP: Layout = Layout {
    flexible_from: 6,
    fields: &[
        field(0, Text),
        field(0, Fixed(4)),
        field(1, Fixed(4)),
        field(0, Text),
        field(5, Text),
        field(0, Text),
        field(0, Array(&Struct(&[field(0, Text), field(0, Bytes)]))),
        field(8, Text),
    ],
};

const HEARTBEAT: Layout =
    Layout { flexible_from: 4, fields: &[field(0, Text), field(0, Fixed(4)), field(0, Text), field(3, Text)] };

const LEAVE_GROUP: Layout = Layout {
    flexible_from: 4,
    fields: &[
        field(0, Text),
        until(0, 2, Text),
        field(3, Array(&Struct(&[field(3, Text), field(3, Text), field(5, Text)]))),
    ],
};

const SYNC_GROUP: Layout = Layout {
    flexible_from: 4,
    fields: &[
        field(0, Text),
        field(0, Fixed(4)),
        field(0, Text),
        field(3, Text),
        field(5, Text),
        field(5, Text),
        field(0, Array(&Struct(&[field(0, Text), field(0, Bytes)]))),
    ],
};

const DESCRIBE_GROUPS: Layout = Layout { flexible_from: 5, fields: &[field(0, Array(&Text)), field(3, Fixed(1))] };

const LIST_GROUPS: Layout = Layout { flexible_from: 3, fields: &[field(4, Array(&Text)), field(5, Array(&Text))] };

const API_VERSIONS: Layout = Layout { flexible_from: 3, fields: &[field(3, Text), field(3, Text)] };

const CREATE_TOPICS: Layout = Layout {
    flexible_from: 5,
    fields: &[
        field(
            0,
            Array(&Struct(&[
                field(0, Text),
                field(0, Fixed(4)),
                field(0, Fixed(2)),
                field(0, Array(&Struct(&[field(0, Fixed(4)), field(0, Array(&Fixed(4)))]))),
                field(0, Array(&Struct(&[field(0, Text), field(0, Text)]))),
            ])),
        ),
        field(0, Fixed(4)),
        field(1, Fixed(1)),
    ],
};

const DELETE_TOPICS: Layout = Layout {
    flexible_from: 4,
    fields: &[
        field(6, Array(&Struct(&[field(6, Text), field(6, Fixed(16))]))),
        until(0, 5, Array(&Text)),
        field(0, Fixed(4)),
    ],
};

const DELETE_RECORDS: Layout = Layout {
    flexible_from: 2,
    fields: &[
        field(
            0,
            Array(&Struct(&[field(0, Text), field(0, Array(&Struct(&[field(0, Fixed(4)), field(0, Fixed(8))])))])),
        ),
        field(0, Fixed(4)),
    ],
};

const INIT_PRODUCER_ID: Layout = Layout {
    flexible_from: 2,
    fields: &[
        field(0, Text),
        field(0, Fixed(4)),
        field(3, Fixed(8)),
        field(3, Fixed(2)),
        field(6, Fixed(1)),
        field(6, Fixed(1)),
    ],
};

const DESCRIBE_CONFIGS: Layout = Layout {
    flexible_from: 4,
    fields: &[
        field(0, Array(&Struct(&[field(0, Fixed(1)), field(0, Text), field(0, Array(&Text))]))),
        field(1, Fixed(1)),
        field(3, Fixed(1)),
    ],
};

const ALTER_CONFIGS: Layout = Layout {
    flexible_from: 2,
    fields: &[
        field(
            0,
            Array(&Struct(&[
                field(0, Fixed(1)),
                field(0, Text),
                field(0, Array(&Struct(&[field(0, Text), field(0, Text)]))),
            ])),
        ),
        field(0, Fixed(1)),
    ],
};

const CREATE_PARTITIONS: Layout = Layout {
    flexible_from: 2,
    fields: &[
        field(
            0,
            Array(&Struct(&[
                field(0, Text),
                field(0, Fixed(4)),
                field(0, Array(&Struct(&[field(0, Array(&Fixed(4)))]))),
            ])),
        ),
        field(0, Fixed(4)),
        field(0, Fixed(1)),
    ],
};

const DELETE_GROUPS: Layout = Layout { flexible_from: 2, fields: &[field(0, Array(&Text))] };

const INCREMENTAL_ALTER_CONFIGS: Layout = Layout {
    flexible_from: 1,
    fields: &[
        field(
            0,
            Array(&Struct(&[
                field(0, Fixed(1)),
                field(0, Text),
                field(0, Array(&Struct(&[field(0, Text), field(0, Fixed(1)), field(0, Text)]))),
            ])),
        ),
        field(0, Fixed(1)),
    ],
};

const DESCRIBE_CLUSTER: Layout =
    Layout { flexible_from: 0, fields: &[field(0, Fixed(1)), field(1, Fixed(1)), field(2, Fixed(1))] };

const DESCRIBE_TOPIC_PARTITIONS: Layout = Layout {
    flexible_from: 0,
    fields: &[
        field(0, Array(&Struct(&[field(0, Text)]))),
        field(0, Fixed(4)),
        field(0, Optional(&[field(0, Text), field(0, Fixed(4))])),
    ],
};

const ADD_PARTITIONS_TO_TXN: Layout = Layout {
    flexible_from: 3,
    fields: &[
        field(
            4,
            Array(&Struct(&[
                field(4, Text),
                field(4, Fixed(8)),
                field(4, Fixed(2)),
                field(4, Fixed(1)),
                field(4, Array(&Struct(&[field(0, Text), field(0, Array(&Fixed(4)))]))),
            ])),
        ),
        until(0, 3, Text),
        until(0, 3, Fixed(8)),
        until(0, 3, Fixed(2)),
        until(0, 3, Array(&Struct(&[field(0, Text), field(0, Array(&Fixed(4)))]))),
    ],
};

const ADD_OFFSETS_TO_TXN: Layout =
    Layout { flexible_from: 3, fields: &[field(0, Text), field(0, Fixed(8)), field(0, Fixed(2)), field(0, Text)] };

const END_TXN: Layout =
    Layout { flexible_from: 3, fields: &[field(0, Text), field(0, Fixed(8)), field(0, Fixed(2)), field(0, Fixed(1))] };

const WRITE_TXN_MARKERS: Layout = Layout {
    flexible_from: 1,
    fields: &[field(
        0,
        Array(&Struct(&[
            field(0, Fixed(8)),
            field(0, Fixed(2)),
            field(0, Fixed(1)),
            field(0, Array(&Struct(&[field(0, Text), field(0, Array(&Fixed(4)))]))),
            field(0, Fixed(4)),
        ])),
    )],
};

const TXN_OFFSET_COMMIT: Layout = Layout {
    flexible_from: 3,
    fields: &[
        field(0, Text),
        field(0, Text),
        field(0, Fixed(8)),
        field(0, Fixed(2)),
        field(3, Fixed(4)),
        field(3, Text),
        field(3, Text),
        field(
            0,
            Array(&Struct(&[
                field(0, Text),
                field(0, Array(&Struct(&[field(0, Fixed(4)), field(0, Fixed(8)), field(2, Fixed(4)), field(0, Text)]))),
            ])),
        ),
    ],
};

const DESCRIBE_PRODUCERS: Layout =
    Layout { flexible_from: 0, fields: &[field(0, Array(&Struct(&[field(0, Text), field(0, Array(&Fixed(4)))])))] };

const DESCRIBE_TRANSACTIONS: Layout = Layout { flexible_from: 0, fields: &[field(0, Array(&Text))] };

const LIST_TRANSACTIONS: Layout = Layout {
    flexible_from: 0,
    fields: &[field(0, Array(&Text)), field(0, Array(&Fixed(8))), field(1, Fixed(8)), field(2, Text)],
};

const OFFSET_DELETE: Layout = Layout {
    flexible_from: i16::MAX,
    fields: &[
        field(0, Text),
        field(0, Array(&Struct(&[field(0, Text), field(0, Array(&Struct(&[field(0, Fixed(4))])))]))),
    ],
};

const CONSUMER_GROUP_HEARTBEAT: Layout = Layout {
    flexible_from: 0,
    fields: &[
        field(0, Text),
        field(0, Text),
        field(0, Fixed(4)),
        field(0, Text),
        field(0, Text),
        field(0, Fixed(4)),
        field(0, Array(&Text)),
        field(1, Text),
        field(0, Text),
        field(0, Array(&Struct(&[field(0, Fixed(16)), field(0, Array(&Fixed(4)))]))),
    ],
};

const CONSUMER_GROUP_DESCRIBE: Layout =
    Layout { flexible_from: 0, fields: &[field(0, Array(&Text)), field(0, Fixed(1))] };
