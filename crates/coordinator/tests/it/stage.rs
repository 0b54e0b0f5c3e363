//! One coordinator with a log of its own, spoken to in words.

use std::collections::{BTreeMap, BTreeSet};

use andiron_coordinator::config::Migration;
use andiron_coordinator::routing::offset_fetch_response;
use andiron_coordinator::{
    Call, EndOfTransaction, GroupConfig, GroupCoordinator, GroupOffsets, Record, Reply, Request, RequestContext,
    Response, Ticket,
};
use andiron_metadata::image::Image;
use andiron_metadata::records::ConfigRecord;
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::{Encodable, StrBytes};
use andiron_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use andiron_protocol::messages::leave_group_request::MemberIdentity;
use andiron_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use andiron_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use andiron_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use andiron_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use andiron_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use andiron_protocol::messages::*;
use andiron_replication::machine::{Harness, Outcome};
use bytes::Bytes;
use uuid::Uuid;

use crate::consumer_words;

/// What came of a request.
pub enum Heard {
    Answered(Response),
    /// Its records could not be written.
    Failed,
    /// Nobody knows what becomes of its records.
    Lost,
}

/// A request that was asked when the log was so long.
pub struct Asked {
    who: String,
    version: i16,
    pub request: Request,
    pub log_end: usize,
}

/// A coordinator, its log, and who waits for what.
pub struct Stage {
    pub harness: Harness<GroupCoordinator>,
    pub log: Vec<Record>,
    pub now: i64,
    config: GroupConfig,
    pub image: Image,
    tickets: BTreeMap<u64, Asked>,
    /// What was answered, in this order; for whoever wants more than words.
    pub heard: Vec<(Asked, Heard)>,
    ids: u128,
    held: bool,
    next_append: Option<ErrorCode>,
    /// A mistake made on purpose: an append that fails counts as done.
    pub believes: bool,
    told: Vec<String>,
}

/// `name key=value word` taken apart.
pub struct Words<'a> {
    plain: Vec<&'a str>,
    pub named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn new(line: &'a str) -> Self {
        let mut words = Self { plain: Vec::new(), named: BTreeMap::new() };
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) if !key.contains('/') => _ = words.named.insert(key, value),
                _ => words.plain.push(word),
            }
        }
        words
    }
    pub fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, key: &str, default: T) -> T {
        self.named.get(key).map_or(default, |value| value.parse().unwrap())
    }
    pub fn text(&self, key: &str) -> Option<StrBytes> {
        self.named.get(key).map(|value| text(&full(value)))
    }
    pub fn list(&self, key: &str) -> Vec<&'a str> {
        self.named.get(key).map(|value| value.split(',').collect()).unwrap_or_default()
    }
}

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// `A#1` for an id made of `A` and the first random number.
fn full(short: &str) -> String {
    match short.split_once('#') {
        Some((name, number)) => format!("{name}-{}", Uuid::from_u128(number.parse().unwrap())),
        None => short.to_owned(),
    }
}

/// The opposite, wherever such ids stand in a line.
fn shorten(line: &str) -> String {
    const BEFORE: &str = "-00000000-0000-0000-0000-";
    let mut parts = line.split(BEFORE);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_at_checked(12).map(|(digits, rest)| (u64::from_str_radix(digits, 16), rest)) {
            Some((Ok(number), rest)) => out.push_str(&format!("#{number}{rest}")),
            _ => out.extend([BEFORE, part]),
        }
    }
    out
}

/// `t/0` taken apart.
fn place(word: &str) -> (&str, i32) {
    let (topic, partition) = word.split_once('/').unwrap();
    (topic, partition.parse().unwrap())
}

pub fn code(code: i16) -> &'static str {
    if code == 0 { "ok" } else { ErrorCode::from_code(code).unwrap().name() }
}

