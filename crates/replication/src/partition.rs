//! One partition as its leader sees it: who is in sync, how far the log goes, how much of it is durable, and from that the
//! high watermark. Events go in, effects come out; the log itself is storage's matter, the clock the caller's.
//!
//! The leader counts for the high watermark with what it has on disk, as a follower does with what it has fetched. With a
//! single replica the high watermark is therefore the durable offset; when durability is relaxed (`andiron.fsync=false`)
//! it is the end of the log, as with Kafka.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use crate::limits::WAITING_APPENDS_MAX;

#[cfg(test)]
mod tests;

/// What the leader's own copy counts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Up to where fdatasync has been.
    Synced,
    /// Up to the end of the log, as Kafka does.
    Appended,
}

/// What a producer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Nothing: acks=0 or 1.
    Leader,
    /// The high watermark: acks=all.
    All,
}

/// Why an append is refused before the log is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another node leads, or none.
    #[error("not the leader")]
    NotLeader,
    /// Fewer in-sync replicas than min.insync.replicas, and acks=all.
    #[error("{isr} in-sync replicas are fewer than the {min} wanted")]
    NotEnoughReplicas {
        /// How many there are.
        isr: usize,
        /// min.insync.replicas.
        min: usize,
    },
    /// Too many producers wait already.
    #[error("too many appends wait for the high watermark")]
    Busy,
}

