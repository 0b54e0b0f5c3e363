//! Drives the membership: sends what its machine asks for and tells it the answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use andiron_protocol::KafkaUuid;
use andiron_protocol::error::ErrorCode;
use andiron_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use andiron_protocol::messages::leave_group_request::MemberIdentity;
use andiron_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use andiron_protocol::messages::{GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Change, Worker, earliest};
use crate::backoff::Backoff;
use crate::client::{Client, whole_match};
use crate::cluster::TopicInfo;
use crate::config::{ClientConfig, GroupProtocol};
use crate::consumer::assignor::Layout;
use crate::consumer::classic::{self, Classic, Joined};
use crate::consumer::error::ConsumerError;
use crate::consumer::membership::Timeouts;
use crate::consumer::modern::{self, Beaten, Modern, Wanted};
use crate::consumer::shared::Subscription;
use crate::coordinator::{Coordinator, Identity, text};
use crate::error::MetadataError;
use crate::metadata;
use crate::pool::Purpose;
use crate::wire::{CallError, error_code};

/// From this version on SyncGroup says which protocol it is about.
const SYNC_PROTOCOL_VERSION: i16 = 5;
/// From these versions on requests name static members.
const JOIN_INSTANCE_VERSION: i16 = 5;
const SYNC_INSTANCE_VERSION: i16 = 3;
const HEARTBEAT_INSTANCE_VERSION: i16 = 3;
/// From this version on JoinGroup says why.
const JOIN_REASON_VERSION: i16 = 8;
/// From this version on LeaveGroup takes many members.
const LEAVE_MEMBERS_VERSION: i16 = 3;
/// From this version on LeaveGroup says why.
const LEAVE_REASON_VERSION: i16 = 5;
/// A LeaveGroup may take so long before `close` goes on without its answer.
pub(super) const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Beyond the rebalance timeout, for the coordinator's answer to arrive.
const JOIN_GRACE: Duration = Duration::from_secs(5);

pub(super) enum Event {
    Joined(Result<Joined, (ErrorCode, String)>),
    Learned(Option<Layout>),
    Synced(Result<Bytes, ErrorCode>),
    Beaten {
        generation: i32,
        code: ErrorCode,
    },
    BeatenModern {
        number: u64,
        answer: Result<Beaten, ErrorCode>,
        /// The id that an older coordinator made.
        member_id: Option<String>,
    },
    Named(Vec<(uuid::Uuid, Arc<str>)>),
    Left,
    /// The subscribed topics as the cluster has them, and whether that is all of them.
    Topics {
        subscription: Subscription,
        found: Result<Layout, MetadataError>,
        all_known: bool,
    },
}

/// The member, of one protocol or the other.
enum Member {
    Classic(Box<Classic>),
    Modern(Box<Modern>),
}

/// How a member goes: what is to be sent.
enum Leaving {
    Classic { member_id: String, reason: &'static str },
    Modern { member_id: String, epoch: i32 },
}

impl Member {
    fn new(config: &ClientConfig, now: Instant) -> Self {
        let (timeouts, backoff) =
            (Timeouts::of(config), Backoff::new(config.retry_backoff_ms, config.retry_backoff_max_ms));
        let instance_id = config.consumer.group_instance_id.clone();
        match config.consumer.group_protocol {
            GroupProtocol::Classic => {
                let settings = classic::Settings {
                    instance_id,
                    rack: config.client_rack.clone(),
                    assignors: config.consumer.assignors.clone(),
                    timeouts,
                    backoff,
                };
                Member::Classic(Box::new(Classic::new(settings, now)))
            }
            GroupProtocol::Consumer => {
                let is_static = instance_id.is_some();
                let settings = modern::Settings { is_static, max_poll_interval: timeouts.max_poll_interval, backoff };
                Member::Modern(Box::new(Modern::new(settings, own_member_id(), now)))
            }
        }
    }

    fn polled(&mut self, now: Instant) {
        match self {
            Member::Classic(classic) => classic.polled(now),
            Member::Modern(modern) => modern.polled(now),
        }
    }

    fn changed(&mut self, now: Instant) {
        match self {
            Member::Classic(classic) => classic.changed(),
            Member::Modern(modern) => modern.changed(now),
        }
    }

    /// Under KIP-848 the coordinator decides alone when to rebalance.
    fn enforce(&mut self, reason: String) {
        if let Member::Classic(classic) = self {
            classic.enforce(reason);
        }
    }

