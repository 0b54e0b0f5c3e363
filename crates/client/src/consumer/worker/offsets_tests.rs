//! Whether a position is still one of its log.

use super::*;

#[test]
fn a_position_is_judged_by_where_its_epoch_ends() {
    let position = Position { offset: 10, offset_epoch: Some(3) };
    let end = |epoch, offset| End { epoch, offset };
    for (end, reset, valid) in [
        (end(3, 10), OffsetReset::None, Valid::Yes),
        (end(3, 12), OffsetReset::None, Valid::Yes),
        (end(2, 7), OffsetReset::Latest, Valid::From(Position { offset: 7, offset_epoch: Some(2) })),
        (end(2, 7), OffsetReset::None, Valid::No(Some(7))),
        (end(-1, -1), OffsetReset::Earliest, Valid::Reset),
        (end(-1, -1), OffsetReset::None, Valid::No(None)),
    ] {
        assert_eq!(judge(position, end, reset), valid, "{end:?} under {reset:?}");
    }
}
