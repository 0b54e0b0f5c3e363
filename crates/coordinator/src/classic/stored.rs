//! A group as it lies in the log: the last generation, written when the leader has shared out, when the last member has
//! gone, and when a static member has come back.

use std::sync::Arc;

use bytes::Bytes;

use super::{CONSUMER, Group, Member, State};
use crate::record::Record;
use crate::record::classic::{GroupMetadataMemberMetadata, GroupMetadataValue};

impl Group {
    /// The record of the group as it stands, with assignments of its own or those just made.
    pub fn record(&self, assigned: Option<&dyn Fn(&str) -> Bytes>) -> Record {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let member = |(id, member): (&Arc<str>, &Member)| GroupMetadataMemberMetadata {
            member_id: id.to_string(),
            group_instance_id: member.instance_id.as_deref().map(str::to_owned),
            client_id: member.client_id.to_string(),
            client_host: member.client_host.to_string(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: assigned.map_or_else(|| member.assignment.clone(), |assigned| assigned(id)),
        };
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.as_deref().unwrap_or_default().to_owned(),
            generation: self.generation,
            protocol: self.protocol.as_deref().map(str::to_owned),
            leader: self.leader.as_deref().map(str::to_owned),
            current_state_timestamp: self.state_since,
            members: self.members.iter().map(member).collect(),
        };
        Record::GroupMetadata { group: self.id.to_string(), value: Some(value) }
    }

    /// The record of a group that was just made: it holds the group's place until the first generation.
    pub fn empty_record(&self) -> Record {
        let value = GroupMetadataValue { current_state_timestamp: self.state_since, ..GroupMetadataValue::default() };
        Record::GroupMetadata { group: self.id.to_string(), value: Some(value) }
    }

    /// A stable group of consumers that agree on a strategy already.
    pub fn from_members(id: Arc<str>, generation: i32, members: Vec<(Arc<str>, Member)>, now: i64) -> Self {
        let mut group = Self::new(id, now);
        group.generation = generation;
        for (id, member) in members {
            group.insert(id, member, &CONSUMER.into());
        }
        group.protocol = group.select_protocol();
        group.state = State::Stable;
        group.read_subscriptions();
        group
    }

    /// The group that a record describes.
    pub fn from_record(id: Arc<str>, value: &GroupMetadataValue) -> Self {
        let mut group = Self::new(id, value.current_state_timestamp);
        group.generation = value.generation;
        group.protocol_type = (!value.protocol_type.is_empty()).then(|| value.protocol_type.as_str().into());
        group.protocol = value.protocol.as_deref().map(Into::into);
        group.leader = value.leader.as_deref().map(Into::into);
        for stored in &value.members {
            let id: Arc<str> = stored.member_id.as_str().into();
            let instance_id: Option<Arc<str>> = stored.group_instance_id.as_deref().map(Into::into);
            if let Some(instance) = &instance_id {
                group.static_members.insert(instance.clone(), id.clone());
            }
            let protocol = group.protocol.clone().unwrap_or_default();
            let rebalance_timeout_ms =
                if stored.rebalance_timeout == -1 { stored.session_timeout } else { stored.rebalance_timeout };
            let member = Member {
                instance_id,
                client_id: stored.client_id.as_str().into(),
                client_host: stored.client_host.as_str().into(),
                session_timeout_ms: stored.session_timeout,
                rebalance_timeout_ms,
                protocols: vec![(protocol, stored.subscription.clone())],
                assignment: stored.assignment.clone(),
                is_new: false,
                joining: None,
                syncing: None,
            };
            group.members.insert(id, member);
        }
        if !group.members.is_empty() {
            group.state = State::Stable;
        }
        group.read_subscriptions();
        group
    }

    /// Our own record has reached the log: the assignments in it are now the members'.
    pub fn stored(&mut self, value: &GroupMetadataValue) {
        if value.members.is_empty() {
            return;
        }
        for stored in &value.members {
            if let Some(member) = self.members.get_mut(stored.member_id.as_str()) {
                member.assignment = stored.assignment.clone();
            }
        }
        if self.state == State::CompletingRebalance {
            let since = self.state_since;
            self.enter(State::Stable, since);
        }
    }
}
