//! Subscriptions by pattern: which topics a pattern matches is found out apart from the heartbeats, for all patterns of a
//! group at once, and written down.

use std::sync::Arc;

use super::member::{Member, change};
use super::{Group, Resolved, Scene, UNCHANGED_TOPICS_MS, pattern};
use crate::error::ConsumerGroupError;
use crate::limits::PATTERN_REST_MS;
use crate::record::Record;
use crate::record::consumer::ConsumerGroupRegularExpressionValue;
use crate::record::membership::Change;
use crate::timers::Timer;

/// Whether a changed pattern gives the group a new epoch before its topics are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patterns {
    /// Not before: its topics will.
    MayLag,
    /// At once: a member changes its protocol.
    MoveOn,
}

/// What a request changed of a member's pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatternChange {
    None,
    /// The topics of the new one are not known yet.
    Unresolved,
    /// The topics are known, or it has none any more.
    Resolved,
}

impl PatternChange {
    pub fn changed(self) -> bool {
        self != Self::None
    }

    pub fn is_resolved(self) -> bool {
        self == Self::Resolved
    }
}

impl Group {
    /// Notes a member's pattern, and has the topics of all looked up if that is due.
    pub(super) fn note_pattern(
        &self,
        member: &Member,
        updated: &Member,
        scene: &mut Scene<'_>,
    ) -> Result<PatternChange, ConsumerGroupError> {
        let (before, after) = (member.pattern(), updated.pattern());
        let count = |pattern: &Arc<str>| self.pattern_members.get(pattern).copied().unwrap_or(0);
        let mut outcome = PatternChange::None;
        let mut look_up = false;
        if before != after {
            outcome = PatternChange::Unresolved;
            if let Some(before) = before.filter(|before| count(before) == 1) {
                scene.records.push(change(&self.id, Change::Pattern(before.to_string(), None)));
            }
            match after {
                Some(after) if count(after) == 0 => {
                    pattern::compile(after).map_err(|unreadable| ConsumerGroupError::InvalidPattern {
                        pattern: after.to_string(),
                        reason: unreadable.0,
                    })?;
                    look_up = true;
                }
                Some(after) if self.patterns.contains_key(after) => outcome = PatternChange::Resolved,
                Some(_) => {}
                None => outcome = PatternChange::Resolved,
            }
        }
        if !look_up && self.pattern_members.is_empty() {
            return Ok(outcome);
        }
        let timer = Timer::Patterns(self.id.clone());
        let last = self.patterns.values().next();
        let (last_at, last_version) = last.map_or((i64::MIN, 0), |last| (last.timestamp, last.version));
        if scene.timers.has(&timer) || scene.now <= last_at.saturating_add(PATTERN_REST_MS) {
            return Ok(outcome);
        }
        let found = self.subscriptions(&[member], Some(updated)).patterns;
        let interval_ms = i64::from(scene.config.consumer_regex_refresh_interval_ms);
        look_up |= found.len() != self.patterns.len()
            || last_version < scene.topics.grown_at
            || scene.now > last_at.saturating_add(interval_ms);
        if look_up && !found.is_empty() {
            scene.timers.set(timer, scene.now);
        }
        Ok(outcome)
    }

    /// Looks up the topics of all patterns. If they are others than before, the group moves on.
    pub(crate) fn resolve_patterns(&mut self, scene: &mut Scene<'_>) {
        let mut found = self.subscriptions(&[], None);
        let mut moves_on = false;
        for pattern in self.pattern_members.keys() {
            let topics = pattern::matching(pattern, scene.topics);
            let before = self.patterns.get(pattern).map(|resolved| &resolved.topics);
            if before.map_or(!topics.is_empty(), |before| *before != topics) {
                moves_on = true;
                for topic in before.into_iter().flatten() {
                    if let Some(asked) = found.topics.get_mut(topic) {
                        asked.by_pattern -= 1;
                    }
                }
                for topic in &topics {
                    found.topics.entry(topic.clone()).or_default().by_pattern += 1;
                }
            }
            let resolved = Resolved { topics, version: scene.topics.version(), timestamp: scene.now };
            scene.records.push(self.pattern_record(pattern, resolved));
        }
        found.topics.retain(|_, asked| asked.by_name + asked.by_pattern > 0);
        let hash = scene.topics.hash(found.topics.keys().map(String::as_str));
        if moves_on || hash != self.metadata_hash {
            let epoch = self.epoch.saturating_add(1);
            scene.records.push(self.epoch_record(epoch, hash));
            self.checked_until = scene.now.saturating_add(UNCHANGED_TOPICS_MS);
            self.checked_epoch = epoch;
        }
    }

    fn pattern_record(&self, pattern: &str, resolved: Resolved) -> Record {
        let value = ConsumerGroupRegularExpressionValue {
            topics: resolved.topics.into_iter().collect(),
            version: resolved.version,
            timestamp: resolved.timestamp,
        };
        change(&self.id, Change::Pattern(pattern.to_owned(), Some(value)))
    }
}
