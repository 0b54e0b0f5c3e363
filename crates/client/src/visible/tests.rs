//! What a reader sees of logs with transactions, markers, compacted and broken batches.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use andiron_protocol::batch::{BatchBuilder, BatchOptions, control_key};

use super::*;

/// Builds a log batch by batch; remembers where each begins.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    at: Vec<usize>,
    offset: i64,
}

impl Log {
    fn batch(mut self, producer_id: i64, transactional: bool, records: usize) -> Self {
        self.at.push(self.bytes.len());
        let options = BatchOptions { base_offset: self.offset, producer_id, transactional, ..Default::default() };
        let mut builder = BatchBuilder::new(options);
        (0..records).for_each(|_| builder.append(1, None, Some(b"v")));
        builder.build_into(&mut self.bytes).unwrap();
        self.offset += records as i64;
        self
    }

    fn plain(self, records: usize) -> Self {
        self.batch(-1, false, records)
    }

    fn transactional(self, producer_id: i64, records: usize) -> Self {
        self.batch(producer_id, true, records)
    }

    fn marker(mut self, producer_id: i64, kind: ControlType) -> Self {
        self.at.push(self.bytes.len());
        let options = BatchOptions {
            base_offset: self.offset,
            producer_id,
            transactional: true,
            control: true,
            ..Default::default()
        };
        let mut builder = BatchBuilder::new(options);
        builder.append(1, Some(&control_key(kind)), Some(&[0; 6]));
        builder.build_into(&mut self.bytes).unwrap();
        self.offset += 1;
        self
    }

    fn runs(&self, position: i64, end: i64, isolation: Isolation, aborted: &[AbortedTransaction]) -> Vec<VisibleRun> {
        visible_runs(&self.bytes, position, end, isolation, aborted, true).unwrap()
    }

    fn run(&self, batches: Range<usize>, until: i64) -> VisibleRun {
        let place = |batch: usize| self.at.get(batch).copied().unwrap_or(self.bytes.len());
        VisibleRun { bytes: place(batches.start)..place(batches.end), until }
    }
}

fn aborted(producer_id: i64, first_offset: i64) -> AbortedTransaction {
    AbortedTransaction { producer_id, first_offset }
}

#[test]
fn batches_that_follow_one_another_are_one_run() {
    let log = Log::default().plain(2).plain(3).plain(1);
    assert_eq!(log.runs(0, i64::MAX, Isolation::ReadUncommitted, &[]), [log.run(0..3, 6)]);
    assert_eq!(log.runs(2, 5, Isolation::ReadUncommitted, &[]), [log.run(1..2, 5)], "whole batches of the range only");
    assert_eq!(
        log.runs(3, 4, Isolation::ReadUncommitted, &[]),
        [log.run(1..2, 4)],
        "a range within a batch gets it whole"
    );
}

#[test]
fn markers_are_never_seen_and_offsets_go_past_them() {
    let log = Log::default().transactional(7, 2).marker(7, ControlType::Commit).plain(1);
    for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
        assert_eq!(log.runs(0, i64::MAX, isolation, &[]), [log.run(0..1, 3), log.run(2..3, 4)]);
    }
    let only = Log::default().marker(7, ControlType::Commit);
    assert_eq!(only.runs(0, i64::MAX, Isolation::ReadCommitted, &[]), [VisibleRun { bytes: 0..0, until: 1 }]);
}

#[test]
fn an_aborted_transaction_hides_its_own_batches_until_its_marker() {
    // 0-1 of 7 aborted, 2 of 8 committed, 3 plain, 4 abort of 7, 5 of 7 committed later.
    let log = Log::default()
        .transactional(7, 2)
        .transactional(8, 1)
        .plain(1)
        .marker(7, ControlType::Abort)
        .transactional(7, 1)
        .marker(8, ControlType::Commit)
        .marker(7, ControlType::Commit);
    let list = [aborted(7, 0)];
    let seen = log.runs(0, i64::MAX, Isolation::ReadCommitted, &list);
    assert_eq!(seen, [VisibleRun { bytes: 0..0, until: 2 }, log.run(1..3, 5), log.run(4..5, 8)]);
    let all = log.runs(0, i64::MAX, Isolation::ReadUncommitted, &list);
    assert_eq!(all, [log.run(0..3, 5), log.run(4..5, 8)], "read_uncommitted does not look at the list");
}

#[test]
fn a_transaction_that_began_before_the_answer_is_hidden_too() {
    let log = Log { offset: 100, ..Log::default() }.transactional(7, 1).plain(1).marker(7, ControlType::Abort);
    let seen = log.runs(100, i64::MAX, Isolation::ReadCommitted, &[aborted(7, 40)]);
    assert_eq!(seen, [VisibleRun { bytes: 0..0, until: 101 }, log.run(1..2, 103)]);
}

#[test]
fn a_cut_batch_is_left_for_the_next_fetch_and_a_broken_one_is_an_error_when_it_comes_first() {
    let mut log = Log::default().plain(1).plain(1);
    let whole = log.bytes.clone();
    log.bytes.truncate(whole.len() - 3);
    assert_eq!(log.runs(0, i64::MAX, Isolation::ReadUncommitted, &[]), [VisibleRun { bytes: 0..log.at[1], until: 1 }]);
    log.bytes = whole;
    let last = log.bytes.len() - 1;
    log.bytes[last] ^= 1;
    assert_eq!(log.runs(0, i64::MAX, Isolation::ReadUncommitted, &[]), [VisibleRun { bytes: 0..log.at[1], until: 1 }]);
    let broken = visible_runs(&log.bytes, 1, 9, Isolation::ReadUncommitted, &[], true).unwrap_err();
    assert!(matches!(broken, BatchError::Crc { .. }));
    assert!(visible_runs(&log.bytes, 1, 9, Isolation::ReadUncommitted, &[], false).is_ok(), "check.crcs=false");
}
