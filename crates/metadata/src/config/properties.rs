//! Java's .properties files, as `server.properties` and `meta.properties` are written.

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct PropertiesError {
    /// Which line, from 1.
    pub line: usize,
    /// Why.
    pub reason: &'static str,
}

/// Reads keys and values in their order; a key may come twice. Comments begin with `#` or `!`, a backslash at the end
/// of a line continues it, key and value are parted by `=`, `:` or white space.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, PropertiesError> {
    let mut pairs = Vec::new();
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).zip(1..);
    while let Some((first, number)) = lines.next() {
        let mut logical = first.trim_start_matches(WHITE).to_string();
        if logical.is_empty() || logical.starts_with(['#', '!']) {
            continue;
        }
        while ends_in_backslash(&logical) {
            logical.pop();
            let Some((next, _)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(WHITE));
        }
        let (key, value) = split(&logical);
        let unescape =
            |text| unescape(text).ok_or(PropertiesError { line: number, reason: "malformed \\uxxxx encoding" });
        pairs.push((unescape(key)?, unescape(value)?));
    }
    Ok(pairs)
}

const WHITE: [char; 3] = [' ', '\t', '\u{c}'];

fn ends_in_backslash(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|char: char| {
        let ends = !escaped && (char == '=' || char == ':' || WHITE.contains(&char));
        escaped = char == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(WHITE);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(WHITE))
}

fn unescape(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return Some(text.to_string());
    }
    let mut units: Vec<u16> = Vec::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        let plain = match char {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let hex: String = chars.by_ref().take(4).collect();
                    let unit = u16::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == 4)?;
                    units.push(unit);
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            plain => plain,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}