fn lossy(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Appends to a coordinator's log, unless that refuses. `believes`: with a mistake in it, a refusal counts as done.
pub fn append<R: Clone>(
    log: &mut Vec<R>,
    records: &[R],
    refusal: Option<ErrorCode>,
    believes: bool,
) -> Result<i64, ErrorCode> {
    let base = log.len() as i64;
    match refusal {
        Some(error) if !believes => return Err(error),
        Some(_) => {}
        None => log.extend_from_slice(records),
    }
    Ok(base)
}

impl Stage {
    pub fn new() -> Self {
        let mut config = GroupConfig { initial_rebalance_delay_ms: 0, ..GroupConfig::default() };
        config.consumer_assignment_interval.default = 0;
        let mut stage = Self {
            harness: Harness::new(GroupCoordinator::new(config.clone()), 0),
            log: Vec::new(),
            now: 0,
            config,
            image: Image::new(""),
            tickets: BTreeMap::new(),
            heard: Vec::new(),
            ids: 0,
            held: false,
            next_append: None,
            believes: false,
            told: Vec::new(),
        };
        stage.load();
        stage
    }

    /// A machine that has read the log so far, as after a restart.
    fn load(&mut self) {
        let mut machine = GroupCoordinator::new(self.config.clone());
        machine.set_image(self.image.clone(), &BTreeSet::new(), false);
        for (offset, record) in self.log.iter().enumerate() {
            use andiron_coordinator::StateMachine;
            let (key, value) = record.encode().unwrap();
            match record {
                Record::OffsetInTransaction { producer_id, producer_epoch, .. } => {
                    let decoded = Record::decode(Some(&key), value.as_deref()).unwrap();
                    assert_eq!(&decoded.in_transaction(*producer_id, *producer_epoch), record);
                }
                Record::EndOfTransaction(_) => {}
                record => assert_eq!(&Record::decode(Some(&key), value.as_deref()).unwrap(), record),
            }
            machine.replay(offset as i64, record);
        }
        let effects = machine.loaded(self.now);
        self.harness = Harness::new(machine, self.log.len() as i64);
        let now = self.now;
        self.carry(|harness, append| Some(harness.carry_out(now, effects, append)));
    }

    fn carry(
        &mut self,
        act: impl FnOnce(
            &mut Harness<GroupCoordinator>,
            &mut dyn FnMut(&[Record]) -> Result<i64, ErrorCode>,
        ) -> Option<Outcome<Response>>,
    ) -> bool {
        let (log, failure, believes) = (&mut self.log, self.next_append.take(), self.believes);
        let base = log.len();
        let outcome = act(&mut self.harness, &mut |records| append(log, records, failure, believes));
        let appended: Vec<String> = self.log[base..].iter().map(record).collect();
        self.told.extend(appended.iter().map(|line| format!("log {}", shorten(line))));
        let Some(outcome) = outcome else { return false };
        for (error, ticket) in
            outcome.failed.iter().flat_map(|(error, tickets)| tickets.iter().map(move |t| (error, t)))
        {
            let asked = self.tickets.remove(&ticket.0).unwrap();
            self.told.push(format!("{} failed {}", asked.who, error.name()));
            self.heard.push((asked, Heard::Failed));
        }
        self.tell(outcome.replies);
        if !self.held {
            self.commit_log();
        }
        true
    }

    fn commit_log(&mut self) {
        let answers = self.harness.committed(self.log.len() as i64);
        self.tell(answers);
    }

    fn tell(&mut self, replies: Vec<Reply>) {
        for (ticket, response) in replies {
            let asked = self.tickets.remove(&ticket.0).expect("one answer to a request");
            assert_fits(&response, asked.version);
            self.told.extend(answer(&response).iter().map(|line| shorten(&format!("{} {line}", asked.who))));
            self.heard.push((asked, Heard::Answered(response)));
        }
    }

    /// Lets time pass, deadline by deadline.
    fn pass(&mut self, until: i64) {
        let mut at_once = 0;
        while let Some(at) = self.harness.next_deadline().filter(|at| *at <= until) {
            // What is due brings time forward, or it would be due for ever.
            at_once = if at <= self.now { at_once + 1 } else { 0 };
            assert!(at_once < 100, "what is due at {at} comes again and again");
            self.now = self.now.max(at);
            let now = self.now;
            let before = self.told.len();
            assert!(self.carry(|harness, append| harness.deadline(now, append)));
            for line in &mut self.told[before..] {
                *line = format!("{now}: {line}");
            }
        }
        self.now = until;
    }

    /// Who waits for an answer.
    pub fn waiting(&self) -> usize {
        self.tickets.len()
    }

    /// Carries out one line and says what came of it.
    pub fn act(&mut self, line: &str) -> String {
        let words = Words::new(line);
        match words.plain[0] {
            "at" => self.pass(words.plain[1].parse().unwrap()),
            "restart" => {
                let (mut machine, tickets) =
                    std::mem::replace(&mut self.harness, Harness::new(GroupCoordinator::new(self.config.clone()), 0))
                        .resign();
                for ticket in tickets {
                    let asked = self.tickets.remove(&ticket.0).unwrap();
                    self.told.push(format!("{} lost", asked.who));
                    self.heard.push((asked, Heard::Lost));
                }
                let replies = machine.unload();
                self.tell(replies);
                self.load();
            }
            "hold" => self.held = true,
            "release" => {
                self.held = false;
                self.commit_log();
            }
            "fail" => {
                let named = |error: &&ErrorCode| error.name() == words.plain[1];
                self.next_append = Some(*ErrorCode::ALL.iter().find(named).unwrap());
            }
            "config" => self.configure(&words),
            "topics" => {
                let named = words.plain[1..].iter().map(|word| place(word));
                let topics = named.map(|(name, count)| (name.to_owned(), count)).collect();
                let (image, changed, grown) = consumer_words::image(&self.image, &topics);
                self.image = image.clone();
                let changed = changed.iter().map(String::as_str).collect();
                self.harness.latest_mut().set_image(image, &changed, grown);
            }
            "group-config" => {
                for (name, value) in &words.named {
                    let record = ConfigRecord {
                        resource_type: 32,
                        resource_name: words.plain[1].to_owned(),
                        name: (*name).to_owned(),
                        value: Some((*value).to_owned()),
                    };
                    self.image.apply(self.image.offset() + 1, &record.into()).unwrap();
                }
                self.harness.latest_mut().set_image(self.image.clone(), &BTreeSet::new(), false);
            }
            "topic-deleted" => {
                let gone: Vec<(&str, i32)> = words.plain[1..].iter().map(|word| place(word)).collect();
                let effects = self.harness.latest_mut().partitions_deleted(&gone);
                let now = self.now;
                self.carry(|harness, append| Some(harness.carry_out(now, effects, append)));
            }
            verb => self.ask(verb, &words),
        }
        let told = std::mem::take(&mut self.told);
        if told.is_empty() { "nothing".to_owned() } else { told.join("\n") }
    }

    fn configure(&mut self, words: &Words<'_>) {
        let config = &mut self.config;
        config.initial_rebalance_delay_ms =
            words.number("group.initial.rebalance.delay.ms", config.initial_rebalance_delay_ms);
        config.max_size = words.number("group.max.size", config.max_size);
        config.offset_metadata_max_bytes = words.number("offset.metadata.max.bytes", config.offset_metadata_max_bytes);
        config.offsets_retention_ms =
            words.number("offsets.retention.minutes", config.offsets_retention_ms / 60_000) * 60_000;
        config.consumer_max_size = words.number("group.consumer.max.size", config.consumer_max_size);
        let interval_ms = &mut config.consumer_assignment_interval.default;
        *interval_ms = words.number("group.consumer.assignment.interval.ms", *interval_ms);
        if let Some(policy) = words.named.get("group.consumer.migration.policy") {
            config.consumer_migration = Migration::from_name(policy);
        }
        self.harness.latest_mut().set_config(self.config.clone());
    }

    fn ask(&mut self, verb: &str, words: &Words<'_>) {
        let who = words.plain[1];
        let latest = |default| words.number("v", default);
        let (api_version, request) = match verb {
            "join" => (latest(9), Request::JoinGroup(join(words))),
            "sync" => (latest(5), Request::SyncGroup(sync(words))),
            "heartbeat" => (latest(4), Request::Heartbeat(heartbeat(words))),
            "leave" => (latest(5), Request::LeaveGroup(leave(words, latest(5)))),
            "commit" => (latest(9), Request::OffsetCommit(commit(words))),
            "commit-in-transaction" => (latest(5), Request::TxnOffsetCommit(commit_in_transaction(words))),
            "end-transaction" => {
                let end = EndOfTransaction {
                    producer_id: words.number("producer", 7),
                    producer_epoch: 0,
                    coordinator_epoch: 0,
                    committed: words.plain[2] == "commit",
                };
                (0, Request::EndOfTransaction(end))
            }
            "fetch" => (latest(9), Request::OffsetFetch(fetch(words))),
            "delete-offsets" => (0, Request::OffsetDelete(delete_offsets(words))),
            "describe" => {
                (latest(6), Request::DescribeGroups(DescribeGroupsRequest::default().with_groups(groups(words))))
            }
            "list" => {
                let filter = |key| words.list(key).into_iter().map(text).collect();
                let request = ListGroupsRequest::default().with_states_filter(filter("states"));
                (latest(5), Request::ListGroups(request.with_types_filter(filter("types"))))
            }
            "beat" => (latest(1), Request::ConsumerGroupHeartbeat(consumer_words::heartbeat(words))),
            "describe-consumer" => {
                let request = ConsumerGroupDescribeRequest::default().with_group_ids(groups(words));
                (latest(1), Request::ConsumerGroupDescribe(request))
            }
            "delete" => (2, Request::DeleteGroups(DeleteGroupsRequest::default().with_groups_names(groups(words)))),
            other => panic!("no such directive: {other}"),
        };
        let ticket = Ticket(self.ids as u64 + 1_000_000);
        if verb == "join" {
            self.ids += 1;
        }
        let ticket = Ticket(ticket.0 + self.tickets.keys().last().map_or(0, |last| last % 1_000_000 + 1));
        let asked =
            Asked { who: who.to_owned(), version: api_version, request: request.clone(), log_end: self.log.len() };
        self.tickets.insert(ticket.0, asked);
        let context = RequestContext {
            api_version,
            client_id: who.into(),
            client_host: "/127.0.0.1".into(),
            random: Uuid::from_u128(self.ids),
        };
        let now = self.now;
        let call = Call { context, request };
        self.carry(|harness, append| Some(harness.request(now, ticket, call, append)));
    }
}

fn groups(words: &Words<'_>) -> Vec<GroupId> {
    words.plain[2..].iter().map(|group| text(group).into()).collect()
}

pub fn group(words: &Words<'_>) -> GroupId {
    text(words.plain.get(2).filter(|group| **group != "-").copied().unwrap_or_default()).into()
}

/// `range:abc` names a strategy and says something to it.
fn join(words: &Words<'_>) -> JoinGroupRequest {
    let protocols = words.named.get("protocols").copied().unwrap_or("range");
    let protocols = protocols.split(',').filter(|one| !one.is_empty()).map(|one| {
        let (name, metadata) = one.split_once(':').unwrap_or((one, ""));
        // `topics+a+b` says it as consumers do.
        let metadata = match metadata.strip_prefix("topics") {
            Some(topics) => subscription(&topics.split('+').filter(|t| !t.is_empty()).collect::<Vec<_>>()),
            None => Bytes::copy_from_slice(metadata.as_bytes()),
        };
        JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata)
    });
    JoinGroupRequest::default()
        .with_group_id(group(words))
        .with_session_timeout_ms(words.number("session", 10_000))
        .with_rebalance_timeout_ms(words.number("rebalance", 60_000))
        .with_member_id(words.text("as").unwrap_or_default())
        .with_group_instance_id(words.text("instance"))
        .with_protocol_type(words.text("type").unwrap_or_else(|| text("consumer")))
        .with_protocols(protocols.collect())
}

