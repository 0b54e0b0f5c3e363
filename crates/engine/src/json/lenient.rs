//! The parser for what strict JSON is not but Spark reads: single quotes, `NaN`, text behind the first value; and for rows
//! whose decimals must keep every digit. It is slower than the strict one and sees few rows.

use std::borrow::Cow;

use super::options::JsonReadOptions;
use super::tape::{TapeNode, Token};
use crate::limits::JSON_DEPTH_MAX;

/// A node of the lenient parser.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LenientNode<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Number(&'a str),
    Text(Cow<'a, str>),
    Array { len: usize, count: usize },
    Object { len: usize, count: usize },
}

impl TapeNode for LenientNode<'_> {
    fn token(&self) -> Token<'_> {
        match self {
            Self::Null => Token::Null,
            Self::Bool(value) => Token::Bool(*value),
            Self::Int(value) => Token::Int(*value),
            Self::Float(value) => Token::Float(*value),
            Self::Number(text) => Token::Number(text),
            Self::Text(text) => Token::Text(text),
            Self::Array { len, .. } => Token::Array(*len),
            Self::Object { len, .. } => Token::Object(*len),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Array { count, .. } | Self::Object { count, .. } => count + 1,
            _ => 1,
        }
    }
}

/// Parses the first value of a text; what follows it is not looked at. None means malformed.
pub(super) fn parse<'a>(text: &'a str, options: &JsonReadOptions) -> Option<Vec<LenientNode<'a>>> {
    let mut parser = Parser { text, at: 0, options, tape: Vec::new() };
    parser.first_value()?;
    Some(parser.tape)
}

/// A container that is being parsed.
struct Open {
    node: usize,
    is_object: bool,
}

struct Parser<'a, 'o> {
    text: &'a str,
    at: usize,
    options: &'o JsonReadOptions,
    tape: Vec<LenientNode<'a>>,
}

