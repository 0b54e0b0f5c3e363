//! One file per API. A handler asks whether it may, reads the one image, and either answers at once or hands the owed
//! answer on to whatever it waits for; it never touches a log.

mod acls;
mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod api_versions;
mod client_quotas;
mod cluster;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_records;
mod delete_topics;
mod describe_producers;
mod describe_quorum;
mod describe_transactions;
mod elect_leaders;
mod end_txn;
mod fetch;
mod find_coordinator;
mod groups;
mod init_producer_id;
mod list_config_resources;
mod list_offsets;
mod list_transactions;
mod log_dirs;
mod metadata;
mod named;
mod offset_for_leader_epoch;
mod partition_reassignments;
mod produce;
mod scram_credentials;
mod topic_partitions;
mod txn_offset_commit;
mod unregister_broker;
mod update_features;
mod write_txn_markers;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use andiron_metadata::controller;
use andiron_protocol::ErrorCode;
use andiron_protocol::api::{self, Offered};
use andiron_protocol::frame::{self, FrameError, Header};
use andiron_protocol::kafka::protocol::{Encodable, HeaderVersion, Request, StrBytes};
use andiron_protocol::messages::ApiKey;

use crate::answer::{Answer, Reply};
use crate::node::Node;
use crate::quotas::{Flow, Quotas};
use crate::session::{Door, Session};
use crate::topics::Snapshot;

pub(crate) use fetch::DelayedFetch;

/// Why a request is not even answered: its connection is closed, with a log line that says this.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The frame is no request.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// An API that this listener does not offer.
    #[error("API key {0} is not offered by this listener")]
    UnknownApi(i16),
    /// A version that is not offered.
    #[error("{key:?} is not offered in version {version}")]
    UnsupportedVersion {
        /// The API.
        key: ApiKey,
        /// What was asked for.
        version: i16,
    },
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// What a handler knows of the request besides its body.
pub(crate) struct Call<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) session: &'a Session,
    pub(crate) now: i64,
    pub(crate) version: i16,
    pub(crate) client_id: StrBytes,
}

/// An answer that is owed: where it goes and in which version.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) correlation_id: i32,
    pub(crate) version: i16,
    /// For how many milliseconds whoever asked is to wait before the next request.
    pub(crate) throttle_ms: i32,
    pub(crate) reply: Reply,
}

impl Owed {
    /// Pays.
    pub(crate) fn send<A: Encodable + HeaderVersion>(self, answer: &A) {
        match frame::encode(self.correlation_id, self.version, answer) {
            Ok(bytes) => self.reply.send(Answer::bytes(bytes)),
            Err(error) => {
                tracing::error!(version = self.version, %error, answer = std::any::type_name::<A>(), "cannot answer");
                self.reply.send(Answer::Close);
            }
        }
    }
}

/// Takes one request: decides at once whether it can be answered at all.
pub(crate) fn handle(node: &Arc<Node>, session: &Session, frame: Bytes, now: i64, reply: Reply) -> Result<(), Refusal> {
    let frame_bytes = frame.len();
    let (header, body) = frame::read(frame)?;
    let table: &'static [Offered] = match session.door {
        Door::Broker => api::BROKER,
        Door::Controller => api::CONTROLLER,
    };
    let Some(offered) = api::find(table, header.key) else { return Err(Refusal::UnknownApi(header.key)) };
    let Header { version, correlation_id, client_id, .. } = header;
    if !offered.has(version) {
        if offered.key == ApiKey::ApiVersions {
            // The one request that is answered in any version: the client learns here what it may ask.
            api_versions::unsupported(table, Owed { correlation_id, version: 0, throttle_ms: 0, reply });
            return Ok(());
        }
        return Err(Refusal::UnsupportedVersion { key: offered.key, version });
    }
    let call = Call { node, session, now, version, client_id: client_id.unwrap_or_default() };
    let throttle_ms = throttle(&call, offered.key, frame_bytes);
    let owed = Owed { correlation_id, version, throttle_ms, reply };
    if !Quotas::measures_time(&node.snapshot().image, &session.principal.name, &call.client_id) {
        return dispatch(offered.key, &call, body, owed, table);
    }
    let began = Instant::now();
    let done = dispatch(offered.key, &call, body, owed, table);
    call.over_quota(Flow::Time, began.elapsed().as_secs_f64() * 100.0);
    done
}