fn subscription(topics: &[&str]) -> Bytes {
    let mut out = vec![0, 1];
    out.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        out.extend((topic.len() as i16).to_be_bytes());
        out.extend(topic.as_bytes());
    }
    // No bytes for the assignor, nothing owned.
    out.extend((-1i32).to_be_bytes());
    out.extend(0i32.to_be_bytes());
    out.into()
}

fn sync(words: &Words<'_>) -> SyncGroupRequest {
    let assignments = words.list("assign").into_iter().map(|one| {
        let (member, assignment) = one.split_once(':').unwrap();
        SyncGroupRequestAssignment::default()
            .with_member_id(text(&full(member)))
            .with_assignment(Bytes::copy_from_slice(assignment.as_bytes()))
    });
    let named = |key: &str, default: &str| Some(words.text(key).unwrap_or_else(|| text(default)));
    SyncGroupRequest::default()
        .with_group_id(group(words))
        .with_generation_id(words.number("gen", 0))
        .with_member_id(words.text("as").unwrap_or_default())
        .with_group_instance_id(words.text("instance"))
        .with_protocol_type(named("type", "consumer"))
        .with_protocol_name(named("protocol", "range"))
        .with_assignments(assignments.collect())
}

fn heartbeat(words: &Words<'_>) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group(words))
        .with_generation_id(words.number("gen", 0))
        .with_member_id(words.text("as").unwrap_or_default())
        .with_group_instance_id(words.text("instance"))
}

