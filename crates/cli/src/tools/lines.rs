//! Standard input line by line, as Java's `BufferedReader` cuts it: at `\n`, `\r` or both; what is no UTF-8 is replaced.

use std::io::{BufRead, Read};

use tokio::sync::mpsc;

/// Lines read ahead of who takes them.
const LINES_AHEAD_MAX: usize = 1_024;

/// One line without its end; none when there is no more.
pub(crate) fn next_line(input: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            let text = || String::from_utf8_lossy(&line).into_owned();
            return Ok((!line.is_empty()).then(text));
        }
        let end = available.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let Some(end) = end else {
            line.extend_from_slice(available);
            let taken = available.len();
            input.consume(taken);
            continue;
        };
        let carriage_return = available[end] == b'\r';
        line.extend_from_slice(&available[..end]);
        input.consume(end + 1);
        if carriage_return && input.fill_buf()?.first() == Some(&b'\n') {
            input.consume(1);
        }
        return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
    }
}

/// Reads lines on a thread of its own, for a terminal must not stop what goes on besides.
pub(crate) fn read_ahead(input: impl Read + Send + 'static, prompt: fn()) -> mpsc::Receiver<std::io::Result<String>> {
    let (sender, lines) = mpsc::channel(LINES_AHEAD_MAX);
    std::thread::spawn(move || {
        let mut input = std::io::BufReader::new(input);
        loop {
            prompt();
            let line = match next_line(&mut input) {
                Ok(None) => return,
                Ok(Some(line)) => Ok(line),
                Err(error) => Err(error),
            };
            let last = line.is_err();
            if sender.blocking_send(line).is_err() || last {
                return;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_javas_end() {
        let mut input: &[u8] = b"a\nb\r\nc\rd\n\n\xff\nlast";
        let mut lines = Vec::new();
        while let Ok(Some(line)) = next_line(&mut input) {
            lines.push(line);
        }
        assert_eq!(lines, ["a", "b", "c", "d", "", "\u{fffd}", "last"]);
    }
}