    fn subscribe(&mut self, topics: BTreeSet<Arc<str>>, now: Instant) {
        match self {
            Member::Classic(classic) => classic.subscribe(topics),
            Member::Modern(modern) => modern.subscribe(Wanted::Topics(topics), now),
        }
    }

    fn unsubscribe(&mut self, reason: &'static str) -> Option<Leaving> {
        match self {
            Member::Classic(classic) => match classic.unsubscribe(reason)? {
                classic::Next::Leave { member_id, reason } => Some(Leaving::Classic { member_id, reason }),
                _ => None,
            },
            Member::Modern(modern) => {
                let member_id = modern.identity().0.to_owned();
                match modern.unsubscribe()? {
                    modern::Next::Leave(epoch) => Some(Leaving::Modern { member_id, epoch }),
                    _ => None,
                }
            }
        }
    }

    fn identity(&self) -> (&str, i32) {
        match self {
            Member::Classic(classic) => classic.identity(),
            Member::Modern(modern) => modern.identity(),
        }
    }

    fn is_rebalancing(&self) -> bool {
        match self {
            Member::Classic(classic) => classic.is_rebalancing(),
            Member::Modern(modern) => modern.is_rebalancing(),
        }
    }

    fn take_fatal(&mut self) -> Option<ErrorCode> {
        match self {
            Member::Classic(classic) => classic.take_fatal(),
            Member::Modern(modern) => modern.take_fatal(),
        }
    }
}

/// As Java writes its own: a random UUID in URL-safe base 64.
fn own_member_id() -> String {
    uuid::Uuid::new_v4().to_kafka()
}

pub(super) struct Group {
    member: Member,
    subscription: Subscription,
    /// Topics are being asked for.
    asking: bool,
    ask_at: Instant,
    failures: u32,
}

impl Group {
    pub(super) fn new(config: &ClientConfig, now: Instant) -> Self {
        let member = Member::new(config, now);
        Group { member, subscription: Subscription::None, asking: false, ask_at: now, failures: 0 }
    }
}

impl Group {
    /// By whom committed offsets are asked for: only the coordinator of KIP-848 wants to know.
    pub(super) fn asks_offsets_as(&self, member: &Identity) -> Identity {
        match self.member {
            Member::Classic(_) => Identity::default(),
            Member::Modern(_) => member.clone(),
        }
    }
}

impl Worker {
    pub(super) fn drive_group(&mut self, now: Instant, wake_at: &mut Instant) {
        self.take_calls(now);
        let Some(coordinator) = self.coordinator.clone() else { return };
        self.ask_topics(now, wake_at);
        loop {
            let until = match &mut self.group.member {
                Member::Classic(classic) => match classic.next(now) {
                    classic::Next::Wait(until) => Some(until),
                    next => {
                        self.obey_classic(next, &coordinator);
                        None
                    }
                },
                Member::Modern(modern) => match modern.next(now) {
                    modern::Next::Wait(until) => Some(until),
                    next => {
                        self.obey_modern(next, &coordinator);
                        None
                    }
                },
            };
            if let Some(until) = until {
                earliest(wake_at, until);
                break;
            }
        }
        self.publish();
    }

    fn obey_classic(&mut self, next: classic::Next, coordinator: &Arc<Coordinator>) {
        match next {
            classic::Next::Wait(_) => {}
            classic::Next::Change(change) => self.tell(change),
            classic::Next::Join(join) => self.join(coordinator.clone(), join),
            classic::Next::Learn(topics) => self.learn_layout(topics),
            classic::Next::Sync(sync) => self.sync(coordinator.clone(), sync),
            classic::Next::Heartbeat => self.heartbeat(coordinator.clone()),
            classic::Next::Leave { member_id, reason } => self.leave(member_id, reason, None),
        }
    }

    fn obey_modern(&mut self, next: modern::Next, coordinator: &Arc<Coordinator>) {
        let member_id = self.group.member.identity().0.to_owned();
        match next {
            modern::Next::Wait(_) => {}
            modern::Next::Change(change) => {
                // A commit within the change is one of the newest epoch.
                self.publish();
                self.tell(change);
            }
            modern::Next::Heartbeat(beat) => self.beat(coordinator.clone(), member_id, beat),
            modern::Next::Name => {
                let wanted = match &self.group.subscription {
                    Subscription::Names(names) => Some(names.iter().map(|name| name.to_string()).collect()),
                    _ => None,
                };
                self.ask_names(wanted);
            }
            modern::Next::Leave(epoch) => self.leave_by_heartbeat(member_id, epoch, None),
        }
    }

