//! Leaving: members that say so, and members that are not heard of or do not give up what they must.

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

use super::heartbeat::check_instance;
use super::member::{Held, LEAVING_FOR_A_WHILE, Member, MemberState, change};
use super::{Group, Scene};
use crate::effects::text;
use crate::error::ConsumerGroupError;
use crate::record::membership::Change;

impl Group {
    /// The member that a heartbeat with a leaving epoch is of, and the answer to it.
    pub(crate) fn leaver(
        &self,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<(Arc<Member>, ConsumerGroupHeartbeatResponse), ConsumerGroupError> {
        let member = match request.instance_id.as_deref() {
            None => self.members.get(&*request.member_id).ok_or_else(|| self.unknown_member(&request.member_id))?,
            Some(instance) => {
                let known = self.static_member(instance);
                let known = known.ok_or_else(|| ConsumerGroupError::UnknownInstance(instance.to_owned()))?;
                check_instance(known, &request.member_id, instance)?;
                known
            }
        };
        let answer = ConsumerGroupHeartbeatResponse::default()
            .with_member_id(Some(text(&member.id)))
            .with_member_epoch(request.member_epoch);
        Ok((member.clone(), answer))
    }

    /// A static member goes and will be back: its place is kept until its session ends.
    pub(crate) fn leave_for_a_while(&self, member: &Member, scene: &mut Scene<'_>) {
        let reset = |(topic, partitions): (&uuid::Uuid, &BTreeMap<i32, i32>)| {
            (*topic, partitions.keys().map(|partition| (*partition, 0)).collect())
        };
        let kept: Held = member.assigned.iter().map(reset).collect();
        let gone =
            Member { epoch: LEAVING_FOR_A_WHILE, assigned: Arc::new(kept), revoking: Arc::default(), ..member.clone() };
        scene.records.push(gone.current_record(&self.id));
    }

    /// Takes members out; the group moves on.
    pub(super) fn fence(&self, members: &[Arc<Member>], scene: &mut Scene<'_>) {
        let gone: Vec<&Member> = members.iter().map(|member| &**member).collect();
        for member in &gone {
            member.tombstones(&self.id, &mut scene.records);
        }
        let found = self.subscriptions(&gone, None);
        let orphans = self.pattern_members.keys().filter(|pattern| !found.patterns.contains_key(*pattern));
        scene.records.extend(orphans.map(|pattern| change(&self.id, Change::Pattern(pattern.to_string(), None))));
        let hash = scene.topics.hash(found.topics.keys().map(String::as_str));
        scene.records.push(self.epoch_record(self.epoch.saturating_add(1), hash));
        for member in &gone {
            self.cancel_timers_of(&member.id, scene.timers);
        }
    }

    /// A member of this id.
    pub(crate) fn member(&self, id: &str) -> Option<&Arc<Member>> {
        self.members.get(id)
    }

    /// The member if its time to give up partitions is really over.
    pub(crate) fn overdue(&self, id: &str) -> Option<&Arc<Member>> {
        self.members.get(id).filter(|member| member.state == MemberState::Unrevoked)
    }
}
