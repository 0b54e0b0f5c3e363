//! One partition's life: batches that fill, and sequences that survive answers lost, refused and out of order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use andiron_protocol::batch::Batch as View;
use tokio::sync::Semaphore;

use super::*;
use crate::producer::delivery::Placed;

const PRODUCER: ProducerId = ProducerId { id: 7, epoch: 0 };
const NEXT: ProducerId = ProducerId { id: 7, epoch: 1 };

struct Story {
    queue: Queue,
    memory: Arc<Semaphore>,
    opened: u64,
    now: Instant,
}

impl Story {
    fn new(batch_size: usize, codec: Codec) -> Self {
        let compression = Compression { codec, level: None };
        let memory = Arc::new(Semaphore::new(1 << 20));
        Story {
            queue: Queue::new(Making { batch_size, compression, transactional: false }),
            memory,
            opened: 0,
            now: Instant::now(),
        }
    }

    fn append(&mut self, bytes: usize) -> Appended {
        let value = vec![b'v'; bytes];
        if !self.queue.has_room(bytes + 30) {
            let memory = self.memory.clone().try_acquire_many_owned(self.queue.making.batch_size as u32).unwrap();
            let opening = Opening { number: self.opened, completion: Arc::new(Completion::new(0)), memory };
            self.opened += ROOM_FOR_HALVES;
            self.queue.open(opening, self.now);
        }
        let record = ProducerRecord { value: Some(&value), ..ProducerRecord::default() };
        self.queue.append(&record, 1).unwrap()
    }

    /// Full batches of one record each.
    fn batches(&mut self, count: usize) {
        for _ in 0..count {
            let size = self.queue.making.batch_size;
            self.append(size);
        }
    }

    fn take(&mut self) -> Option<Batch> {
        self.queue.next_size(self.now)?;
        self.queue.take(Some(PRODUCER))
    }

    fn take_some(&mut self, count: usize) -> Vec<Batch> {
        (0..count).map(|_| self.take().expect("a batch to take")).collect()
    }

    fn again(&mut self, batch: Batch) {
        let now = self.now;
        self.queue.put_back(batch, now);
    }
}

/// Five batches on the wire, the first of them acknowledged already.
fn four_on_the_wire() -> (Story, Vec<Batch>) {
    let mut story = Story::new(100, Codec::None);
    story.batches(7);
    let first = story.take().unwrap();
    assert!(story.take().is_none(), "the first batch of an epoch goes alone");
    story.queue.acknowledged(&first);
    let wire = story.take_some(4);
    assert_eq!(wire.iter().map(|b| b.sequence).collect::<Vec<_>>(), [Some(1), Some(2), Some(3), Some(4)]);
    (story, wire)
}

#[test]
fn a_batch_is_full_at_its_size_and_a_record_larger_than_it_has_one_alone() {
    let mut story = Story::new(200, Codec::None);
    assert!(story.append(50).wake, "a new batch is news");
    assert!(!story.append(20).wake);
    assert_eq!(story.queue.waiting(), 1);
    story.append(50);
    assert_eq!(story.queue.waiting(), 2, "the third record did not fit");
    let alone = story.append(500);
    assert!(alone.full && alone.wake);
    let sizes: Vec<u32> = std::iter::from_fn(|| {
        story.queue.next_size(story.now)?;
        story.queue.take(None)
    })
    .map(|batch| batch.records)
    .collect();
    assert_eq!(sizes, [2, 1, 1]);
}

#[test]
fn a_compressible_batch_holds_more_than_its_size_once_that_is_seen() {
    let mut story = Story::new(1000, Codec::Lz4);
    for _ in 0..2000 {
        story.append(90);
    }
    let batches: Vec<u32> = std::iter::from_fn(|| {
        story.queue.next_size(story.now)?;
        story.queue.take(None)
    })
    .map(|batch| batch.records)
    .collect();
    assert!(batches[0] <= 10, "{batches:?}");
    assert!(*batches.iter().rev().nth(1).unwrap() > batches[0], "{batches:?}");
}

#[test]
fn linger_holds_an_open_batch_and_force_does_not() {
    let mut story = Story::new(1000, Codec::None);
    let (now, linger) = (story.now, Duration::from_millis(5));
    assert_eq!(story.queue.ready(now, linger, true), Ready::Never);
    story.append(10);
    assert_eq!(story.queue.ready(now, linger, false), Ready::At(now + linger));
    assert_eq!(story.queue.ready(now + linger, linger, false), Ready::Now);
    assert_eq!(story.queue.ready(now, linger, true), Ready::Now);
}

#[test]
fn identity_and_sequence_are_in_the_bytes_with_a_right_checksum() {
    let (_, wire) = four_on_the_wire();
    let view = View::first(&wire[2].bytes).unwrap();
    view.check_crc().unwrap();
    let header = view.header;
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 0, 3));
}

#[test]
fn repeats_go_one_at_a_time_oldest_first_and_keep_their_sequences() {
    let (mut story, mut wire) = four_on_the_wire();
    let last = wire.pop().unwrap();
    // The connection broke: three come back in any order, the fourth is still out.
    for batch in [wire.remove(1), wire.remove(1), wire.remove(0)] {
        story.again(batch);
    }
    let first = story.take().unwrap();
    assert_eq!((first.sequence, first.attempts), (Some(1), 2));
    assert!(story.take().is_none(), "the second repeat waits for the first");
    story.queue.acknowledged(&first);
    let second = story.take().unwrap();
    assert_eq!(second.sequence, Some(2));
    story.queue.acknowledged(&last);
    story.queue.acknowledged(&second);
    let third = story.take().unwrap();
    story.queue.acknowledged(&third);
    assert_eq!(story.take_some(2).iter().map(|b| b.sequence).collect::<Vec<_>>(), [Some(5), Some(6)]);
}

