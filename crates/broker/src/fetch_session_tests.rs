//! Stories of fetch sessions.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn wanted(partition: i32, offset: i64) -> Wanted {
    Wanted {
        name: StrBytes::from_static_str("orders"),
        topic_id: Uuid::nil(),
        partition,
        offset,
        bytes_max: 1000,
        leader_epoch: -1,
        last_fetched_epoch: -1,
    }
}

fn asked(session_id: i32, epoch: i32, partitions: Vec<Wanted>) -> Asked {
    Asked { session_id, epoch, by_id: false, partitions, forgotten: Vec::new() }
}

fn found(partition: i32, high_watermark: i64) -> FetchPartition<()> {
    FetchPartition {
        high_watermark,
        last_stable_offset: high_watermark,
        log_start_offset: 0,
        error: ErrorCode::None,
        ..FetchPartition::refused(partition, ErrorCode::None)
    }
}

fn changed(opened: &Opened, found: &[FetchPartition<()>]) -> Vec<bool> {
    let wanted = opened.wanted();
    opened.changed(found, wanted.iter(), 0)
}

#[test]
fn a_session_is_answered_in_full_once_and_then_only_with_what_is_new() {
    let sessions = FetchSessions::new(7, 1_000);
    let first = sessions.open(asked(0, 0, vec![wanted(0, 0), wanted(1, 0)]), 0).unwrap();
    let id = first.session_id();
    assert_eq!(changed(&first, &[found(0, 5), found(1, 5)]), [true, true]);
    let second = sessions.open(asked(id, 1, vec![wanted(1, 5)]), 0).unwrap();
    assert_eq!(second.wanted(), [wanted(0, 0), wanted(1, 5)]);
    assert_eq!(changed(&second, &[found(0, 6), found(1, 5)]), [true, false]);
    let refused = FetchPartition::refused(0, ErrorCode::NotLeaderOrFollower);
    let third = sessions.open(asked(id, 2, vec![]), 0).unwrap();
    assert_eq!(changed(&third, &[refused, found(1, 5)]), [true, false]);
}

#[test]
fn a_forgotten_partition_is_not_read_again() {
    let sessions = FetchSessions::new(7, 1_000);
    let id = sessions.open(asked(0, 0, vec![wanted(0, 0), wanted(1, 0)]), 0).unwrap().session_id();
    let mut forget = asked(id, 1, vec![]);
    forget.forgotten.push((StrBytes::from_static_str("orders"), Uuid::nil(), 0));
    assert_eq!(sessions.open(forget, 0).unwrap().wanted(), [wanted(1, 0)]);
}

#[test]
fn a_wrong_session_or_epoch_is_refused() {
    let sessions = FetchSessions::new(7, 1_000);
    let id = sessions.open(asked(0, 0, vec![wanted(0, 0)]), 0).unwrap().session_id();
    let refused = |asked| sessions.open(asked, 0).err();
    assert_eq!(refused(asked(id + 1, 1, vec![])), Some(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(refused(asked(id, 2, vec![])), Some(ErrorCode::InvalidFetchSessionEpoch));
    let ended = sessions.open(asked(id, -1, vec![wanted(0, 3)]), 0).unwrap();
    assert_eq!((ended.session_id(), sessions.len()), (0, 0));
    assert_eq!(refused(asked(id, 1, vec![])), Some(ErrorCode::FetchSessionIdNotFound));
}

#[test]
fn a_full_house_serves_without_a_session_until_one_has_been_idle() {
    let sessions = FetchSessions::new(1, 20);
    for _ in 0..20 {
        sessions.open(asked(0, 0, vec![]), 0).unwrap();
    }
    assert_eq!(sessions.open(asked(0, 0, vec![]), 1).unwrap().session_id(), 0);
    let later = FETCH_SESSION_EVICTION_MS_MIN;
    assert_ne!(sessions.open(asked(0, 0, vec![]), later).unwrap().session_id(), 0);
}