    /// What the application has called since the last time.
    fn take_calls(&mut self, now: Instant) {
        let leave = {
            let mut state = self.shared.state.lock();
            if let Some(polled) = state.polled.take() {
                self.group.member.polled(polled);
            }
            if std::mem::take(&mut state.changed) {
                self.group.member.changed(now);
            }
            if let Some(reason) = state.enforce.take() {
                self.group.member.enforce(reason);
            }
            if std::mem::take(&mut state.subscribed_anew) {
                self.group.subscription = state.subscription.clone();
                self.group.ask_at = now;
                match (&state.subscription, &mut self.group.member) {
                    (Subscription::Names(names), member) => member.subscribe(names.clone(), now),
                    (Subscription::CoordinatorPattern(pattern), Member::Modern(modern)) => {
                        modern.subscribe(Wanted::Pattern(pattern.clone()), now);
                    }
                    _ => {}
                }
            }
            state.leave.take()
        };
        let Some(leave) = leave else { return };
        self.group.subscription = Subscription::None;
        match self.group.member.unsubscribe(leave.reason) {
            Some(Leaving::Classic { member_id, reason }) => self.leave(member_id, reason, Some(leave.left)),
            Some(Leaving::Modern { member_id, epoch }) => self.leave_by_heartbeat(member_id, epoch, Some(leave.left)),
            None => {
                // Whoever waited may be gone.
                let _ = leave.left.send(());
            }
        }
    }

    /// What commits and `poll` have to know of the membership.
    fn publish(&mut self) {
        let (member_id, generation) = self.group.member.identity();
        let instance_id = self.client.config().consumer.group_instance_id.clone();
        let mut state = self.shared.state.lock();
        state.identity = match generation {
            -1 => Identity::default(),
            generation => Identity { member_id: member_id.to_owned(), generation, instance_id },
        };
        state.rebalancing = self.group.member.is_rebalancing();
        if let Some(code) = self.group.member.take_fatal() {
            let group = self.client.config().consumer.group_id.clone().unwrap_or_default();
            state.fail(ConsumerError::group(code, &group));
            self.shared.front.notify_one();
        }
    }

    fn tell(&self, change: Change) {
        self.shared.state.lock().changes.push_back(change);
        self.shared.front.notify_one();
    }

    fn ask_topics(&mut self, now: Instant, wake_at: &mut Instant) {
        if self.group.asking || !self.group.subscription.is_by_group() {
            return;
        }
        if self.group.ask_at > now {
            earliest(wake_at, self.group.ask_at);
            return;
        }
        self.group.asking = true;
        let (client, subscription) = (self.client.clone(), self.group.subscription.clone());
        self.events.push(Box::pin(async move {
            let (found, all_known) = topics(&client, &subscription).await;
            super::Event::Group(Event::Topics { subscription, found, all_known })
        }));
    }

    pub(super) fn group_event(&mut self, event: Event, now: Instant) {
        match (event, &mut self.group.member) {
            (Event::Joined(answer), Member::Classic(classic)) => classic.joined(answer, now),
            (Event::Learned(layout), Member::Classic(classic)) => classic.learned(layout, now),
            (Event::Synced(answer), Member::Classic(classic)) => {
                if let Some(change) = classic.synced(answer, now) {
                    // A commit within the change is one of the new generation.
                    self.publish();
                    self.tell(change);
                }
            }
            (Event::Beaten { generation, code }, Member::Classic(classic)) => classic.beaten(generation, code, now),
            (Event::BeatenModern { number, answer, member_id }, Member::Modern(modern)) => {
                modern.beaten(number, answer, member_id, now);
            }
            (Event::Named(names), Member::Modern(modern)) => modern.named(names),
            (Event::Topics { subscription, found, all_known }, _) => {
                self.group.asking = false;
                self.topics_found(subscription, found, all_known, now);
            }
            _ => {}
        }
    }

    fn topics_found(
        &mut self,
        subscription: Subscription,
        found: Result<Layout, MetadataError>,
        all_known: bool,
        now: Instant,
    ) {
        if subscription != self.group.subscription {
            return;
        }
        self.group.failures = if all_known { 0 } else { self.group.failures.saturating_add(1) };
        let max_age = metadata::max_age(self.client.config());
        self.group.ask_at = now + if all_known { max_age } else { self.backoff.after(self.group.failures) };
        match found {
            Ok(layout) => {
                if let Subscription::Pattern(_) = subscription {
                    self.group.member.subscribe(layout.keys().cloned().collect(), now);
                }
                if let Member::Classic(classic) = &mut self.group.member {
                    classic.layout_changed(&layout);
                }
            }
            Err(MetadataError::TimedOut { last }) => tracing::debug!("the subscribed topics are not known yet: {last}"),
            Err(error) => {
                let mut state = self.shared.state.lock();
                if state.errors.is_empty() {
                    state.fail(error.into());
                    self.shared.front.notify_one();
                }
            }
        }
    }