impl<'a> Parser<'a, '_> {
    fn first_value(&mut self) -> Option<()> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            // One value, or the opening of a container.
            self.skip_blanks()?;
            match self.peek()? {
                start @ (b'{' | b'[') => {
                    self.at += 1;
                    if open.len() >= JSON_DEPTH_MAX {
                        return None;
                    }
                    let is_object = start == b'{';
                    open.push(Open { node: self.tape.len(), is_object });
                    self.tape.push(if is_object {
                        LenientNode::Object { len: 0, count: 0 }
                    } else {
                        LenientNode::Array { len: 0, count: 0 }
                    });
                    self.skip_blanks()?;
                    if self.peek()? == if is_object { b'}' } else { b']' } {
                        self.at += 1;
                        self.close(&open.pop()?);
                    } else {
                        self.element(open.last()?)?;
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            // A value is complete: what comes after it belongs to its container.
            loop {
                let Some(top) = open.last() else { return Some(()) };
                self.skip_blanks()?;
                let end = if top.is_object { b'}' } else { b']' };
                match self.peek()? {
                    b',' => {
                        self.at += 1;
                        self.skip_blanks()?;
                        self.element(top)?;
                        break;
                    }
                    byte if byte == end => {
                        self.at += 1;
                        let top = open.pop()?;
                        self.close(&top);
                    }
                    _ => return None,
                }
            }
        }
    }

    /// Counts an element of a container and, in an object, reads its key and the colon.
    fn element(&mut self, open: &Open) -> Option<()> {
        if let LenientNode::Object { len, .. } | LenientNode::Array { len, .. } = &mut self.tape[open.node] {
            *len += 1;
        }
        if open.is_object {
            let name = match self.peek()? {
                b'"' => self.string(b'"')?,
                b'\'' if self.options.single_quotes => self.string(b'\'')?,
                _ if self.options.unquoted_names => {
                    let rest = &self.text[self.at..];
                    let end =
                        rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | '@' | '#')))?;
                    if end == 0 {
                        return None;
                    }
                    self.at += end;
                    Cow::Borrowed(&rest[..end])
                }
                _ => return None,
            };
            self.tape.push(LenientNode::Text(name));
            self.skip_blanks()?;
            if self.peek()? != b':' {
                return None;
            }
            self.at += 1;
        }
        Some(())
    }

    fn close(&mut self, open: &Open) {
        let spanned = self.tape.len() - open.node - 1;
        if let LenientNode::Object { count, .. } | LenientNode::Array { count, .. } = &mut self.tape[open.node] {
            *count = spanned;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) -> Option<()> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(b'/') if self.options.comments => {
                    let rest = &self.text[self.at..];
                    self.at += if rest.starts_with("//") {
                        rest.find('\n')?
                    } else if rest.starts_with("/*") {
                        rest.find("*/")? + 2
                    } else {
                        return None;
                    };
                }
                _ => return Some(()),
            }
        }
    }

    fn scalar(&mut self) -> Option<()> {
        let node = match self.peek()? {
            b'"' => LenientNode::Text(self.string(b'"')?),
            b'\'' if self.options.single_quotes => LenientNode::Text(self.string(b'\'')?),
            b'-' | b'0'..=b'9' => self.number()?,
            _ => {
                let rest = &self.text.as_bytes()[self.at..];
                let letters = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+')).count();
                let word = &self.text[self.at..self.at + letters];
                self.at += letters;
                match word {
                    "null" => LenientNode::Null,
                    "true" => LenientNode::Bool(true),
                    "false" => LenientNode::Bool(false),
                    "NaN" if self.options.non_numeric_numbers => LenientNode::Float(f64::NAN),
                    "Infinity" | "INF" | "+INF" | "+Infinity" if self.options.non_numeric_numbers => {
                        LenientNode::Float(f64::INFINITY)
                    }
                    _ => return None,
                }
            }
        };
        self.tape.push(node);
        Some(())
    }

    fn number(&mut self) -> Option<LenientNode<'a>> {
        let rest = &self.text[self.at..];
        let bytes = rest.as_bytes();
        if self.options.non_numeric_numbers {
            for word in ["-Infinity", "-INF"] {
                if rest.starts_with(word) {
                    self.at += word.len();
                    return Some(LenientNode::Float(f64::NEG_INFINITY));
                }
            }
        }
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut end = usize::from(bytes[0] == b'-');
        let whole = digits(end);
        if whole == 0 || (whole > 1 && bytes[end] == b'0' && !self.options.leading_zeros) {
            return None;
        }
        end += whole;
        let mut is_whole = true;
        if bytes.get(end) == Some(&b'.') {
            let fraction = digits(end + 1);
            if fraction == 0 {
                return None;
            }
            end += 1 + fraction;
            is_whole = false;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent == 0 {
                return None;
            }
            end += 1 + sign + exponent;
            is_whole = false;
        }
        // Jackson wants a blank or punctuation behind a number.
        if bytes.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')) {
            return None;
        }
        self.at += end;
        let text = &rest[..end];
        match text.parse::<i64>() {
            Ok(value) if is_whole => Some(LenientNode::Int(value)),
            _ => Some(LenientNode::Number(text)),
        }
    }

    fn string(&mut self, quote: u8) -> Option<Cow<'a, str>> {
        self.at += 1;
        let from = self.at;
        let mut owned: Option<String> = None;
        let mut clean_from = from;
        loop {
            let byte = self.peek()?;
            if byte == quote {
                let tail = &self.text[clean_from..self.at];
                self.at += 1;
                return Some(match owned {
                    Some(mut text) => {
                        text.push_str(tail);
                        Cow::Owned(text)
                    }
                    None => Cow::Borrowed(tail),
                });
            }
            if byte == b'\\' {
                let text = owned.get_or_insert_default();
                text.push_str(&self.text[clean_from..self.at]);
                self.at += 1;
                let escaped = self.escape()?;
                owned.get_or_insert_default().push(escaped);
                clean_from = self.at;
                continue;
            }
            if byte < 0x20 && !self.options.control_characters {
                return None;
            }
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Option<char> {
        let c = self.text[self.at..].chars().next()?;
        self.at += c.len_utf8();
        Some(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let high = self.hex4()?;
                if (0xd800..0xdc00).contains(&high) && self.text[self.at..].starts_with("\\u") {
                    let back = self.at;
                    self.at += 2;
                    let low = self.hex4()?;
                    if (0xdc00..0xe000).contains(&low) {
                        return char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                    }
                    self.at = back;
                }
                char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            '\'' if self.options.single_quotes => c,
            other if self.options.any_escape => other,
            _ => return None,
        })
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let value = u32::from_str_radix(digits, 16).ok()?;
        self.at += 4;
        Some(value)
    }
}
