//! What a client that means harm can make the coordinator keep.

use andiron_coordinator::limits::PENDING_MEMBERS_MAX;

use crate::stage::Stage;

#[test]
fn ids_given_out_are_counted_and_expire() {
    let mut stage = Stage::new();
    for _ in 0..PENDING_MEMBERS_MAX {
        stage.act("join A g");
    }
    assert_eq!(stage.act("join A g"), "A join GROUP_MAX_SIZE_REACHED member=");
    stage.act("at 10000");
    assert!(stage.act("join A g").contains("MEMBER_ID_REQUIRED"));
}
