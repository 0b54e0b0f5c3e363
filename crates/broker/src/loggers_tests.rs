//! Loggers are set together or not at all, and whoever logs hears of it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;

#[test]
fn a_room_follows_the_root_until_it_is_set_and_again_when_that_is_taken_back() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let loggers = Loggers::default();
    assert_eq!(loggers.levels(), [], "nobody can set them yet");
    assert_eq!(loggers.change(&[(ROOT, Some("INFO"))], false).unwrap_err().0, ErrorCode::InvalidConfig);
    let hears = Arc::clone(&heard);
    loggers.control(BTreeMap::from([(ROOT, Level::Warn)]), Box::new(move |levels| hears.lock().push(levels.clone())));
    let of = |name: &str| loggers.levels().into_iter().find(|(known, _)| *known == name).unwrap().1;
    loggers.change(&[("andiron_broker", Some("DEBUG"))], false).unwrap();
    assert_eq!((of("andiron_broker"), of("andiron_server"), of(ROOT)), (Level::Debug, Level::Warn, Level::Warn));
    let refused = loggers.change(&[("andiron_server", Some("TRACE")), ("nobody", Some("INFO"))], false);
    assert_eq!((refused.unwrap_err().0, of("andiron_server")), (ErrorCode::InvalidConfig, Level::Warn));
    loggers.change(&[("andiron_broker", None), (ROOT, Some("ERROR"))], false).unwrap();
    assert_eq!((of("andiron_broker"), of(ROOT)), (Level::Error, Level::Error));
    loggers.change(&[(ROOT, Some("TRACE"))], true).unwrap();
    assert_eq!((of(ROOT), heard.lock().len()), (Level::Error, 2), "what is only validated changes nothing");
    assert_eq!(loggers.change(&[(ROOT, None)], false).unwrap_err().0, ErrorCode::InvalidRequest);
    assert_eq!(loggers.change(&[(ROOT, Some("LOUD"))], false).unwrap_err().0, ErrorCode::InvalidConfig);
}