fn leave(words: &Words<'_>, version: i16) -> LeaveGroupRequest {
    let request = LeaveGroupRequest::default().with_group_id(group(words));
    if version < 3 {
        return request.with_member_id(words.text("as").unwrap_or_default());
    }
    let by_id = words
        .list("as")
        .into_iter()
        .map(|id| MemberIdentity::default().with_member_id(text(&full(id))).with_group_instance_id(words.text("of")));
    let by_instance = words
        .list("instance")
        .into_iter()
        .map(|instance| MemberIdentity::default().with_group_instance_id(Some(text(instance))));
    request.with_members(by_id.chain(by_instance).collect())
}

/// `t/0=5` commits 5, `t/0=5:words` with words.
fn commit(words: &Words<'_>) -> OffsetCommitRequest {
    let topics = words.plain[3..].iter().map(|word| {
        let (at, offset) = word.split_once('=').unwrap();
        let (topic, partition) = place(at);
        let (offset, metadata) =
            offset.split_once(':').map_or((offset, None), |(offset, metadata)| (offset, Some(text(metadata))));
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset.parse().unwrap())
            .with_committed_metadata(metadata);
        OffsetCommitRequestTopic::default()
            .with_name(text(topic).into())
            .with_topic_id(consumer_words::topic_id(topic))
            .with_partitions(vec![partition])
    });
    OffsetCommitRequest::default()
        .with_group_id(group(words))
        .with_generation_id_or_member_epoch(words.number("gen", -1))
        .with_member_id(words.text("as").unwrap_or_default())
        .with_group_instance_id(words.text("instance"))
        .with_retention_time_ms(words.number("retention", -1))
        .with_topics(topics.collect())
}

