//! Decoding what a stranger sent: prost recurses as deep as the message nests, so that is measured first.

use bytes::Bytes;

use crate::{
    PlanError,
    limits::{MESSAGE_DEPTH_MAX, MESSAGE_LEVEL_STACK_BYTES},
};

/// Decodes a message of any depth up to [`MESSAGE_DEPTH_MAX`], on a stack that is large enough for it.
pub fn decode<M: prost::Message + Default>(bytes: Bytes) -> Result<M, PlanError> {
    let depth = depth(&bytes).ok_or(PlanError::TooDeep { depth_max: MESSAGE_DEPTH_MAX })?;
    let decode =
        || M::decode(bytes).map_err(|error| PlanError::invalid(format!("the message cannot be read: {error}")));
    // The usual plan needs no more than a thread has.
    const USUAL_DEPTH: usize = 32;
    if depth <= USUAL_DEPTH {
        crate::with_stack(decode)
    } else {
        stacker::grow(depth * MESSAGE_LEVEL_STACK_BYTES + crate::limits::STACK_SEGMENT_BYTES, decode)
    }
}

/// How deep a message can nest at most, whatever its schema: every field with a length is read as a message as long as it
/// looks like one. Each byte is looked at once. Absent beyond [`MESSAGE_DEPTH_MAX`].
fn depth(bytes: &[u8]) -> Option<usize> {
    let mut ends = vec![bytes.len()];
    let mut deepest = 1;
    let mut at = 0;
    while let Some(&end) = ends.last() {
        if at >= end {
            ends.pop();
            continue;
        }
        match field(&bytes[..end], at) {
            Some(Field::Skip(next)) => at = next,
            Some(Field::Inside { start, end }) => {
                at = start;
                ends.push(end);
                deepest = deepest.max(ends.len());
                if ends.len() > MESSAGE_DEPTH_MAX {
                    return None;
                }
            }
            // Not a message after all: text or rows.
            None => {
                at = end;
                ends.pop();
            }
        }
    }
    Some(deepest)
}

enum Field {
    Skip(usize),
    Inside { start: usize, end: usize },
}

fn field(bytes: &[u8], at: usize) -> Option<Field> {
    let (tag, at) = varint(bytes, at)?;
    if tag >> 3 == 0 {
        return None;
    }
    match tag & 7 {
        0 => varint(bytes, at).map(|(_, next)| Field::Skip(next)),
        1 => Some(Field::Skip(at + 8)).filter(|_| at + 8 <= bytes.len()),
        5 => Some(Field::Skip(at + 4)).filter(|_| at + 4 <= bytes.len()),
        2 => {
            let (length, start) = varint(bytes, at)?;
            let end = start.checked_add(usize::try_from(length).ok()?)?;
            (end <= bytes.len()).then_some(Field::Inside { start, end })
        }
        _ => None,
    }
}

fn varint(bytes: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some((value, at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use prost::Message as _;
    use spark_connect_proto as proto;

    use super::*;

    /// A message of nested limits, written from the inside out without recursion.
    fn nested(levels: usize) -> Bytes {
        let mut bytes: Vec<u8> = proto::Relation {
            common: None,
            rel_type: Some(proto::relation::RelType::Range(proto::Range { end: 1, step: 1, ..Default::default() })),
        }
        .encode_to_vec();
        for _ in 0..levels {
            for tag in [0x0a, 0x42] {
                // Limit.input is field 1, Relation.limit field 8.
                let mut outer = vec![tag];
                prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
                outer.extend_from_slice(&bytes);
                bytes = outer;
            }
        }
        bytes.into()
    }

    #[test]
    fn a_deep_message_is_decoded_and_a_deeper_one_refused() {
        assert!(decode::<proto::Relation>(nested(3)).is_ok());
        let deep = decode::<proto::Relation>(nested(900)).unwrap();
        assert!(super::super::relation(&deep).is_ok());
        assert!(matches!(decode::<proto::Relation>(nested(10_000)), Err(PlanError::TooDeep { .. })));
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        assert!(decode::<proto::Relation>(Bytes::from_static(&[0xff; 20])).is_err());
        assert_eq!(depth(b"\n\n\n\n\n\n\n\n\n\n\n\n"), Some(2));
    }
}