impl Call<'_> {
    /// Counts towards a quota of the client's, does not read from it while it is over it, and says for how many milliseconds.
    fn over_quota(&self, flow: Flow, amount: f64) -> i32 {
        let snapshot = self.node.snapshot();
        let user = &self.session.principal.name;
        self.wait(self.node.quotas().record(&snapshot.image, flow, user, &self.client_id, amount, self.now))
    }

    /// Does not read from the client for so many milliseconds; they are what its answer says.
    fn wait(&self, ms: i64) -> i32 {
        if ms > 0 {
            self.session.mute_until(self.now + ms);
        }
        i32::try_from(ms).unwrap_or(i32::MAX)
    }
}

/// Counts what is written, and says for how long whoever writes or reads is to wait. What is read is counted when it is there.
fn throttle(call: &Call<'_>, key: ApiKey, frame_bytes: usize) -> i32 {
    match key {
        ApiKey::Produce => call.over_quota(Flow::Produce, frame_bytes as f64),
        ApiKey::Fetch => call.over_quota(Flow::Fetch, 0.0),
        _ => 0,
    }
}

/// Keeps those of the topics whose partitions their client may make or delete now (KIP-599), and gives back the others and for
/// how many milliseconds to wait. Only requests from version `strict_from` on can be refused.
fn within_quota<T>(
    call: &Call<'_>,
    topics: &mut Vec<T>,
    strict_from: i16,
    partitions: impl Fn(&Snapshot, &T) -> usize,
) -> (Vec<T>, i32) {
    let snapshot = call.node.snapshot();
    let who = (&*call.session.principal.name, call.client_id.as_str());
    let mut wait = 0;
    let refused = topics.extract_if(.., |topic| {
        let count = partitions(&snapshot, topic);
        let change = call.node.quotas().change(&snapshot.image, who, count, call.version >= strict_from, call.now);
        wait = wait.max(change.unwrap_or_else(|ms| ms));
        change.is_err()
    });
    let refused = refused.collect();
    (refused, call.wait(wait))
}

/// What is said of a topic that is not changed now.
const OVER_QUOTA: &str = "The throttling quota has been exceeded.";

fn decoded<R: Request>(call: &Call<'_>, body: Bytes) -> Result<R, FrameError> {
    frame::decode::<R>(call.version, body)
}

fn dispatch(key: ApiKey, call: &Call<'_>, body: Bytes, owed: Owed, table: &'static [Offered]) -> Result<(), Refusal> {
    match key {
        ApiKey::Produce => produce::handle(call, decoded(call, body)?, owed),
        ApiKey::Fetch => fetch::handle(call, decoded(call, body)?, owed),
        ApiKey::ListOffsets => list_offsets::handle(call, decoded(call, body)?, owed),
        ApiKey::Metadata => metadata::handle(call, decoded(call, body)?, owed),
        ApiKey::OffsetCommit => groups::offset_commit(call, decoded(call, body)?, owed),
        ApiKey::OffsetFetch => groups::offset_fetch(call, decoded(call, body)?, owed),
        ApiKey::FindCoordinator => find_coordinator::handle(call, decoded(call, body)?, owed),
        ApiKey::JoinGroup => groups::join(call, decoded(call, body)?, owed),
        ApiKey::Heartbeat => groups::heartbeat(call, decoded(call, body)?, owed),
        ApiKey::LeaveGroup => groups::leave(call, decoded(call, body)?, owed),
        ApiKey::SyncGroup => groups::sync(call, decoded(call, body)?, owed),
        ApiKey::DescribeGroups => groups::describe(call, decoded(call, body)?, owed),
        ApiKey::ListGroups => groups::list(call, decoded(call, body)?, owed),
        ApiKey::DeleteGroups => groups::delete(call, decoded(call, body)?, owed),
        ApiKey::ApiVersions => api_versions::handle(call, decoded(call, body)?, owed, table),
        ApiKey::CreateTopics => create_topics::handle(call, decoded(call, body)?, owed),
        ApiKey::DeleteTopics => delete_topics::handle(call, decoded(call, body)?, owed),
        ApiKey::DeleteRecords => delete_records::handle(call, decoded(call, body)?, owed),
        ApiKey::InitProducerId => init_producer_id::handle(call, decoded(call, body)?, owed),
        ApiKey::DescribeConfigs => configs::handle(call, decoded(call, body)?, owed),
        ApiKey::AlterConfigs => alter_configs::replace(call, decoded(call, body)?, owed),
        ApiKey::IncrementalAlterConfigs => alter_configs::incremental(call, decoded(call, body)?, owed),
        ApiKey::CreatePartitions => create_partitions::handle(call, decoded(call, body)?, owed),
        ApiKey::OffsetDelete => groups::offset_delete(call, decoded(call, body)?, owed),
        ApiKey::ConsumerGroupHeartbeat => groups::consumer_heartbeat(call, decoded(call, body)?, owed),
        ApiKey::ConsumerGroupDescribe => groups::consumer_describe(call, decoded(call, body)?, owed),
        ApiKey::DescribeCluster => cluster::handle(call, decoded(call, body)?, owed),
        ApiKey::AddPartitionsToTxn => add_partitions_to_txn::handle(call, decoded(call, body)?, owed),
        ApiKey::AddOffsetsToTxn => add_offsets_to_txn::handle(call, decoded(call, body)?, owed),
        ApiKey::EndTxn => end_txn::handle(call, decoded(call, body)?, owed),
        ApiKey::WriteTxnMarkers => write_txn_markers::handle(call, decoded(call, body)?, owed),
        ApiKey::TxnOffsetCommit => txn_offset_commit::handle(call, decoded(call, body)?, owed),
        ApiKey::DescribeProducers => describe_producers::handle(call, decoded(call, body)?, owed),
        ApiKey::DescribeTransactions => describe_transactions::handle(call, decoded(call, body)?, owed),
        ApiKey::ListTransactions => list_transactions::handle(call, decoded(call, body)?, owed),
        ApiKey::DescribeTopicPartitions => topic_partitions::handle(call, decoded(call, body)?, owed),
        other => return dispatch_admin(other, call, body, owed),
    }
    Ok(())
}