fn commit_in_transaction(words: &Words<'_>) -> TxnOffsetCommitRequest {
    let plain = commit(words);
    let topics = plain.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| {
            TxnOffsetCommitRequestPartition::default()
                .with_partition_index(partition.partition_index)
                .with_committed_offset(partition.committed_offset)
                .with_committed_metadata(partition.committed_metadata)
        });
        TxnOffsetCommitRequestTopic::default().with_name(topic.name).with_partitions(partitions.collect())
    });
    TxnOffsetCommitRequest::default()
        .with_transactional_id(text("tx").into())
        .with_group_id(plain.group_id)
        .with_producer_id(words.number("producer", 7).into())
        .with_generation_id(plain.generation_id_or_member_epoch)
        .with_member_id(plain.member_id)
        .with_group_instance_id(plain.group_instance_id)
        .with_topics(topics.collect())
}

fn fetch(words: &Words<'_>) -> GroupOffsets {
    let topics = words.plain[3..].iter().map(|word| {
        let (topic, partition) = place(word);
        OffsetFetchRequestTopics::default().with_name(text(topic).into()).with_partition_indexes(vec![partition])
    });
    let topics: Vec<_> = topics.collect();
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group(words))
        .with_member_id(words.text("as"))
        .with_member_epoch(words.number("epoch", -1));
    let group = group.with_topics(if topics.is_empty() { None } else { Some(topics) });
    GroupOffsets { group, require_stable: words.named.contains_key("stable") }
}

