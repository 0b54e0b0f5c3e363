//! One value out of a text, by a path.

use super::lenient;
use super::options::JsonReadOptions;
use super::tape::{TapeNode, Token, write_compact};
use crate::datetime::Zone;
use crate::functions::json_path::Step;

/// The value at a path: text as it is, anything else as compact JSON; none if it is not there, null or the text malformed.
pub(crate) fn extract(text: &str, steps: &[Step]) -> Option<String> {
    let tape = lenient::parse(text, &JsonReadOptions::new(Zone::UTC))?;
    let mut at = 0;
    for step in steps {
        let mut next = at + 1;
        at = match (tape.get(at)?.token(), step) {
            (Token::Object(len), Step::Field(name)) => {
                let mut found = None;
                for _ in 0..len {
                    if tape.get(next)?.token() == Token::Text(name) {
                        found = Some(next + 1);
                        break;
                    }
                    next += 1 + tape.get(next + 1)?.size();
                }
                found?
            }
            (Token::Array(len), Step::Index(index)) if *index < len => {
                for _ in 0..*index {
                    next += tape.get(next)?.size();
                }
                next
            }
            _ => return None,
        };
    }
    match tape.get(at)?.token() {
        Token::Null => None,
        Token::Text(text) => Some(text.to_owned()),
        _ => {
            let mut out = String::new();
            write_compact(&tape, at, &mut out);
            Some(out)
        }
    }
}
