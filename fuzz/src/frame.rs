//! What a stranger sends to a port, on the whole way until a handler sees it: the size in front, the header, the walk that
//! bounds every length, and the decoder, of every API that is offered and in every version of it.

use andiron_protocol::api;
use andiron_protocol::frame;
use andiron_protocol::guard;
use andiron_protocol::limits::REQUEST_BYTES_MIN;
use andiron_protocol::messages::{ApiKey, RequestKind};
use bytes::Bytes;

use crate::memory::{Allowance, within};

/// The default of `socket.request.max.bytes`.
const REQUEST_BYTES_MAX: usize = 100 << 20;

/// A decoded request is larger than its frame, because an element of two bytes becomes a structure; but the guard has seen
/// every element, so that it is larger by a factor and not by what a length claims. The leanest is a topic of Metadata: an
/// empty name and no tagged fields are two bytes, and 104 in memory.
const SINGLE_FACTOR: usize = 64;
/// All that a request is decoded into. An unknown tagged field makes a node of a tree, some 500 bytes, out of five.
const TOTAL_FACTOR: usize = 160;
/// What is said of a frame that is refused.
const SAID_BYTES: usize = 2 << 10;

fn allowance(frame: usize) -> Allowance {
    Allowance { single: SINGLE_FACTOR * frame + SAID_BYTES, total: TOTAL_FACTOR * frame + SAID_BYTES }
}

/// Reads `data` as what arrives on a connection.
pub fn frame(data: &[u8]) {
    let Some((prefix, rest)) = data.split_first_chunk::<4>() else { return };
    let Ok(announced) = frame::length(*prefix, REQUEST_BYTES_MAX) else { return };
    assert!((REQUEST_BYTES_MIN..=REQUEST_BYTES_MAX).contains(&announced));
    // The door would wait for what is missing; here it never comes.
    let frame = Bytes::copy_from_slice(&rest[..announced.min(rest.len())]);
    let allowed = allowance(frame.len());
    let Ok((header, body)) = within(allowed, || frame::read(frame)) else { return };
    assert!(body.len() <= rest.len());
    let Some(offered) = api::find(api::BROKER, header.key) else { return };
    for version in offered.min..=offered.max {
        within(allowed, || decode(offered.key, version, body.clone()));
    }
}

/// The two steps of `frame::decode`, of whichever request it is.
fn decode(key: ApiKey, version: i16, mut body: Bytes) {
    let walked = match guard::check(key, version, &body) {
        Ok(walked) => walked,
        Err(_) if cfg!(feature = "planted") => 0,
        Err(_) => return,
    };
    let before = body.len();
    if RequestKind::decode(key, &mut body, version).is_ok() && !cfg!(feature = "planted") {
        assert_eq!(
            before - body.len(),
            walked,
            "{key:?} version {version}: the guard has walked another way than the decoder"
        );
    }
}
