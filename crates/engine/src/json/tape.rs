//! A parsed text as a flat list of nodes: a container says how many nodes it spans, so that what nobody asked for is skipped
//! in one step. Strict and lenient parser yield the same layout.

use simd_json::{Node, StaticNode};

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    UInt(u64),
    Float(f64),
    /// A number as it was written, where digits must not be lost.
    Number(&'a str),
    Text(&'a str),
    /// So many elements follow.
    Array(usize),
    /// So many keys with their values follow.
    Object(usize),
}

/// A node of either parser.
pub(super) trait TapeNode {
    fn token(&self) -> Token<'_>;

    /// How many nodes belong to it, itself among them.
    fn size(&self) -> usize;
}

impl TapeNode for Node<'_> {
    #[inline]
    fn token(&self) -> Token<'_> {
        match self {
            Node::String(text) => Token::Text(text),
            Node::Object { len, .. } => Token::Object(*len),
            Node::Array { len, .. } => Token::Array(*len),
            Node::Static(StaticNode::I64(value)) => Token::Int(*value),
            Node::Static(StaticNode::U64(value)) => i64::try_from(*value).map_or(Token::UInt(*value), Token::Int),
            Node::Static(StaticNode::F64(value)) => Token::Float(*value),
            Node::Static(StaticNode::Bool(value)) => Token::Bool(*value),
            Node::Static(StaticNode::Null) => Token::Null,
        }
    }

    #[inline]
    fn size(&self) -> usize {
        match self {
            Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
            _ => 1,
        }
    }
}

/// Appends a value as JSON without blanks, as Jackson copies it. Depth is bounded by the parsers.
pub(super) fn write_compact<N: TapeNode>(tape: &[N], at: usize, out: &mut String) {
    /// A container that is being written.
    struct Open {
        left: usize,
        is_object: bool,
        first: bool,
        expects_value: bool,
    }
    let mut open: Vec<Open> = Vec::new();
    let mut at = at;
    loop {
        if let Some(top) = open.last_mut() {
            if top.expects_value {
                out.push(':');
                top.expects_value = false;
                top.left -= 1;
            } else if top.left == 0 {
                out.push(if top.is_object { '}' } else { ']' });
                open.pop();
                if open.is_empty() {
                    return;
                }
                continue;
            } else {
                if !top.first {
                    out.push(',');
                }
                top.first = false;
                if top.is_object {
                    top.expects_value = true;
                } else {
                    top.left -= 1;
                }
            }
        }
        let Some(node) = tape.get(at) else { return };
        at += 1;
        match node.token() {
            Token::Array(len) => {
                out.push('[');
                open.push(Open { left: len, is_object: false, first: true, expects_value: false });
            }
            Token::Object(len) => {
                out.push('{');
                open.push(Open { left: len, is_object: true, first: true, expects_value: false });
            }
            Token::Text(text) => write_text(out, text),
            other => write_scalar(out, other),
        }
        if open.is_empty() {
            return;
        }
    }
}

/// Appends a number or a word.
pub(super) fn write_scalar(out: &mut String, token: Token<'_>) {
    use std::fmt::Write;
    // Writing to a String cannot fail.
    let _ = match token {
        Token::Null => write!(out, "null"),
        Token::Bool(value) => write!(out, "{value}"),
        Token::Int(value) => write!(out, "{value}"),
        Token::UInt(value) => write!(out, "{value}"),
        Token::Float(value) => {
            crate::number::write_double(out, value);
            Ok(())
        }
        Token::Number(text) if text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) => {
            crate::number::write_double(out, text.parse().unwrap_or(f64::NAN));
            Ok(())
        }
        Token::Number(text) => write!(out, "{text}"),
        Token::Text(text) => write!(out, "{text}"),
        Token::Array(_) | Token::Object(_) => Ok(()),
    };
}

/// Appends text in quotes, escaped as Jackson escapes it.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (i, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..i]);
        from = i + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            other => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push_str("\\u00");
                out.push(char::from(HEX[usize::from(other >> 4)]));
                out.push(char::from(HEX[usize::from(other & 15)]));
            }
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}