/// What operators ask for.
fn dispatch_admin(key: ApiKey, call: &Call<'_>, body: Bytes, owed: Owed) -> Result<(), Refusal> {
    match key {
        ApiKey::OffsetForLeaderEpoch => offset_for_leader_epoch::handle(call, decoded(call, body)?, owed),
        ApiKey::DescribeAcls => acls::describe(call, decoded(call, body)?, owed),
        ApiKey::CreateAcls => acls::create(call, decoded(call, body)?, owed),
        ApiKey::DeleteAcls => acls::delete(call, decoded(call, body)?, owed),
        ApiKey::AlterReplicaLogDirs => log_dirs::alter(call, decoded(call, body)?, owed),
        ApiKey::DescribeLogDirs => log_dirs::describe(call, decoded(call, body)?, owed),
        ApiKey::ElectLeaders => elect_leaders::handle(call, decoded(call, body)?, owed),
        ApiKey::AlterPartitionReassignments => partition_reassignments::alter(call, decoded(call, body)?, owed),
        ApiKey::ListPartitionReassignments => partition_reassignments::list(call, decoded(call, body)?, owed),
        ApiKey::DescribeClientQuotas => client_quotas::describe(call, decoded(call, body)?, owed),
        ApiKey::AlterClientQuotas => client_quotas::alter(call, decoded(call, body)?, owed),
        ApiKey::DescribeUserScramCredentials => scram_credentials::describe(call, decoded(call, body)?, owed),
        ApiKey::AlterUserScramCredentials => scram_credentials::alter(call, decoded(call, body)?, owed),
        ApiKey::DescribeQuorum => describe_quorum::handle(call, decoded(call, body)?, owed),
        ApiKey::UpdateFeatures => update_features::handle(call, decoded(call, body)?, owed),
        ApiKey::UnregisterBroker => unregister_broker::handle(call, decoded(call, body)?, owed),
        ApiKey::ListConfigResources => list_config_resources::handle(call, decoded(call, body)?, owed),
        other => return Err(Refusal::UnknownApi(other as i16)),
    }
    Ok(())
}

/// Asks the controller and pays with what `answer` makes of its answer, or `failed` of the error that came instead.
fn forward<A: Encodable + HeaderVersion>(
    call: &Call<'_>,
    request: controller::Request,
    owed: Owed,
    answer: impl FnOnce(controller::Response) -> Option<A> + Send + 'static,
    failed: impl FnOnce(ErrorCode) -> A + Send + 'static,
) {
    call.node.ask_controller(
        call.now,
        request,
        Box::new(move |answered| match answered.map(answer) {
            Ok(Some(answer)) => owed.send(&answer),
            Ok(None) => tracing::error!("the controller answered another question"),
            Err(error) => owed.send(&failed(error)),
        }),
    );
}
