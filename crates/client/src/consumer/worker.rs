//! The task behind a consumer: keeps it a member of its group, learns where its partitions are to be read from, and reads
//! ahead. The application's calls and this task meet in [`Shared`]; what is decided is decided by the machines beside it.
//!
//! Everything that takes time is a future in one set, so that nothing waits for anything else.

mod fetching;
mod groups;
mod modern;
mod offsets;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use andiron_protocol::error::ErrorCode;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use super::membership::Change;
use super::shared::Shared;
use crate::backoff::Backoff;
use crate::client::Client;
use crate::coordinator::Coordinator;
use crate::pool::Purpose;

enum Event {
    Group(groups::Event),
    Offsets(offsets::Event),
    Fetched(fetching::Answered),
    /// Metadata of topics without a known leader were asked for.
    Refreshed {
        learned: bool,
    },
}

type Events = FuturesUnordered<Pin<Box<dyn Future<Output = Event> + Send>>>;

pub(crate) struct Worker {
    client: Client,
    shared: Arc<Shared>,
    coordinator: Option<Arc<Coordinator>>,
    group: groups::Group,
    number: u64,
    events: Events,
    nodes: HashMap<i32, fetching::Node>,
    asking: offsets::Asking,
    refreshing: bool,
    refresh_failures: u32,
    refresh_not_before: Option<Instant>,
    backoff: Backoff,
}

fn earliest(so_far: &mut Instant, moment: Instant) {
    *so_far = moment.min(*so_far);
}

impl Worker {
    pub(crate) fn new(client: &Client, shared: Arc<Shared>, coordinator: Option<Arc<Coordinator>>) -> Self {
        Worker {
            group: groups::Group::new(client.config(), Instant::now()),
            number: client.next_number(),
            client: client.clone(),
            shared,
            coordinator,
            events: FuturesUnordered::new(),
            nodes: HashMap::new(),
            asking: offsets::Asking::default(),
            refreshing: false,
            refresh_failures: 0,
            refresh_not_before: None,
            backoff: client.metadata().backoff(),
        }
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let now = Instant::now();
            let mut wake_at = now + Duration::from_secs(3_600);
            self.drive_group(now, &mut wake_at);
            self.learn_positions(now, &mut wake_at);
            self.fetch(now, &mut wake_at);
            let shared = self.shared.clone();
            tokio::select! {
                Some(event) = self.events.next(), if !self.events.is_empty() => self.handle(event),
                () = shared.worker.notified() => {}
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Group(event) => self.group_event(event, now),
            Event::Offsets(event) => self.offsets_event(event, now),
            Event::Fetched(answered) => self.fetched(answered, now),
            Event::Refreshed { learned } => {
                self.refreshing = false;
                self.refresh_failures = if learned { 0 } else { self.refresh_failures.saturating_add(1) };
                self.refresh_not_before = Some(now + self.backoff.after(self.refresh_failures.max(1)));
            }
        }
    }

    /// Asks who leads these topics, not too often.
    fn refresh(&mut self, topics: Vec<String>, now: Instant, wake_at: &mut Instant) {
        if self.refreshing {
            return;
        }
        if let Some(not_before) = self.refresh_not_before.filter(|at| *at > now) {
            earliest(wake_at, not_before);
            return;
        }
        self.refreshing = true;
        let client = self.client.clone();
        self.events.push(Box::pin(async move {
            let view = client.metadata().ask(client.pool(), Some(&topics), false).await;
            let learned = view.is_ok_and(|view| {
                let known = |topic: &Result<Arc<crate::cluster::TopicInfo>, ErrorCode>| {
                    topic.as_ref().is_ok_and(|topic| topic.partitions.iter().all(|p| p.leader >= 0))
                };
                view.topics.values().all(known)
            });
            Event::Refreshed { learned }
        }));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.client.pool().forget(Purpose::Group(self.number));
        self.client.pool().forget(Purpose::Fetch(self.number));
    }
}
