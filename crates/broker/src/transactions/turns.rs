//! The requests of one producer one after the other. A batch that waits for its partition to be verified must not be overtaken by
//! the next one, which may find the transaction under way; Apache Kafka reads no further from the connection meanwhile.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

/// A request whose turn it is. When it is done, perhaps much later on another thread, it calls [`Turns::over`].
type Work = Box<dyn FnOnce() + Send>;

/// The requests that wait for their turn, by producer id. A producer is in the map while one of its requests has its turn.
#[derive(Default)]
pub(crate) struct Turns {
    producers: Mutex<HashMap<i64, Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    /// Whether a thread is within a request, and looks for the next one itself when it comes out.
    within: bool,
    /// Whether that request has said that it is done.
    over: bool,
}

impl Turns {
    /// Does `work` when what came before it of this producer is over, which is mostly at once.
    pub(crate) fn take(&self, producer_id: i64, work: Work) {
        {
            let mut producers = self.producers.lock();
            if let Some(queue) = producers.get_mut(&producer_id) {
                queue.waiting.push_back(work);
                return;
            }
            producers.insert(producer_id, Queue { within: true, ..Queue::default() });
        }
        self.go_on(producer_id, work);
    }

    /// The request whose turn it was is done.
    pub(crate) fn over(&self, producer_id: i64) {
        let next = {
            let mut producers = self.producers.lock();
            let Some(queue) = producers.get_mut(&producer_id) else { return };
            if queue.within {
                queue.over = true;
                return;
            }
            next(&mut producers, producer_id)
        };
        if let Some(work) = next {
            self.go_on(producer_id, work);
        }
    }

    fn go_on(&self, producer_id: i64, mut work: Work) {
        loop {
            work();
            let mut producers = self.producers.lock();
            let Some(queue) = producers.get_mut(&producer_id) else { return };
            if !queue.over {
                queue.within = false;
                return;
            }
            match next(&mut producers, producer_id) {
                Some(following) => work = following,
                None => return,
            }
        }
    }
}

fn next(producers: &mut HashMap<i64, Queue>, producer_id: i64) -> Option<Work> {
    let queue = producers.get_mut(&producer_id)?;
    (queue.within, queue.over) = (true, false);
    let next = queue.waiting.pop_front();
    if next.is_none() {
        producers.remove(&producer_id);
    }
    next
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
