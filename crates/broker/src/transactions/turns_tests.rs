//! Who comes when.

use std::sync::Arc;

use super::*;

fn note(told: &Arc<Mutex<Vec<u8>>>, what: u8) -> impl FnOnce() + Send + 'static {
    let told = Arc::clone(told);
    move || told.lock().push(what)
}

#[test]
fn a_request_waits_until_the_one_before_is_over_and_that_of_another_producer_does_not() {
    let (turns, told) = (Arc::new(Turns::default()), Arc::new(Mutex::new(Vec::new())));
    turns.take(1, Box::new(note(&told, 1)));
    for what in [2, 3] {
        let (of, done) = (Arc::clone(&turns), note(&told, what));
        let work = move || {
            done();
            of.over(1);
        };
        turns.take(1, Box::new(work));
    }
    turns.take(2, Box::new(note(&told, 9)));
    assert_eq!(*told.lock(), [1, 9]);
    turns.over(1);
    assert_eq!(*told.lock(), [1, 9, 2, 3]);
    turns.over(2);
    assert!(turns.producers.lock().is_empty(), "whoever has nothing to do is forgotten");
    turns.over(1);
    turns.take(1, Box::new(note(&told, 4)));
    assert_eq!(told.lock().last(), Some(&4));
}
