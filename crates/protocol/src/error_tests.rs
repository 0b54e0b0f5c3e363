//! The table of error codes agrees with itself and with the codes every client knows by heart.

use super::ErrorCode;

#[test]
fn every_code_finds_itself_by_its_number() {
    for &code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_code(code.code()), Some(code));
    }
    assert_eq!(ErrorCode::from_code(31_000), None);
}

#[test]
fn what_clients_know_by_heart() {
    for (number, name, retriable) in [
        (-1, "UNKNOWN_SERVER_ERROR", false),
        (0, "NONE", false),
        (1, "OFFSET_OUT_OF_RANGE", false),
        (3, "UNKNOWN_TOPIC_OR_PARTITION", true),
        (6, "NOT_LEADER_OR_FOLLOWER", true),
        (35, "UNSUPPORTED_VERSION", false),
        (45, "OUT_OF_ORDER_SEQUENCE_NUMBER", false),
        (100, "UNKNOWN_TOPIC_ID", true),
    ] {
        let code = ErrorCode::from_code(number).map(|c| (c.name(), c.is_retriable()));
        assert_eq!(code, Some((name, retriable)), "code {number}");
    }
}