fn delete_offsets(words: &Words<'_>) -> OffsetDeleteRequest {
    let topics = words.plain[3..].iter().map(|word| {
        let (topic, partition) = place(word);
        OffsetDeleteRequestTopic::default()
            .with_name(text(topic).into())
            .with_partitions(vec![OffsetDeleteRequestPartition::default().with_partition_index(partition)])
    });
    OffsetDeleteRequest::default().with_group_id(group(words)).with_topics(topics.collect())
}

/// The answer can be said in the version that was asked in.
fn assert_fits(response: &Response, version: i16) {
    let out = &mut Vec::new();
    match response {
        Response::JoinGroup(a) => a.encode(out, version),
        Response::SyncGroup(a) => a.encode(out, version),
        Response::Heartbeat(a) => a.encode(out, version),
        Response::LeaveGroup(a) => a.encode(out, version),
        Response::OffsetCommit(a) => a.encode(out, version),
        Response::OffsetFetch(a) => {
            for version in 1..=9 {
                offset_fetch_response(version, vec![a.clone()]).encode(&mut Vec::new(), version).unwrap();
            }
            Ok(())
        }
        Response::OffsetDelete(a) => a.encode(out, version),
        Response::TxnOffsetCommit(a) => a.encode(out, version),
        Response::EndOfTransaction => Ok(()),
        Response::DescribeGroups(a) => a.encode(out, version),
        Response::ListGroups(a) => a.encode(out, version),
        Response::DeleteGroups(a) => a.encode(out, version),
        Response::ConsumerGroupHeartbeat(a) => a.encode(out, version),
        Response::ConsumerGroupDescribe(a) => a.encode(out, version),
    }
    .unwrap();
}

/// A record in words.
fn record(record: &Record) -> String {
    match record {
        Record::OffsetCommit { key, value } => {
            let at = format!("offset {} {}/{}", key.group, key.topic, key.partition);
            match value {
                None => format!("{at} gone"),
                Some(value) if value.expire_timestamp == -1 => format!("{at} = {}", value.offset),
                Some(value) => format!("{at} = {} until {}", value.offset, value.expire_timestamp),
            }
        }
        Record::OffsetInTransaction { producer_id, key, value, .. } => {
            format!("offset {} {}/{} = {} of producer {producer_id}", key.group, key.topic, key.partition, value.offset)
        }
        Record::EndOfTransaction(end) => {
            format!("{} of producer {}", if end.committed { "commit" } else { "abort" }, end.producer_id)
        }
        Record::GroupMetadata { group, value: None } => format!("group {group} gone"),
        Record::GroupMetadata { group, value: Some(value) } => {
            let members = value.members.iter().map(|m| format!(" {}:{}", m.member_id, lossy(&m.assignment)));
            format!("group {group} generation={}{}", value.generation, members.collect::<String>())
        }
        Record::ConsumerGroup(said) => consumer_words::record(said),
        Record::Other { key_type, .. } => format!("type {key_type}"),
    }
}

