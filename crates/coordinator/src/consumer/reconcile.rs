//! One member's way from what it has to what it is to have: first it gives up what is not its own any more, and shows that
//! it has; then it gets what nobody else has; what others have yet to give up it gets later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::member::{Assignment, Held, Member, MemberState};
use super::{Group, Scene, places};
use crate::error::ConsumerGroupError;
use crate::timers::Timer;

/// What a member is to reach.
pub(super) struct Goal {
    pub epoch: i32,
    pub target: Arc<Assignment>,
    /// What it reads has changed with this request.
    pub resubscribed: bool,
}

/// The partitions that a request says the member has; none if it does not say.
pub(super) type Owned = Option<BTreeMap<Uuid, BTreeSet<i32>>>;

impl Group {
    /// Brings the member a step further, if there is one to make.
    pub(super) fn reconcile(
        &self,
        member: Member,
        goal: &Goal,
        owned: &Owned,
        scene: &mut Scene<'_>,
    ) -> Result<Member, ConsumerGroupError> {
        if !goal.resubscribed && member.is_reconciled_to(goal.epoch) {
            return Ok(member);
        }
        let next = Step { group: self, member: &member, goal, owned, scene }.next()?;
        if next == member {
            return Ok(member);
        }
        scene.records.push(next.current_record(&self.id));
        if next.classic.is_none() {
            if next.state == MemberState::Unrevoked {
                self.start_rebalance(&next, scene.now, scene.timers);
            } else {
                scene.timers.cancel(&Timer::MemberRebalance(self.id.clone(), next.id.clone()));
            }
        }
        Ok(next)
    }

    /// Whether the member waits for partitions that somebody else still has.
    pub(super) fn waits_for_others(&self, member: &Member) -> bool {
        let target = self.target.get(&member.id);
        let wanted = target.into_iter().flat_map(|target| target.iter());
        member.state == MemberState::Unreleased
            && wanted.flat_map(|(topic, partitions)| partitions.iter().map(|at| (*topic, *at))).any(|(topic, at)| {
                let has = member.assigned.get(&topic).is_some_and(|held| held.contains_key(&at));
                !has && self.partition_epoch(topic, at).is_some()
            })
    }
}

struct Step<'a, 'b> {
    group: &'a Group,
    member: &'a Member,
    goal: &'a Goal,
    owned: &'a Owned,
    scene: &'a Scene<'b>,
}

impl Step<'_, '_> {
    fn next(&self) -> Result<Member, ConsumerGroupError> {
        let member = self.member;
        Ok(match member.state {
            MemberState::Stable if member.epoch != self.goal.epoch => self.towards(member.epoch),
            MemberState::Stable if self.goal.resubscribed => self.unsubscribe(),
            MemberState::Stable => member.clone(),
            MemberState::Unrevoked if !self.still_has(&member.revoking) => self.towards(member.epoch),
            MemberState::Unrevoked if self.goal.resubscribed => self.unsubscribe(),
            MemberState::Unrevoked => member.clone(),
            MemberState::Unreleased => self.towards(member.epoch),
            // Only a member that has nothing can begin from a state that is not known.
            MemberState::Unknown if self.owned.as_ref().is_none_or(|owned| !owned.is_empty()) => {
                return Err(ConsumerGroupError::UnknownState);
            }
            MemberState::Unknown => self.towards(self.goal.epoch),
        })
    }

    /// Whether the member has, or does not say that it has not, any of these.
    fn still_has(&self, held: &Held) -> bool {
        let Some(owned) = self.owned else { return true };
        places(held).any(|(topic, at)| owned.get(&topic).is_some_and(|partitions| partitions.contains(&at)))
    }

    fn subscribed(&self) -> BTreeSet<Uuid> {
        let topics = self.group.topics_of(self.member);
        topics.into_iter().filter_map(|topic| self.scene.topics.id(topic)).collect()
    }

    fn moved_to(&self, epoch: i32, state: MemberState, assigned: Held, revoking: Held) -> Member {
        Member {
            state,
            previous_epoch: self.member.epoch,
            epoch,
            assigned: Arc::new(assigned),
            revoking: Arc::new(revoking),
            ..self.member.clone()
        }
    }

    /// Takes away at once what the member does not read any more; the rest waits for a new target.
    fn unsubscribe(&self) -> Member {
        let subscribed = self.subscribed();
        let mut assigned = (*self.member.assigned).clone();
        let mut revoking = (*self.member.revoking).clone();
        for (topic, partitions) in &*self.member.assigned {
            if !subscribed.contains(topic) {
                assigned.remove(topic);
                revoking.entry(*topic).or_default().extend(partitions);
            }
        }
        if assigned.len() == self.member.assigned.len() {
            return self.member.clone();
        }
        if self.still_has(&revoking) {
            self.moved_to(self.member.epoch, MemberState::Unrevoked, assigned, revoking)
        } else {
            let revoking = (*self.member.revoking).clone();
            self.moved_to(self.member.epoch, self.member.state, assigned, revoking)
        }
    }

    /// The next step from this epoch to the target.
    fn towards(&self, epoch: i32) -> Member {
        let subscribed = self.subscribed();
        let none = (BTreeSet::new(), BTreeMap::new());
        let (mut kept, mut revoking, mut gained) = (Held::new(), Held::new(), Vec::new());
        let mut unreleased = false;
        let topics: BTreeSet<Uuid> = self.goal.target.keys().chain(self.member.assigned.keys()).copied().collect();
        for topic in topics {
            let target = self.goal.target.get(&topic).filter(|_| subscribed.contains(&topic)).unwrap_or(&none.0);
            let has = self.member.assigned.get(&topic).unwrap_or(&none.1);
            for (at, since) in has {
                let side = if target.contains(at) { &mut kept } else { &mut revoking };
                side.entry(topic).or_default().insert(*at, *since);
            }
            for at in target.iter().filter(|at| !has.contains_key(at)) {
                let own = self.member.revoking.get(&topic).is_some_and(|held| held.contains_key(at));
                if self.group.partition_epoch(topic, *at).is_some() && !own {
                    unreleased = true;
                } else {
                    gained.push((topic, *at));
                }
            }
        }
        if !revoking.is_empty() && self.still_has(&revoking) {
            return self.moved_to(epoch, MemberState::Unrevoked, kept, revoking);
        }
        for (topic, at) in gained {
            kept.entry(topic).or_default().insert(at, self.goal.epoch);
        }
        let state = if unreleased { MemberState::Unreleased } else { MemberState::Stable };
        self.moved_to(self.goal.epoch, state, kept, Held::new())
    }
}