/// Who leads and who is in sync, as the metadata image has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The leader epoch.
    pub epoch: i32,
    /// The partition epoch, against which changes of the ISR are checked.
    pub partition_epoch: i32,
    /// All replicas.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event<T> {
    /// This node became leader, or the ISR changed while it is. `log_end` and `durable` say how far its log goes.
    Lead {
        /// The image's word.
        leadership: Leadership,
        /// The end of the local log.
        log_end: i64,
        /// Up to where it is on disk.
        durable: i64,
        /// What was known to be committed before, from the checkpoint.
        high_watermark: i64,
    },
    /// This node leads no more.
    Resign,
    /// The log grew to `end`; `token` is answered when that is committed.
    Appended {
        /// The end of the log now.
        end: i64,
        /// Who waits, with acks=all.
        token: Option<T>,
    },
    /// fdatasync ended; everything before `to` is on disk.
    Synced {
        /// The durable end.
        to: i64,
    },
    /// A follower asks for records from `offset`, so it has all before it.
    FollowerFetch {
        /// The follower.
        replica: i32,
        /// Where it wants to read.
        offset: i64,
    },
    /// The controller did not take the ISR that it was asked for.
    IsrRefused,
    /// Time passed: followers that lag fall out of the ISR.
    Tick {
        /// replica.lag.time.max.ms.
        lag_time_ms_max: i64,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect<T> {
    /// There is more to read for followers (and, with relaxed durability, for consumers).
    WakeFetchers,
    /// The high watermark is now this; consumers that wait may go on.
    HighWatermark(i64),
    /// The append is committed.
    Reply {
        /// Who waits.
        token: T,
    },
    /// The append may or may not survive: this node leads no more.
    Abandon {
        /// Who waits.
        token: T,
    },
    /// Ask the controller for this ISR.
    AlterIsr {
        /// The one wanted.
        isr: Vec<i32>,
        /// The partition epoch that it is based on.
        partition_epoch: i32,
    },
}

#[derive(Clone, Debug)]
struct Follower {
    end: i64,
    /// When it had last reached the end that the log had at its fetch.
    caught_up_at: i64,
    /// The end of the log, and when, at its last fetch.
    fetched_at: i64,
    end_at_fetch: i64,
}

#[derive(Clone, Debug)]
struct Lead {
    leadership: Leadership,
    followers: BTreeMap<i32, Follower>,
    /// An ISR that the controller was asked for. Until its answer the high watermark waits for both.
    asked: Option<Vec<i32>>,
    /// Where this epoch began. A replica joins the ISR only when it has come that far.
    start: i64,
}

/// The machine of one partition.
#[derive(Clone, Debug)]
pub struct Partition<T> {
    node: i32,
    durability: Durability,
    lead: Option<Lead>,
    log_end: i64,
    durable: i64,
    high_watermark: i64,
    waiting: VecDeque<(i64, T)>,
}

impl<T> Partition<T> {
    /// A partition on this node, of which nothing is known yet.
    pub fn new(node: i32, durability: Durability) -> Self {
        Self { node, durability, lead: None, log_end: 0, durable: 0, high_watermark: 0, waiting: VecDeque::new() }
    }

    /// The leader epoch, while this node leads.
    pub fn leader_epoch(&self) -> Option<i32> {
        self.lead.as_ref().map(|lead| lead.leadership.epoch)
    }

    /// Where the log ended when this node began to lead: until the high watermark has come that far it may be lower than
    /// what the last leader told (KIP-207).
    pub fn epoch_start(&self) -> Option<i64> {
        self.lead.as_ref().map(|lead| lead.start)
    }

    /// Everything before it is committed: a consumer may read it.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// The end of the local log.
    pub fn log_end(&self) -> i64 {
        self.log_end
    }

    /// How many producers wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether an append may be tried: asked before the log is.
    pub fn check_append(&self, acks: Acks, isr_min: usize) -> Result<i32, Refusal> {
        let Some(lead) = &self.lead else { return Err(Refusal::NotLeader) };
        let isr = lead.leadership.isr.len();
        // Kafka counts min.insync.replicas no higher than there are replicas.
        let min = isr_min.min(lead.leadership.replicas.len());
        if acks == Acks::All && isr < min {
            return Err(Refusal::NotEnoughReplicas { isr, min });
        }
        if self.waiting.len() >= WAITING_APPENDS_MAX {
            return Err(Refusal::Busy);
        }
        Ok(lead.leadership.epoch)
    }

    /// Takes in what happened and says what is to be done.
    pub fn step(&mut self, now: i64, event: Event<T>, effects: &mut Vec<Effect<T>>) {
        match event {
            Event::Lead { leadership, log_end, durable, high_watermark } => {
                self.lead(now, leadership, log_end, durable, high_watermark);
            }
            Event::Resign => {
                self.lead = None;
                effects.extend(self.waiting.drain(..).map(|(_, token)| Effect::Abandon { token }));
                return;
            }
            Event::Appended { end, token } => {
                self.log_end = self.log_end.max(end);
                if let Some(token) = token {
                    self.waiting.push_back((end, token));
                }
                effects.push(Effect::WakeFetchers);
            }
            Event::Synced { to } => self.durable = self.durable.max(to.min(self.log_end)),
            Event::FollowerFetch { replica, offset } => self.follower_fetch(now, replica, offset, effects),
            Event::IsrRefused => {
                if let Some(lead) = &mut self.lead {
                    lead.asked = None;
                }
            }
            Event::Tick { lag_time_ms_max } => self.shrink(now, lag_time_ms_max, effects),
        }
        self.advance(effects);
    }

    fn lead(&mut self, now: i64, leadership: Leadership, log_end: i64, durable: i64, high_watermark: i64) {
        let node = self.node;
        let new_epoch = self.leader_epoch() != Some(leadership.epoch);
        self.log_end = log_end;
        self.durable = durable.min(log_end);
        self.high_watermark = self.high_watermark.max(high_watermark).min(log_end);
        let old = if new_epoch { None } else { self.lead.take() };
        let (mut known, start) = old.map_or((BTreeMap::new(), log_end), |lead| (lead.followers, lead.start));
        let followers = leadership.replicas.iter().filter(|id| **id != node);
        let followers = followers
            .map(|id| {
                let unknown = Follower { end: -1, caught_up_at: now, fetched_at: now, end_at_fetch: log_end };
                (*id, known.remove(id).unwrap_or(unknown))
            })
            .collect();
        self.lead = Some(Lead { leadership, followers, asked: None, start });
    }

    fn follower_fetch(&mut self, now: i64, replica: i32, offset: i64, effects: &mut Vec<Effect<T>>) {
        let (log_end, high_watermark) = (self.log_end, self.high_watermark);
        let Some(lead) = &mut self.lead else { return };
        let Some(follower) = lead.followers.get_mut(&replica) else { return };
        if offset >= log_end {
            follower.caught_up_at = now;
        } else if offset >= follower.end_at_fetch {
            // It has what was there when it fetched last: it was caught up then.
            follower.caught_up_at = follower.caught_up_at.max(follower.fetched_at);
        }
        follower.end = offset.min(log_end);
        follower.fetched_at = now;
        follower.end_at_fetch = log_end;
        let in_sync = lead.leadership.isr.contains(&replica);
        if !in_sync && lead.asked.is_none() && offset >= high_watermark && offset >= lead.start {
            let mut isr = lead.leadership.isr.clone();
            isr.push(replica);
            effects.push(Effect::AlterIsr { isr: isr.clone(), partition_epoch: lead.leadership.partition_epoch });
            lead.asked = Some(isr);
        }
    }

    fn shrink(&mut self, now: i64, lag_time_ms_max: i64, effects: &mut Vec<Effect<T>>) {
        let log_end = self.log_end;
        let Some(lead) = &mut self.lead else { return };
        if lead.asked.is_some() {
            return;
        }
        let lags = |id: &i32| {
            lead.followers.get(id).is_some_and(|f| f.end < log_end && now - f.caught_up_at > lag_time_ms_max)
        };
        let isr: Vec<i32> = lead.leadership.isr.iter().copied().filter(|id| !lags(id)).collect();
        if isr.len() < lead.leadership.isr.len() {
            effects.push(Effect::AlterIsr { isr: isr.clone(), partition_epoch: lead.leadership.partition_epoch });
            lead.asked = Some(isr);
        }
    }

    /// The high watermark is the least that any replica has of those in sync or about to be.
    fn advance(&mut self, effects: &mut Vec<Effect<T>>) {
        let Some(lead) = &self.lead else { return };
        let own = match self.durability {
            Durability::Synced => self.durable,
            Durability::Appended => self.log_end,
        };
        let in_sync = lead.leadership.isr.iter().chain(lead.asked.iter().flatten());
        let others = in_sync.filter_map(|id| lead.followers.get(id)).map(|follower| follower.end);
        let least = others.min().unwrap_or(own).min(own);
        if least > self.high_watermark {
            self.high_watermark = least;
            effects.push(Effect::HighWatermark(least));
        }
        while self.waiting.front().is_some_and(|(end, _)| *end <= self.high_watermark) {
            if let Some((_, token)) = self.waiting.pop_front() {
                effects.push(Effect::Reply { token });
            }
        }
    }
}