#[test]
fn a_wrong_sequence_of_a_later_batch_is_premature_and_of_the_oldest_is_a_loss() {
    let (story, wire) = four_on_the_wire();
    assert!(!story.queue.is_premature(&wire[0]));
    assert!(story.queue.is_premature(&wire[1]));
}

#[test]
fn a_refused_batch_leaves_a_gap_and_what_follows_is_numbered_anew() {
    let (mut story, mut wire) = four_on_the_wire();
    let refused = wire.remove(0);
    story.queue.given_up(&refused, true, false);
    assert!(story.take().is_none(), "nothing new before the new epoch");
    for batch in wire {
        assert!(story.queue.is_premature(&batch));
        assert!(!story.queue.wants_new_epoch(), "not while something is on the wire");
        story.again(batch);
    }
    assert!(story.queue.wants_new_epoch());
    story.queue.renumber(NEXT);
    let first = story.take().unwrap();
    let header = View::first(&first.bytes).unwrap().header;
    assert_eq!((header.producer_epoch, header.base_sequence, first.number), (1, 0, 2 * ROOM_FOR_HALVES));
    View::first(&first.bytes).unwrap().check_crc().unwrap();
    story.queue.acknowledged(&first);
    let second = story.take().unwrap();
    assert_eq!(second.sequence, Some(1));
}

#[test]
fn a_doubt_about_the_last_batch_ends_with_the_next_epoch() {
    let (mut story, mut wire) = four_on_the_wire();
    let last = wire.pop().unwrap();
    for batch in wire {
        story.queue.acknowledged(&batch);
    }
    story.queue.given_up(&last, true, true);
    assert!(story.queue.wants_new_epoch(), "nobody knows whether sequence 4 is there, so the next epoch begins");
}

#[test]
fn after_a_doubt_what_was_numbered_keeps_its_numbers_and_nothing_new_is_sent() {
    let (mut story, mut wire) = four_on_the_wire();
    let doubtful = wire.remove(0);
    story.queue.given_up(&doubtful, true, true);
    assert!(story.take().is_none());
    let refused = wire.remove(0);
    assert!(!story.queue.is_premature(&refused), "it is refused for good: the doubtful one was not written");
    for batch in wire {
        story.queue.acknowledged(&batch);
    }
    assert!(!story.queue.wants_new_epoch(), "one is still out");
    story.queue.acknowledged(&refused);
    // Had the doubtful one been missing, none of those behind it could have been written: there is no gap.
    assert!(!story.queue.wants_new_epoch());
    assert_eq!(story.take().unwrap().sequence, Some(5));
}

#[test]
fn sequences_wrap_behind_the_largest_number() {
    let (mut story, wire) = four_on_the_wire();
    wire.iter().for_each(|batch| story.queue.acknowledged(batch));
    story.queue.next_sequence = i32::MAX;
    assert_eq!(story.take_some(2).iter().map(|b| b.sequence).collect::<Vec<_>>(), [Some(i32::MAX), Some(0)]);
}

#[test]
fn batches_expire_oldest_first_and_say_when_the_next_will() {
    let mut story = Story::new(100, Codec::None);
    let (start, timeout) = (story.now, Duration::from_millis(100));
    story.batches(1);
    story.now += Duration::from_millis(40);
    story.append(5);
    let (expired, next) = story.queue.expire(start + Duration::from_millis(99), timeout);
    assert!(expired.is_empty());
    assert_eq!(next, Some(start + timeout));
    let (expired, next) = story.queue.expire(start + timeout, timeout);
    assert_eq!((expired.len(), next), (1, Some(start + Duration::from_millis(140))));
    let (expired, next) = story.queue.expire(start + Duration::from_millis(140), timeout);
    assert_eq!((expired.len(), next), (1, None));
}

#[test]
fn a_batch_that_is_too_large_goes_on_as_two_in_its_place_with_its_sequences() {
    for codec in [Codec::None, Codec::Lz4] {
        let mut story = Story::new(500, codec);
        let deliveries: Vec<Delivery> = (0..7).map(|_| story.append(40).delivery).collect();
        story.append(600);
        let whole = story.take().unwrap();
        assert_eq!((whole.records, whole.sequence), (7, Some(0)));
        let halves = story.queue.split(whole).unwrap();
        let first = story.take().unwrap();
        assert_eq!((first.number, first.records, first.sequence), (halves[0].0, 3, Some(0)));
        assert!(story.take().is_none(), "one after the other");
        story.queue.acknowledged(&first);
        first.completion.settle(Ok(Placed { base_offset: 100, append_time: -1 }));
        let second = story.take().unwrap();
        assert_eq!((second.number, second.records, second.sequence), (halves[1].0, 4, Some(3)));
        let view = View::first(&second.bytes).unwrap();
        view.check_crc().unwrap();
        assert_eq!((view.header.producer_id, view.header.base_sequence, view.header.record_count), (7, 3, 4));
        story.queue.acknowledged(&second);
        assert!(deliveries[3].poll_outcome().is_none());
        second.completion.settle(Ok(Placed { base_offset: 200, append_time: -1 }));
        let offsets: Vec<i64> =
            deliveries.iter().map(|delivery| delivery.poll_outcome().unwrap().unwrap().offset).collect();
        assert_eq!(offsets, [100, 101, 102, 200, 201, 202, 203]);
        assert_eq!(story.take().unwrap().sequence, Some(7), "what followed comes after both");
    }
}

#[test]
fn a_batch_of_one_record_cannot_be_split() {
    let mut story = Story::new(100, Codec::None);
    story.batches(1);
    let batch = story.take().unwrap();
    assert!(story.queue.split(batch).is_err());
}
