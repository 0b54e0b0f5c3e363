//! The heartbeats of `group.protocol=consumer`.

use std::sync::Arc;
use std::time::Duration;

use andiron_protocol::error::ErrorCode;
use andiron_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use andiron_protocol::messages::{ConsumerGroupHeartbeatRequest, GroupId, TopicName};
use tokio::sync::oneshot;

use super::Worker;
use super::groups::{Event, LEAVE_TIMEOUT};
use crate::consumer::modern::{Beat, Beaten, ById, Wanted};
use crate::coordinator::{Coordinator, text};
use crate::pool::Purpose;
use crate::wire::error_code;

/// From this version on a member makes its id itself, and patterns are understood.
const OWN_ID_VERSION: i16 = 1;

impl Worker {
    pub(super) fn beat(&mut self, coordinator: Arc<Coordinator>, member_id: String, beat: Beat) {
        let config = self.client.config();
        let instance = config.consumer.group_instance_id.clone();
        let rack = Some(config.client_rack.clone()).filter(|rack| !rack.is_empty());
        let assignor = config.consumer.group_remote_assignor.clone();
        let rebalance_timeout = config.consumer.max_poll_interval_ms;
        let purpose = Purpose::Group(self.number);
        self.events.push(Box::pin(async move {
            let number = beat.number;
            let mut too_old_for_patterns = false;
            let request = |version| {
                let mut request = ConsumerGroupHeartbeatRequest::default()
                    .with_group_id(GroupId(text(coordinator.key())))
                    .with_member_id(text(&member_id))
                    .with_member_epoch(beat.epoch)
                    .with_instance_id(instance.as_deref().map(text))
                    .with_topic_partitions(beat.held.as_ref().map(wire));
                if version < OWN_ID_VERSION && beat.epoch == 0 {
                    request.member_id = text("");
                }
                if beat.full {
                    request.rebalance_timeout_ms = rebalance_timeout;
                    request.rack_id = rack.as_deref().map(text);
                    request.server_assignor = assignor.as_deref().map(text);
                }
                match &beat.wanted {
                    Some(Wanted::Topics(topics)) => {
                        let names = topics.iter().map(|topic| TopicName(text(topic)));
                        request.subscribed_topic_names = Some(names.collect());
                    }
                    Some(Wanted::Pattern(pattern)) if version >= OWN_ID_VERSION => {
                        request.subscribed_topic_regex = Some(text(pattern));
                    }
                    Some(Wanted::Pattern(_)) => too_old_for_patterns = true,
                    None => {}
                }
                request
            };
            let asked = coordinator.ask::<ConsumerGroupHeartbeatRequest>(purpose, Duration::ZERO, request).await;
            let (answer, member_id) = match asked {
                _ if too_old_for_patterns => (Err(ErrorCode::UnsupportedVersion), None),
                Err(code) => (Err(code), None),
                Ok(answer) => match coordinator.heed(error_code(answer.error_code)) {
                    ErrorCode::None => {
                        let assignment = answer.assignment.map(|assignment| {
                            let of_topic = |of: &andiron_protocol::messages::consumer_group_heartbeat_response::TopicPartitions| {
                                (of.topic_id, of.partitions.iter().copied().collect())
                            };
                            assignment.topic_partitions.iter().map(of_topic).collect()
                        });
                        let interval = Duration::from_millis(u64::from(answer.heartbeat_interval_ms.max(1).unsigned_abs()));
                        let beaten = Beaten { epoch: answer.member_epoch, interval, assignment };
                        (Ok(beaten), answer.member_id.map(|id| id.to_string()))
                    }
                    code => {
                        if let Some(message) = answer.error_message {
                            tracing::warn!("heartbeat of group {}: {code}: {}", coordinator.key(), message.as_str());
                        }
                        (Err(code), None)
                    }
                },
            };
            super::Event::Group(Event::BeatenModern { number, answer, member_id })
        }));
    }

    /// The heartbeat by which a member goes.
    pub(super) fn leave_by_heartbeat(&mut self, member_id: String, epoch: i32, left: Option<oneshot::Sender<()>>) {
        let Some(coordinator) = self.coordinator.clone() else { return };
        let instance = self.client.config().consumer.group_instance_id.clone();
        // Behind the heartbeats before it.
        let purpose = Purpose::Group(self.number);
        self.events.push(Box::pin(async move {
            let request = |_| {
                ConsumerGroupHeartbeatRequest::default()
                    .with_group_id(GroupId(text(coordinator.key())))
                    .with_member_id(text(&member_id))
                    .with_member_epoch(epoch)
                    .with_instance_id(instance.as_deref().map(text))
                    .with_topic_partitions(None)
            };
            let asked = coordinator.ask::<ConsumerGroupHeartbeatRequest>(purpose, Duration::ZERO, request);
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

    /// Asks for the names of topics: an assignment names them by id. With a pattern they may be any.
    pub(super) fn ask_names(&mut self, wanted: Option<Vec<String>>) {
        let client = self.client.clone();
        self.events.push(Box::pin(async move {
            let names = match client.metadata().ask(client.pool(), wanted.as_deref(), false).await {
                Ok(view) => view
                    .topics
                    .into_values()
                    .filter_map(Result::ok)
                    .map(|topic| (topic.id, topic.name.clone()))
                    .collect(),
                Err(error) => {
                    tracing::debug!("the names of topics are not known yet: {error}");
                    Vec::new()
                }
            };
            // A topic that is so new that this broker does not know it is asked for again, not at once.
            tokio::time::sleep(client.metadata().backoff().after(1)).await;
            super::Event::Group(Event::Named(names))
        }));
    }
}

fn wire(partitions: &ById) -> Vec<TopicPartitions> {
    let of_topic = |(id, partitions): (&uuid::Uuid, &std::collections::BTreeSet<i32>)| {
        TopicPartitions::default().with_topic_id(*id).with_partitions(partitions.iter().copied().collect())
    };
    partitions.iter().map(of_topic).collect()
}