/// An answer in words, a line or more.
fn answer(response: &Response) -> Vec<String> {
    match response {
        Response::JoinGroup(a) if a.error_code != 0 => {
            vec![format!("join {} member={}", code(a.error_code), &*a.member_id)]
        }
        Response::JoinGroup(a) => {
            let members: Vec<String> = a.members.iter().map(|m| m.member_id.to_string()).collect();
            let listed = if members.is_empty() { String::new() } else { format!(" members={}", members.join(",")) };
            vec![format!(
                "join ok generation={} member={} leader={} protocol={}{listed}{}",
                a.generation_id,
                &*a.member_id,
                &*a.leader,
                a.protocol_name.as_deref().unwrap_or("null"),
                if a.skip_assignment { " skip-assignment" } else { "" },
            )]
        }
        Response::SyncGroup(a) if a.error_code != 0 => vec![format!("sync {}", code(a.error_code))],
        Response::SyncGroup(a) => vec![format!("sync ok assignment={}", lossy(&a.assignment))],
        Response::Heartbeat(a) => vec![format!("heartbeat {}", code(a.error_code))],
        Response::LeaveGroup(a) => {
            let members = a.members.iter().map(|m| {
                let name = m.group_instance_id.as_deref().filter(|_| m.member_id.is_empty()).unwrap_or(&m.member_id);
                format!(" {name}:{}", code(m.error_code))
            });
            vec![format!("leave {}{}", code(a.error_code), members.collect::<String>())]
        }
        Response::OffsetCommit(a) => {
            let each = a.topics.iter().flat_map(|t| t.partitions.iter().map(move |p| (t, p)));
            let each = each.map(|(t, p)| format!(" {}/{}:{}", &**t.name, p.partition_index, code(p.error_code)));
            vec![format!("commit{}", each.collect::<String>())]
        }
        Response::OffsetFetch(a) => {
            let each = a.topics.iter().flat_map(|t| t.partitions.iter().map(move |p| (t, p)));
            let each = each.map(|(t, p)| {
                let metadata = p.metadata.as_deref().filter(|m| !m.is_empty()).map(|m| format!(":{m}"));
                let error = if p.error_code == 0 { "" } else { code(p.error_code) };
                format!(
                    " {}/{}={}{}{error}",
                    &**t.name,
                    p.partition_index,
                    p.committed_offset,
                    metadata.unwrap_or_default()
                )
            });
            vec![format!("fetch {}{}", code(a.error_code), each.collect::<String>())]
        }
        Response::OffsetDelete(a) => {
            let each = a.topics.iter().flat_map(|t| t.partitions.iter().map(move |p| (t, p)));
            let each = each.map(|(t, p)| format!(" {}/{}:{}", &**t.name, p.partition_index, code(p.error_code)));
            vec![format!("delete-offsets {}{}", code(a.error_code), each.collect::<String>())]
        }
        Response::TxnOffsetCommit(a) => {
            let each = a.topics.iter().flat_map(|t| t.partitions.iter().map(move |p| (t, p)));
            let each = each.map(|(t, p)| format!(" {}/{}:{}", &**t.name, p.partition_index, code(p.error_code)));
            vec![format!("commit-in-transaction{}", each.collect::<String>())]
        }
        Response::EndOfTransaction => vec!["end-transaction ok".to_owned()],
        Response::DescribeGroups(a) => {
            let mut lines = Vec::new();
            for g in &a.groups {
                let message = g.error_message.as_deref().map(|m| format!(" \"{m}\"")).unwrap_or_default();
                lines.push(format!(
                    "describe {} {} {} type={} protocol={}{message}",
                    &**g.group_id,
                    code(g.error_code),
                    &*g.group_state,
                    &*g.protocol_type,
                    &*g.protocol_data
                ));
                lines.extend(g.members.iter().map(|m| {
                    let instance = m.group_instance_id.as_deref().map(|i| format!(" instance={i}")).unwrap_or_default();
                    format!(
                        "  {}{instance} {} {} assignment={}",
                        &*m.member_id,
                        &*m.client_id,
                        &*m.client_host,
                        lossy(&m.member_assignment)
                    )
                }));
            }
            lines
        }
        Response::ListGroups(a) => {
            let each = a
                .groups
                .iter()
                .map(|g| format!(" {}({} {} {})", &**g.group_id, &*g.protocol_type, &*g.group_state, &*g.group_type));
            vec![format!("list {}{}", code(a.error_code), each.collect::<String>())]
        }
        Response::DeleteGroups(a) => {
            let each = a.results.iter().map(|r| format!(" {}:{}", &**r.group_id, code(r.error_code)));
            vec![format!("delete{}", each.collect::<String>())]
        }
        Response::ConsumerGroupHeartbeat(a) => vec![consumer_words::beaten(a)],
        Response::ConsumerGroupDescribe(a) => consumer_words::described(a),
    }
}
