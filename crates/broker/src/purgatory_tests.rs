//! Deadlines come in order, once, and not for those who are done.
#![allow(clippy::unwrap_used)]

use super::*;

struct Told(Mutex<Vec<(&'static str, i64)>>);
struct One(Arc<Told>, &'static str);

impl Delayed for One {
    fn expire(&self, now: i64) {
        self.0.0.lock().push((self.1, now));
    }
}

#[test]
fn deadlines_come_in_order_and_not_for_those_who_are_done() {
    let told = Arc::new(Told(Mutex::new(Vec::new())));
    let purgatory = Purgatory::default();
    let one = |name| -> Arc<dyn Delayed> { Arc::new(One(Arc::clone(&told), name)) };
    let (_, first) = purgatory.insert(30, one("late"));
    assert!(first);
    let (done, first) = purgatory.insert(10, one("done"));
    assert!(first);
    let (_, first) = purgatory.insert(20, one("early"));
    assert!(!first);
    purgatory.remove(done);
    assert_eq!(purgatory.next_deadline(), Some(20));
    purgatory.expire(19);
    purgatory.expire(35);
    assert_eq!(*told.0.lock(), [("early", 35), ("late", 35)]);
    assert!(purgatory.is_empty());
}
