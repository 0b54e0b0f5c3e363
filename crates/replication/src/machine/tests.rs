//! Stories of a counter in the harness.

use super::*;

/// Adds numbers up, and remembers how often it was asked (which is soft).
#[derive(Default)]
struct Counter {
    sum: i64,
    asked: usize,
    seen: Vec<(i64, i64)>,
}

impl StateMachine for Counter {
    type Request = Vec<i64>;
    type Response = i64;
    type Record = i64;
    type View = i64;
    fn handle(&mut self, _now: i64, ticket: Ticket, numbers: Vec<i64>) -> Decision<i64, i64> {
        self.asked += 1;
        let answer = self.sum + numbers.iter().sum::<i64>();
        Decision::change(ticket, numbers, answer)
    }
    fn replay(&mut self, offset: i64, record: &i64) {
        self.sum += record;
        self.seen.push((offset, *record));
    }
    fn view(&self) -> i64 {
        self.sum
    }
    fn next_deadline(&self) -> Option<i64> {
        (self.sum > 0).then_some(100)
    }
    fn on_deadline(&mut self, now: i64) -> Option<Decision<i64, i64>> {
        (now >= 100).then(|| Decision { records: vec![-self.sum], replies: vec![(Ticket(99), 0)], parked: vec![] })
    }
}

fn log(from: i64) -> impl FnMut(&[i64]) -> Result<i64, ErrorCode> {
    let mut end = from;
    move |records| {
        end += records.len() as i64;
        Ok(end - records.len() as i64)
    }
}

const A: Ticket = Ticket(1);
const B: Ticket = Ticket(2);

#[test]
fn an_answer_waits_until_its_records_are_committed_and_the_view_with_it() {
    let mut harness = Harness::new(Counter::default(), 10);
    let mut append = log(10);
    let outcome = harness.request(0, A, vec![1, 2], &mut append);
    assert_eq!(outcome, Outcome { replies: vec![], appended: true, failed: None });
    harness.request(0, B, vec![4], &mut append);
    assert_eq!((harness.latest().sum, *harness.view(), harness.waiting()), (7, 0, 2));
    assert_eq!(harness.committed(11), []);
    assert_eq!(harness.committed(12), [(A, 3)]);
    assert_eq!(*harness.view(), 3);
    assert_eq!(harness.committed(13), [(B, 7)]);
    assert_eq!((*harness.view(), harness.waiting()), (7, 0));
    assert_eq!(harness.latest().seen, [(10, 1), (11, 2), (12, 4)]);
}

#[test]
fn a_question_waits_for_the_changes_it_saw() {
    let mut harness = Harness::new(Counter::default(), 0);
    let mut append = log(0);
    harness.request(0, A, vec![], &mut append);
    assert_eq!(harness.committed(0), [(A, 0)]);
    harness.request(0, A, vec![5], &mut append);
    harness.request(0, B, vec![], &mut append);
    assert_eq!(harness.committed(0), []);
    assert_eq!(harness.committed(1), [(A, 5), (B, 5)]);
}

#[test]
fn a_failed_append_leaves_the_durable_state_as_it_was_and_names_who_is_to_be_told() {
    let mut harness = Harness::new(Counter::default(), 0);
    let outcome = harness.request(0, A, vec![5], |_| Err(ErrorCode::KafkaStorageError));
    assert_eq!(outcome.failed, Some((ErrorCode::KafkaStorageError, vec![A])));
    assert_eq!((harness.latest().sum, harness.end(), harness.waiting()), (0, 0, 0));
}

#[test]
fn deadlines_are_decisions_too_and_replies_do_not_wait() {
    let mut harness = Harness::new(Counter::default(), 0);
    let mut append = log(0);
    assert_eq!(harness.next_deadline(), None);
    harness.request(0, A, vec![5], &mut append);
    assert_eq!(harness.next_deadline(), Some(100));
    assert_eq!(harness.deadline(99, &mut append), None);
    let outcome = harness.deadline(100, &mut append);
    assert_eq!(outcome, Some(Outcome { replies: vec![(Ticket(99), 0)], appended: true, failed: None }));
    assert_eq!((harness.latest().sum, *harness.view()), (0, 0));
    assert_eq!(harness.committed(1), [(A, 5)]);
    assert_eq!(*harness.view(), 5);
    harness.committed(2);
    assert_eq!(*harness.view(), 0);
}

#[test]
fn what_is_replayed_from_the_log_is_seen_when_committed() {
    let mut harness = Harness::new(Counter::default(), 0);
    harness.replay(0, &3);
    harness.replay(1, &4);
    assert_eq!(*harness.view(), 0);
    harness.committed(2);
    assert_eq!((*harness.view(), harness.end()), (7, 2));
}

#[test]
fn who_resigns_owes_an_answer_to_all_that_wait() {
    let mut harness = Harness::new(Counter::default(), 0);
    harness.request(0, A, vec![5], log(0));
    harness.request(0, B, vec![], log(1));
    assert_eq!(harness.resign().1, [A, B]);
}