    fn join(&mut self, coordinator: Arc<Coordinator>, join: classic::Join) {
        let config = self.client.config();
        let (session, rebalance) = (config.consumer.session_timeout_ms, config.consumer.max_poll_interval_ms);
        let instance = config.consumer.group_instance_id.clone();
        let patience = Duration::from_millis(u64::from(rebalance.unsigned_abs())) + JOIN_GRACE;
        let purpose = Purpose::Group(self.number);
        self.events.push(Box::pin(async move {
            let request = |version| {
                let protocol = |(name, metadata): &(&'static str, Bytes)| {
                    JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata.clone())
                };
                JoinGroupRequest::default()
                    .with_group_id(GroupId(text(coordinator.key())))
                    .with_session_timeout_ms(session)
                    .with_rebalance_timeout_ms(rebalance)
                    .with_member_id(text(&join.member_id))
                    .with_group_instance_id(instance.as_deref().filter(|_| version >= JOIN_INSTANCE_VERSION).map(text))
                    .with_protocol_type(text("consumer"))
                    .with_protocols(join.protocols.iter().map(protocol).collect())
                    .with_reason((version >= JOIN_REASON_VERSION).then(|| text(&join.reason)))
            };
            let answer = match coordinator.ask::<JoinGroupRequest>(purpose, patience, request).await {
                Err(code) => Err((code, String::new())),
                Ok(answer) => match coordinator.heed(error_code(answer.error_code)) {
                    ErrorCode::None => Ok(Joined {
                        member_id: answer.member_id.to_string(),
                        generation: answer.generation_id,
                        protocol: answer.protocol_name.map(|name| name.to_string()).unwrap_or_default(),
                        leader: answer.leader.to_string(),
                        skip_assignment: answer.skip_assignment,
                        members: answer
                            .members
                            .into_iter()
                            .map(|m| (m.member_id.to_string(), m.group_instance_id.map(|i| i.to_string()), m.metadata))
                            .collect(),
                    }),
                    code => Err((code, answer.member_id.to_string())),
                },
            };
            super::Event::Group(Event::Joined(answer))
        }));
    }

    fn learn_layout(&mut self, topics: Vec<Arc<str>>) {
        let client = self.client.clone();
        self.events.push(Box::pin(async move {
            let names: Vec<String> = topics.iter().map(|topic| topic.to_string()).collect();
            let layout = match client.metadata().ask(client.pool(), Some(&names), false).await {
                Ok(view) => Some(layout(view.topics.into_values().filter_map(Result::ok))),
                Err(error) => {
                    tracing::debug!("a leader cannot learn what there is to assign: {error}");
                    None
                }
            };
            super::Event::Group(Event::Learned(layout))
        }));
    }

    fn sync(&mut self, coordinator: Arc<Coordinator>, sync: classic::Sync) {
        let config = self.client.config();
        let instance = config.consumer.group_instance_id.clone();
        // A follower's answer comes when the leader's request has come.
        let patience = Duration::from_millis(u64::from(config.consumer.max_poll_interval_ms.unsigned_abs()));
        let purpose = Purpose::Group(self.number);
        self.events.push(Box::pin(async move {
            let request = |version| {
                let assignment = |(member, bytes): &(String, Bytes)| {
                    SyncGroupRequestAssignment::default().with_member_id(text(member)).with_assignment(bytes.clone())
                };
                let named = version >= SYNC_PROTOCOL_VERSION;
                SyncGroupRequest::default()
                    .with_group_id(GroupId(text(coordinator.key())))
                    .with_generation_id(sync.generation)
                    .with_member_id(text(&sync.member_id))
                    .with_group_instance_id(instance.as_deref().filter(|_| version >= SYNC_INSTANCE_VERSION).map(text))
                    .with_protocol_type(named.then(|| text("consumer")))
                    .with_protocol_name(named.then(|| text(sync.protocol)))
                    .with_assignments(sync.assignments.iter().map(assignment).collect())
            };
            let answer = match coordinator.ask::<SyncGroupRequest>(purpose, patience, request).await {
                Err(code) => Err(code),
                Ok(answer) => match coordinator.heed(error_code(answer.error_code)) {
                    ErrorCode::None => Ok(answer.assignment),
                    code => Err(code),
                },
            };
            super::Event::Group(Event::Synced(answer))
        }));
    }

