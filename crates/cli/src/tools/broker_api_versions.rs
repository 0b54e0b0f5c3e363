//! `kafka-broker-api-versions` (`org.apache.kafka.tools.BrokerApiVersionsCommand`).

use std::collections::BTreeMap;

use andiron_client::Admin;
use andiron_client::admin::NodeVersions;
use serde_json::json;

use super::failure::{Stop, Thrown};
use super::options::{Given, Spec, value};
use super::print::{Rows, say};
use super::session::{admin_of, block_on};

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-broker-api-versions",
    about: "This tool helps to retrieve broker version information.",
    json: true,
    flags: &[
        value("command-config", "file", "Properties for the admin client."),
        value("bootstrap-server", "host:port,...", "Where the cluster is. Required."),
    ],
};

/// Kafka's APIs: the number, the name, the newest version that Apache Kafka's tool speaks (-1: none any more), and whether
/// it is one for clients, which is named even where a broker does not have it.
const APIS: &[(i16, &str, i16, bool)] = &[
    (0, "Produce", 13, true),
    (1, "Fetch", 18, true),
    (2, "ListOffsets", 11, true),
    (3, "Metadata", 13, true),
    (4, "LeaderAndIsr", -1, false),
    (5, "StopReplica", -1, false),
    (6, "UpdateMetadata", -1, false),
    (7, "ControlledShutdown", -1, false),
    (8, "OffsetCommit", 10, true),
    (9, "OffsetFetch", 10, true),
    (10, "FindCoordinator", 6, true),
    (11, "JoinGroup", 9, true),
    (12, "Heartbeat", 4, true),
    (13, "LeaveGroup", 5, true),
    (14, "SyncGroup", 5, true),
    (15, "DescribeGroups", 6, true),
    (16, "ListGroups", 5, true),
    (17, "SaslHandshake", 1, true),
    (18, "ApiVersions", 4, true),
    (19, "CreateTopics", 7, true),
    (20, "DeleteTopics", 6, true),
    (21, "DeleteRecords", 2, true),
    (22, "InitProducerId", 6, true),
    (23, "OffsetForLeaderEpoch", 4, true),
    (24, "AddPartitionsToTxn", 5, true),
    (25, "AddOffsetsToTxn", 4, true),
    (26, "EndTxn", 5, true),
    (27, "WriteTxnMarkers", 2, true),
    (28, "TxnOffsetCommit", 5, true),
    (29, "DescribeAcls", 3, true),
    (30, "CreateAcls", 3, true),
    (31, "DeleteAcls", 3, true),
    (32, "DescribeConfigs", 4, true),
    (33, "AlterConfigs", 2, true),
    (34, "AlterReplicaLogDirs", 2, true),
    (35, "DescribeLogDirs", 5, true),
    (36, "SaslAuthenticate", 2, true),
    (37, "CreatePartitions", 3, true),
    (38, "CreateDelegationToken", 3, true),
    (39, "RenewDelegationToken", 2, true),
    (40, "ExpireDelegationToken", 2, true),
    (41, "DescribeDelegationToken", 3, true),
    (42, "DeleteGroups", 2, true),
    (43, "ElectLeaders", 2, true),
    (44, "IncrementalAlterConfigs", 1, true),
    (45, "AlterPartitionReassignments", 1, true),
    (46, "ListPartitionReassignments", 0, true),
    (47, "OffsetDelete", 0, true),
    (48, "DescribeClientQuotas", 1, true),
    (49, "AlterClientQuotas", 1, true),
    (50, "DescribeUserScramCredentials", 0, true),
    (51, "AlterUserScramCredentials", 0, true),
    (52, "Vote", 2, false),
    (53, "BeginQuorumEpoch", 1, false),
    (54, "EndQuorumEpoch", 1, false),
    (55, "DescribeQuorum", 2, true),
    (56, "AlterPartition", 3, false),
    (57, "UpdateFeatures", 2, true),
    (58, "Envelope", 0, false),
    (59, "FetchSnapshot", 1, false),
    (60, "DescribeCluster", 2, true),
    (61, "DescribeProducers", 0, true),
    (62, "BrokerRegistration", 4, false),
    (63, "BrokerHeartbeat", 2, false),
    (64, "UnregisterBroker", 0, true),
    (65, "DescribeTransactions", 0, true),
    (66, "ListTransactions", 2, true),
    (67, "AllocateProducerIds", 0, false),
    (68, "ConsumerGroupHeartbeat", 1, true),
    (69, "ConsumerGroupDescribe", 1, true),
    (70, "ControllerRegistration", 0, false),
    (71, "GetTelemetrySubscriptions", 0, true),
    (72, "PushTelemetry", 0, true),
    (73, "AssignReplicasToDirs", 0, false),
    (74, "ListConfigResources", 1, true),
    (75, "DescribeTopicPartitions", 0, true),
    (76, "ShareGroupHeartbeat", 1, true),
    (77, "ShareGroupDescribe", 1, true),
    (78, "ShareFetch", 2, true),
    (79, "ShareAcknowledge", 2, true),
    (80, "AddRaftVoter", 1, true),
    (81, "RemoveRaftVoter", 0, true),
    (82, "UpdateRaftVoter", 0, false),
    (83, "InitializeShareGroupState", 0, true),
    (84, "ReadShareGroupState", 0, true),
    (85, "WriteShareGroupState", 1, true),
    (86, "DeleteShareGroupState", 0, true),
    (87, "ReadShareGroupStateSummary", 1, true),
    (88, "StreamsGroupHeartbeat", 0, true),
    (89, "StreamsGroupDescribe", 0, true),
    (90, "DescribeShareGroupOffsets", 1, true),
    (91, "AlterShareGroupOffsets", 0, true),
    (92, "DeleteShareGroupOffsets", 0, true),
];

