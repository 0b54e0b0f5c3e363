//! Stories of a counter in the harness.
#![allow(clippy::unwrap_used)]

use super::*;

/// Adds numbers up; a negative number is soft.
#[derive(Default)]
struct Counter {
    sum: i64,
    seen: Vec<(i64, i64)>,
}

impl StateMachine for Counter {
    type Request = Vec<i64>;
    type Response = i64;
    type Record = i64;
    type View = i64;
    fn handle(&self, _now: i64, numbers: Vec<i64>) -> Decision<i64, i64> {
        Decision { answer: self.sum + numbers.iter().sum::<i64>(), records: numbers }
    }
    fn replay(&mut self, offset: i64, record: &i64) {
        self.sum += record;
        self.seen.push((offset, *record));
    }
    fn durable(record: &i64) -> bool {
        *record >= 0
    }
    fn view(&self) -> i64 {
        self.sum
    }
    fn next_deadline(&self) -> Option<i64> {
        (self.sum > 0).then_some(100)
    }
    fn on_deadline(&self, now: i64) -> Option<Decision<i64, i64>> {
        (now >= 100).then(|| Decision { records: vec![-self.sum], answer: 0 })
    }
}

fn log(from: i64) -> impl FnMut(&[i64]) -> Result<i64, &'static str> {
    let mut end = from;
    move |records| {
        end += records.len() as i64;
        Ok(end - records.len() as i64)
    }
}

#[test]
fn an_answer_waits_until_its_records_are_committed_and_the_view_with_it() {
    let mut harness = Harness::new(Counter::default(), 10);
    let mut append = log(10);
    harness.request(0, vec![1, 2], "a", &mut append).unwrap();
    harness.request(0, vec![4], "b", &mut append).unwrap();
    assert_eq!((harness.latest().sum, *harness.view(), harness.parked()), (7, 0, 2));
    assert_eq!(harness.committed(11), []);
    assert_eq!(harness.committed(12), [("a", 3)]);
    assert_eq!(*harness.view(), 3);
    assert_eq!(harness.committed(13), [("b", 7)]);
    assert_eq!(*harness.view(), 7);
    assert_eq!(harness.latest().seen, [(10, 1), (11, 2), (12, 4)]);
}

#[test]
fn a_question_waits_for_the_changes_it_saw() {
    let mut harness = Harness::new(Counter::default(), 0);
    let mut append = log(0);
    harness.request(0, vec![], "at once", &mut append).unwrap();
    assert_eq!(harness.committed(0), [("at once", 0)]);
    harness.request(0, vec![5], "change", &mut append).unwrap();
    harness.request(0, vec![], "question", &mut append).unwrap();
    assert_eq!(harness.committed(0), []);
    assert_eq!(harness.committed(1), [("change", 5), ("question", 5)]);
}

#[test]
fn a_failed_append_leaves_the_state_as_it_was() {
    let mut harness = Harness::new(Counter::default(), 0);
    let refused = harness.request(0, vec![-3, 5], "a", |_| Err("disk full"));
    assert_eq!(refused, Err(Refused::Append { token: "a", error: "disk full" }));
    assert_eq!((harness.latest().sum, harness.end(), harness.parked()), (0, 0, 0));
}

#[test]
fn soft_records_change_the_state_in_their_order_but_not_the_log() {
    let mut harness = Harness::new(Counter::default(), 0);
    let mut asked = Vec::new();
    harness
        .request(0, vec![-1, 5, -2, 6], "a", |records| {
            asked = records.to_vec();
            Ok::<_, ()>(0)
        })
        .unwrap();
    assert_eq!(asked, [5, 6]);
    assert_eq!(harness.latest().seen, [(0, -1), (0, 5), (1, -2), (1, 6)]);
}

#[test]
fn deadlines_are_decisions_too() {
    let mut harness = Harness::new(Counter::default(), 0);
    let mut append = log(0);
    assert_eq!(harness.next_deadline(), None);
    harness.request(0, vec![5], "a", &mut append).unwrap();
    assert_eq!(harness.next_deadline(), Some(100));
    assert_eq!(harness.deadline(99, "early", &mut append), Ok(false));
    assert_eq!(harness.deadline(100, "due", &mut append), Ok(true));
    assert_eq!(harness.committed(1), [("a", 5), ("due", 0)]);
}

#[test]
fn what_is_replayed_from_the_log_is_seen_when_committed() {
    let mut harness = Harness::<_, ()>::new(Counter::default(), 0);
    harness.replay(0, &3);
    harness.replay(1, &4);
    assert_eq!(*harness.view(), 0);
    harness.committed(2);
    assert_eq!((*harness.view(), harness.end()), (7, 2));
}

#[test]
fn who_resigns_owes_an_answer_to_all_that_wait() {
    let mut harness = Harness::new(Counter::default(), 0);
    harness.request(0, vec![5], "a", log(0)).unwrap();
    assert_eq!(harness.resign(), ["a"]);
}