    fn heartbeat(&mut self, coordinator: Arc<Coordinator>) {
        let (member_id, generation) = self.group.member.identity();
        let member_id = member_id.to_owned();
        let instance = self.client.config().consumer.group_instance_id.clone();
        let purpose = Purpose::Group(self.number);
        self.events.push(Box::pin(async move {
            let request = |version| {
                let instance = instance.as_deref().filter(|_| version >= HEARTBEAT_INSTANCE_VERSION);
                HeartbeatRequest::default()
                    .with_group_id(GroupId(text(coordinator.key())))
                    .with_generation_id(generation)
                    .with_member_id(text(&member_id))
                    .with_group_instance_id(instance.map(text))
            };
            let code = match coordinator.ask::<HeartbeatRequest>(purpose, Duration::ZERO, request).await {
                Err(code) => code,
                Ok(answer) => coordinator.heed(error_code(answer.error_code)),
            };
            super::Event::Group(Event::Beaten { generation, code })
        }));
    }

    fn leave(&mut self, member_id: String, reason: &'static str, left: Option<oneshot::Sender<()>>) {
        let Some(coordinator) = self.coordinator.clone() else { return };
        self.events.push(Box::pin(async move {
            let request = |version| {
                let request = LeaveGroupRequest::default().with_group_id(GroupId(text(coordinator.key())));
                if version < LEAVE_MEMBERS_VERSION {
                    return request.with_member_id(text(&member_id));
                }
                let reason = (version >= LEAVE_REASON_VERSION).then(|| text(reason));
                let member = MemberIdentity::default().with_member_id(text(&member_id)).with_reason(reason);
                request.with_members(vec![member])
            };
            // Over the connection for short questions: not behind a JoinGroup that waits for others.
            let asked = coordinator.ask::<LeaveGroupRequest>(Purpose::Ask, Duration::ZERO, request);
            if !matches!(tokio::time::timeout(LEAVE_TIMEOUT, asked).await, Ok(Ok(_))) {
                tracing::debug!("member {member_id} has left without an answer");
            }
            if let Some(left) = left {
                // Whoever waited may be gone.
                let _ = left.send(());
            }
            super::Event::Group(Event::Left)
        }));
    }
}

fn layout(topics: impl Iterator<Item = Arc<TopicInfo>>) -> Layout {
    topics.map(|topic| (topic.name.clone(), topic.partitions.len() as i32)).collect()
}

/// The subscribed topics with their partition counts, and whether that is all of them.
async fn topics(client: &Client, subscription: &Subscription) -> (Result<Layout, MetadataError>, bool) {
    let timed_out = |error: CallError| (Err(MetadataError::TimedOut { last: error.to_string() }), false);
    match subscription {
        Subscription::Names(names) => {
            let asked: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            let auto_create = client.config().allow_auto_create_topics;
            let view = match client.metadata().ask(client.pool(), Some(&asked), auto_create).await {
                Ok(view) => view,
                Err(error) => return timed_out(error),
            };
            for (name, topic) in &view.topics {
                let topic_name = name.to_string();
                match topic {
                    Err(ErrorCode::InvalidTopicException) => {
                        return (Err(MetadataError::InvalidTopic { topic: topic_name }), false);
                    }
                    Err(code @ ErrorCode::TopicAuthorizationFailed) => {
                        return (Err(MetadataError::Refused { topic: topic_name, code: *code }), false);
                    }
                    _ => {}
                }
            }
            let found = layout(view.topics.into_values().filter_map(Result::ok));
            let all_known = found.len() == names.len();
            (Ok(found), all_known)
        }
        Subscription::Pattern(pattern) => {
            let matches = match whole_match(pattern) {
                Ok(matches) => matches,
                Err(error) => return (Err(error), false),
            };
            let hide_internal = client.config().exclude_internal_topics;
            match client.metadata().ask(client.pool(), None, false).await {
                Ok(view) => {
                    let all = view.topics.into_values().filter_map(Result::ok);
                    (Ok(layout(all.filter(|topic| !(topic.internal && hide_internal) && matches(&topic.name)))), true)
                }
                Err(error) => timed_out(error),
            }
        }
        _ => (Ok(Layout::new()), true),
    }
}