pub(super) fn run(args: &[String]) -> u8 {
    let outcome = prepare(args)
        .and_then(|(given, admin)| block_on(show(&given, &admin)).unwrap_or_else(|thrown| Err(thrown.into())));
    SPEC.end(outcome, Thrown::told)
}

fn prepare(args: &[String]) -> Result<(Given, Admin), Stop> {
    let given = SPEC.parse(args)?;
    SPEC.begin(&given)?;
    given.require(&["bootstrap-server"])?;
    // The original has a client of its own for this, whose addresses are checked without a wrapping.
    let admin = admin_of(&given).map_err(|thrown| thrown.cause.map_or_else(|| Thrown::illegal(""), |cause| *cause))?;
    Ok((given, admin))
}

async fn show(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let mut rows = Rows::default();
    for (broker, versions) in admin.broker_versions().await? {
        let rack = broker.rack.as_deref().unwrap_or("null");
        let node = format!("{} (id: {} rack: {rack} isFenced: false)", broker.address, broker.id);
        match versions {
            Ok(versions) if given.json() => {
                for (key, least, most) in &versions.apis {
                    let name = APIS.iter().find(|(known, ..)| known == key).map(|(_, name, ..)| *name);
                    rows.row([
                        ("broker", json!(broker.id)),
                        ("apiKey", json!(key)),
                        ("api", json!(name)),
                        ("minVersion", json!(least)),
                        ("maxVersion", json!(most)),
                    ]);
                }
            }
            Ok(versions) => say(format_args!("{node} -> (\n\t{}\n)", lines(&versions).join(",\n\t"))),
            Err(error) => say(format_args!("{node} -> ERROR: {}", Thrown::from(error).in_execution().text())),
        }
    }
    if given.json() {
        rows.print();
    }
    Ok(())
}

fn lines(versions: &NodeVersions) -> Vec<String> {
    let mut lines: BTreeMap<i16, String> = BTreeMap::new();
    for (key, least, most) in &versions.apis {
        let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let line = match APIS.iter().find(|(known, ..)| known == key) {
            None => format!("UNKNOWN({key}): {range}"),
            Some((_, name, newest, _)) => {
                let usable = if newest < least {
                    "unusable: node too new".to_owned()
                } else {
                    format!("usable: {}", newest.min(most))
                };
                format!("{name}({key}): {range} [{usable}]")
            }
        };
        lines.insert(*key, line);
    }
    for (key, name, _, of_clients) in APIS {
        if *of_clients {
            lines.entry(*key).or_insert_with(|| format!("{name}({key}): UNSUPPORTED"));
        }
    }
    lines.into_values().collect()
}
