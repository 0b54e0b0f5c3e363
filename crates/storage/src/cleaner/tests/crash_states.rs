//! Every state in which a cut-off swap can be found, whoever left it, and what a start makes of it.

use super::*;
use crate::segment::SUFFIXES;

/// A log of two segments below the active one, and the files of a clean of both, called `.cleaned`.
fn interrupted() -> (Topic, BTreeMap<i64, Seen>) {
    let mut topic = Topic::new(compacted());
    topic.put(&[("a", "1"), ("b", "1")]);
    topic.append(Writer::Transactional(7), Codec::None, &[("b", Some("aborted"))]);
    topic.end(7, ControlType::Abort);
    topic.log.roll(topic.now).unwrap();
    topic.put(&[("a", "2")]);
    topic.append(Writer::Transactional(7), Codec::None, &[("b", Some("aborted"))]);
    topic.end(7, ControlType::Abort);
    topic.roll();
    topic.put(&[("c", "1")]);
    topic.sync();
    let before = topic.seen();
    let cleanable = topic.cleanable();
    let mut job = topic.log.begin_clean(&cleanable, topic.now).unwrap();
    job.build_map(&settings(), &mut |_| true).unwrap();
    let group = job.clean_next(&mut |_| true).unwrap().unwrap();
    assert_eq!(group.sources.len(), 2);
    (topic, before)
}

fn name(base: i64, suffix: &str, stage: &str) -> String {
    file_name(base, suffix) + stage
}

#[test]
fn a_start_finishes_a_swap_or_finds_the_sources() {
    // How many renames were done: cleaned -> swap, sources -> deleted (segment by segment), swap -> final.
    let mut renames: Vec<(String, String)> = Vec::new();
    for suffix in SUFFIXES {
        renames.push((name(0, suffix, ".cleaned"), name(0, suffix, ".swap")));
    }
    for base in [0, 4] {
        for suffix in SUFFIXES {
            renames.push((name(base, suffix, ""), name(base, suffix, ".deleted")));
        }
    }
    for suffix in SUFFIXES {
        renames.push((name(0, suffix, ".swap"), name(0, suffix, "")));
    }
    for done in 0..=renames.len() {
        let (mut topic, before) = interrupted();
        assert_eq!(before.keys().copied().collect::<Vec<_>>(), [0, 1, 4, 7]);
        for (from, to) in &renames[..done] {
            let (from, to) = (topic.path().join(from), topic.path().join(to));
            topic.disk.rename(&from, &to).unwrap_or_else(|e| panic!("{} at {done}: {e}", from.display()));
        }
        topic.crash();
        let at = format!("after {done} renames: {:?}", topic.files());
        assert_eq!(topic.log.log_end_offset(), 8, "{at}");
        assert_eq!(topic.table(), table(&[("a", "2"), ("b", "1"), ("c", "1")]), "{at}");
        let expected: &[i64] = if done < SUFFIXES.len() { &[0, 1, 4, 7] } else { &[1, 4, 7] };
        assert_eq!(topic.offsets(), expected, "{at}");
        let unwanted = |name: &String| [".cleaned", ".swap", ".deleted"].iter().any(|end| name.ends_with(end));
        assert!(!topic.files().iter().any(unwanted), "{at}");
        assert_eq!(topic.log.segment_count(), if done < SUFFIXES.len() { 3 } else { 2 }, "{at}");
        topic.roll();
        topic.clean();
        assert_eq!(topic.offsets(), [1, 4, 7], "{at}");
    }
}

#[test]
fn a_start_that_is_cut_off_is_finished_by_the_next() {
    // All swapped, the log of the first source gone, its indexes (and a stale index of aborted transactions) still there.
    let (mut topic, _) = interrupted();
    for suffix in SUFFIXES {
        let (from, to) = (name(0, suffix, ".cleaned"), name(0, suffix, ".swap"));
        topic.disk.rename(&topic.path().join(from), &topic.path().join(to)).unwrap();
    }
    topic.disk.remove_file(&topic.path().join(name(0, "log", ""))).unwrap();
    topic.crash();
    assert_eq!((topic.offsets(), topic.log.segment_count()), (vec![1, 4, 7], 2));
    // Of the first aborted transaction nothing is left; of the second the empty batch that keeps the producer's sequence.
    let aborted = topic.log.aborted_transactions(0, 8).unwrap();
    assert_eq!(aborted.iter().map(|t| t.first_offset).collect::<Vec<_>>(), [5], "{aborted:?}");
}

#[test]
fn a_segment_of_which_nothing_is_left_takes_its_place() {
    let mut topic = Topic::new(compacted());
    topic.put(&[("a", "1")]);
    topic.log.roll(topic.now).unwrap();
    topic.put(&[("a", "2")]);
    topic.roll();
    for (suffix, bytes) in [("log", &b""[..]), ("index", b""), ("timeindex", b"")] {
        std::fs::write(topic.path().join(name(0, suffix, ".swap")), bytes).unwrap();
    }
    topic.crash();
    assert_eq!((topic.offsets(), topic.log.log_end_offset()), (vec![1], 2));
}

#[test]
fn what_an_interrupted_split_left_goes() {
    // Apache Kafka splits a segment whose offsets overflow by the same names: swaps behind a `.cleaned` one are not whole.
    let mut topic = Topic::new(compacted());
    topic.put(&[("a", "1"), ("b", "2")]);
    topic.roll();
    let log = std::fs::read(topic.path().join(name(0, "log", ""))).unwrap();
    std::fs::write(topic.path().join(name(0, "log", ".cleaned")), &log[..10]).unwrap();
    std::fs::write(topic.path().join(name(1, "log", ".swap")), &log[..10]).unwrap();
    topic.crash();
    assert_eq!(topic.offsets(), [0, 1]);
    assert!(topic.files().iter().all(|name| !name.contains("cleaned") && !name.contains("swap")));
}
