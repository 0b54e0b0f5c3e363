//! The schemas of the metadata records, from the facts of Kafka 4.3's schema files.

use andiron_protocol::message;
use andiron_protocol::schema::{Bytes, Uuid};

message! {
    /// A broker registered.
    pub struct RegisterBrokerRecord(versions 0..=4, flexible 0..) {
        /// The broker.
        broker_id: i32 [0..],
        /// Never true since ZooKeeper went.
        is_migrating_zk_broker: bool [2..],
        /// Names one run of its process.
        incarnation_id: Uuid [0..],
        /// The offset of this record.
        broker_epoch: i64 [0..],
        /// Where it listens.
        end_points: Vec<Endpoint> [0..],
        /// What it supports.
        features: Vec<SupportedFeature> [0..],
        /// Its rack.
        rack: Option<String> [0..],
        /// Whether it starts fenced.
        fenced: bool [0..] = true,
        /// Whether it is shutting down.
        in_controlled_shutdown: bool [1..],
        /// Its log directories.
        log_dirs: Vec<Uuid> [3.., tag 0],
        /// Those that take no new partitions.
        cordoned_log_dirs: Option<Vec<Uuid>> [4.., tag 1],
    }
    /// An endpoint of a broker or a controller.
    pub struct Endpoint(part) {
        /// Its name.
        name: String [0..],
        /// Host to connect to.
        host: String [0..],
        /// Port to connect to.
        port: u16 [0..],
        /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
        security_protocol: i16 [0..],
    }
    /// A feature, and the levels of it that a node supports.
    pub struct SupportedFeature(part) {
        /// Its name.
        name: String [0..],
        /// The lowest level.
        min_supported_version: i16 [0..],
        /// The highest level.
        max_supported_version: i16 [0..],
    }
    /// A broker is forgotten.
    pub struct UnregisterBrokerRecord(versions 0..=0, flexible 0..) {
        /// The broker.
        broker_id: i32 [0..],
        /// The epoch of its registration.
        broker_epoch: i64 [0..],
    }
    /// A topic.
    pub struct TopicRecord(versions 0..=0, flexible 0..) {
        /// Its name.
        name: String [0..],
        /// Its id.
        topic_id: Uuid [0..],
    }
    /// A partition.
    pub struct PartitionRecord(versions 0..=2, flexible 0..) {
        /// The partition.
        partition_id: i32 [0..] = -1,
        /// Its topic.
        topic_id: Uuid [0..],
        /// The replicas, the preferred leader first.
        replicas: Vec<i32> [0..],
        /// Those in sync.
        isr: Vec<i32> [0..],
        /// Those that go.
        removing_replicas: Vec<i32> [0..],
        /// Those that come.
        adding_replicas: Vec<i32> [0..],
        /// The leader; -1 if there is none.
        leader: i32 [0..] = -1,
        /// 1 while it recovers from an unclean election.
        leader_recovery_state: i8 [0.., tag 0],
        /// Raised with each leader.
        leader_epoch: i32 [0..] = -1,
        /// Raised with each change.
        partition_epoch: i32 [0..] = -1,
        /// Where each replica lies.
        directories: Vec<Uuid> [1..],
        /// Who may lead though out of sync.
        eligible_leader_replicas: Option<Vec<i32>> [2.., tag 1],
        /// Who was eligible before an unclean shutdown.
        last_known_elr: Option<Vec<i32>> [2.., tag 2],
    }
    /// One config of one resource, set or removed.
    pub struct ConfigRecord(versions 0..=0, flexible 0..) {
        /// Kind of resource, as in DescribeConfigs.
        resource_type: i8 [0..],
        /// The resource; empty is the default of all brokers.
        resource_name: String [0..],
        /// The config.
        name: String [0..],
        /// Its value; null removes it.
        value: Option<String> [0..],
    }
    /// What changed of a partition. A change of leader raises the leader epoch, any change the partition epoch.
    pub struct PartitionChangeRecord(versions 0..=2, flexible 0..) {
        /// The partition.
        partition_id: i32 [0..] = -1,
        /// Its topic.
        topic_id: Uuid [0..],
        /// The in-sync replicas; null: as before.
        isr: Option<Vec<i32>> [0.., tag 0],
        /// The leader; -1 none, -2 as before.
        leader: i32 [0.., tag 1] = -2,
        /// The replicas; null: as before.
        replicas: Option<Vec<i32>> [0.., tag 2],
        /// Those that go; null: as before.
        removing_replicas: Option<Vec<i32>> [0.., tag 3],
        /// Those that come; null: as before.
        adding_replicas: Option<Vec<i32>> [0.., tag 4],
        /// 1 while it recovers from an unclean election; -1: as before.
        leader_recovery_state: i8 [0.., tag 5] = -1,
        /// Where each replica lies; null: as before.
        directories: Option<Vec<Uuid>> [1.., tag 8],
        /// Who may lead though out of sync; null: as before.
        eligible_leader_replicas: Option<Vec<i32>> [2.., tag 6],
        /// Who was eligible before an unclean shutdown; null: as before.
        last_known_elr: Option<Vec<i32>> [2.., tag 7],
    }
    /// A broker is fenced (metadata versions before 3.3).
    pub struct FenceBrokerRecord(versions 0..=0, flexible 0..) {
        /// The broker.
        id: i32 [0..],
        /// The epoch of its registration.
        epoch: i64 [0..],
    }
    /// A broker is no longer fenced (metadata versions before 3.3).
    pub struct UnfenceBrokerRecord(versions 0..=0, flexible 0..) {
        /// The broker.
        id: i32 [0..],
        /// The epoch of its registration.
        epoch: i64 [0..],
    }
    /// A topic is deleted, and its partitions and configs with it.
    pub struct RemoveTopicRecord(versions 0..=0, flexible 0..) {
        /// The topic.
        topic_id: Uuid [0..],
    }
    /// A delegation token.
    pub struct DelegationTokenRecord(versions 0..=0, flexible 0..) {
        /// Who may use it.
        owner: String [0..],
        /// Who asked for it.
        requester: String [0..],
        /// Who may renew it.
        renewers: Vec<String> [0..],
        /// When it was made.
        issue_timestamp: i64 [0..],
        /// Until when it may be renewed.
        max_timestamp: i64 [0..],
        /// Until when it is good.
        expiration_timestamp: i64 [0..],
        /// Its id.
        token_id: String [0..],
    }
    /// A SCRAM credential of a user.
    pub struct UserScramCredentialRecord(versions 0..=0, flexible 0..) {
        /// The user.
        name: String [0..],
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 [0..],
        /// The salt.
        salt: Bytes [0..],
        /// The stored key.
        stored_key: Bytes [0..],
        /// The server key.
        server_key: Bytes [0..],
        /// How often it is hashed.
        iterations: i32 [0..],
    }
    /// The finalised level of a feature.
    pub struct FeatureLevelRecord(versions 0..=0, flexible 0..) {
        /// The feature.
        name: String [0..],
        /// Its level; 0 removes it.
        feature_level: i16 [0..],
    }
    /// A quota, set or removed.
    pub struct ClientQuotaRecord(versions 0..=0, flexible 0..) {
        /// To whom it applies.
        entity: Vec<QuotaEntity> [0..],
        /// The quota.
        key: String [0..],
        /// Its value.
        value: f64 [0..],
        /// Whether it is removed.
        remove: bool [0..],
    }
    /// To whom a quota applies.
    pub struct QuotaEntity(part) {
        /// `user`, `client-id` or `ip`.
        entity_type: String [0..],
        /// Its name; null is the default.
        entity_name: Option<String> [0..],
    }
    /// A block of producer ids was given away.
    pub struct ProducerIdsRecord(versions 0..=0, flexible 0..) {
        /// To whom.
        broker_id: i32 [0..],
        /// The epoch of its registration.
        broker_epoch: i64 [0..] = -1,
        /// The first id of the next block.
        next_producer_id: i64 [0..],
    }
    /// What changed of a broker that is registered.
    pub struct BrokerRegistrationChangeRecord(versions 0..=3, flexible 0..) {
        /// The broker.
        broker_id: i32 [0..],
        /// The epoch of its registration.
        broker_epoch: i64 [0..],
        /// -1 unfenced, 0 as before, 1 fenced.
        fenced: i8 [0.., tag 0],
        /// 0 as before, 1 it is shutting down.
        in_controlled_shutdown: i8 [1.., tag 1],
        /// Its log directories; empty: as before.
        log_dirs: Vec<Uuid> [2.., tag 2],
        /// The directories that take no new partitions; null: as before.
        cordoned_log_dirs: Option<Vec<Uuid>> [3.., tag 3],
    }
    /// An ACL.
    pub struct AccessControlEntryRecord(versions 0..=0, flexible 0..) {
        /// Its id.
        id: Uuid [0..],
        /// Number of the kind of resource.
        resource_type: i8 [0..],
        /// Name or prefix of the resource.
        resource_name: String [0..],
        /// Whether the name is literal (3) or a prefix (4).
        pattern_type: i8 [0..],
        /// Whom it concerns, `User:name`.
        principal: String [0..],
        /// From where, or `*`.
        host: String [0..],
        /// Number of the operation.
        operation: i8 [0..],
        /// Deny (2) or allow (3).
        permission_type: i8 [0..],
    }
    /// An ACL is removed.
    pub struct RemoveAccessControlEntryRecord(versions 0..=0, flexible 0..) {
        /// Its id.
        id: Uuid [0..],
    }
    /// Says only that the controller lives.
    pub struct NoOpRecord(versions 0..=0, flexible 0..) {
    }
    /// Where the way from ZooKeeper ended, in logs of old clusters.
    pub struct ZkMigrationStateRecord(versions 0..=0, flexible 0..) {
        /// The state.
        zk_migration_state: i8 [0..],
    }
    /// A SCRAM credential is removed.
    pub struct RemoveUserScramCredentialRecord(versions 0..=0, flexible 0..) {
        /// The user.
        name: String [0..],
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 [0..],
    }
    /// The records up to the end of the transaction count together or not at all.
    pub struct BeginTransactionRecord(versions 0..=0, flexible 0..) {
        /// What for, for people.
        name: Option<String> [0.., tag 0],
    }
    /// Ends a transaction; its records count now.
    pub struct EndTransactionRecord(versions 0..=0, flexible 0..) {
    }
    /// Ends a transaction of metadata records; nothing since its beginning counts.
    pub struct AbortTransactionRecord(versions 0..=0, flexible 0..) {
        /// Why, for people.
        reason: Option<String> [0.., tag 0],
    }
    /// A delegation token is removed.
    pub struct RemoveDelegationTokenRecord(versions 0..=0, flexible 0..) {
        /// Its id.
        token_id: String [0..],
    }
    /// A controller registered.
    pub struct RegisterControllerRecord(versions 0..=0, flexible 0..) {
        /// The controller.
        controller_id: i32 [0..],
        /// Names one run of its process.
        incarnation_id: Uuid [0..],
        /// Never true since ZooKeeper went.
        zk_migration_ready: bool [0..],
        /// Where it listens.
        end_points: Vec<Endpoint> [0..],
        /// What it supports.
        features: Vec<SupportedFeature> [0..],
    }
    /// Forgets the eligible leader replicas of a topic, or of all.
    pub struct ClearElrRecord(versions 0..=0, flexible 0..) {
        /// The topic; empty: all.
        topic_name: String [0..],
    }
}

impl BrokerRegistrationChangeRecord {
    /// The version that has every field which is set.
    pub(super) fn version(&self) -> i16 {
        if self.cordoned_log_dirs.is_some() {
            3
        } else if !self.log_dirs.is_empty() {
            2
        } else {
            i16::from(self.in_controlled_shutdown != 0)
        }
    }
}
