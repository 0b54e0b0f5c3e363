//! What operators are shown of a consumer group.

use std::collections::BTreeMap;

use andiron_protocol::messages::consumer_group_describe_response::{
    Assignment as Described, DescribedGroup, Member as DescribedMember, TopicPartitions,
};
use uuid::Uuid;

use super::member::{Assignment, Member};
use super::{Group, Topics, places};
use crate::config::GroupConfig;
use crate::effects::text;

/// Kafka's numbers for the protocol that a member speaks.
const CLASSIC_MEMBER: i8 = 0;
const CONSUMER_MEMBER: i8 = 1;

/// From this version on the protocol of a member is told.
const MEMBER_TYPE_VERSION: i16 = 1;

impl Group {
    /// The answer to ConsumerGroupDescribe.
    pub(crate) fn describe(&self, version: i16, config: &GroupConfig, topics: &Topics) -> DescribedGroup {
        let assignor = self.preferred_assignor(None).unwrap_or(config.default_assignor());
        let members = self.members.values().map(|member| self.describe_member(member, version, topics));
        DescribedGroup::default()
            .with_group_id(text(&self.id).into())
            .with_group_state(text(self.state().name()))
            .with_group_epoch(self.epoch)
            .with_assignment_epoch(self.target_epoch)
            .with_assignor_name(text(assignor.name()))
            .with_members(members.collect())
    }

    fn describe_member(&self, member: &Member, version: i16, topics: &Topics) -> DescribedMember {
        let mut has = Assignment::new();
        for (topic, partition) in places(&member.assigned).chain(places(&member.revoking)) {
            has.entry(topic).or_default().insert(partition);
        }
        let shared = |value: &Option<std::sync::Arc<str>>| value.as_deref().map(text);
        let kind = if member.classic.is_some() { CLASSIC_MEMBER } else { CONSUMER_MEMBER };
        let described = DescribedMember::default()
            .with_member_id(text(&member.id))
            .with_instance_id(shared(&member.instance_id))
            .with_rack_id(shared(&member.rack_id))
            .with_member_epoch(member.epoch)
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_subscribed_topic_names(member.topics.iter().map(|topic| text(topic).into()).collect())
            .with_subscribed_topic_regex(shared(&member.pattern))
            .with_assignment(named(&has, topics))
            .with_target_assignment(self.target.get(&member.id).map_or_else(Described::default, |t| named(t, topics)));
        if version >= MEMBER_TYPE_VERSION { described.with_member_type(kind) } else { described }
    }
}

fn named(assignment: &Assignment, topics: &Topics) -> Described {
    let mut listed: BTreeMap<Uuid, TopicPartitions> = BTreeMap::new();
    for (id, partitions) in assignment {
        if let Some(name) = topics.name(*id) {
            let partitions = partitions.iter().copied().collect();
            let one = TopicPartitions::default().with_topic_id(*id).with_partitions(partitions);
            listed.insert(*id, one.with_topic_name(text(&name).into()));
        }
    }
    Described::default().with_topic_partitions(listed.into_values().collect())
}
