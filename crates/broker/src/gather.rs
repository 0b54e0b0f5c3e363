//! Puts the parts of an answer together that come one by one, in whatever order.

use std::sync::Arc;

use parking_lot::Mutex;

/// The parts of one answer.
pub(crate) struct Gather<T>(Arc<Mutex<Gathering<T>>>);

struct Gathering<T> {
    parts: Vec<Option<T>>,
    missing: usize,
    done: Option<Box<dyn FnOnce(Vec<T>) + Send>>,
}

impl<T> Clone for Gather<T> {
    fn clone(&self) -> Self {
        Gather(Arc::clone(&self.0))
    }
}

impl<T> Gather<T> {
    /// Calls `done` with `count` parts when all have come.
    pub(crate) fn new(count: usize, done: impl FnOnce(Vec<T>) + Send + 'static) -> Gather<T> {
        let mut gathering =
            Gathering { parts: (0..count).map(|_| None).collect(), missing: count, done: Some(Box::new(done)) };
        if count == 0
            && let Some(done) = gathering.done.take()
        {
            done(Vec::new());
        }
        Gather(Arc::new(Mutex::new(gathering)))
    }

    /// The part of this place has come.
    pub(crate) fn put(&self, place: usize, part: T) {
        let finished = {
            let mut gathering = self.0.lock();
            if let Some(slot) = gathering.parts.get_mut(place) {
                *slot = Some(part);
            }
            gathering.missing = gathering.missing.saturating_sub(1);
            if gathering.missing > 0 {
                return;
            }
            gathering.done.take().map(|done| (done, std::mem::take(&mut gathering.parts)))
        };
        if let Some((done, parts)) = finished {
            done(parts.into_iter().flatten().collect());
        }
    }
}
