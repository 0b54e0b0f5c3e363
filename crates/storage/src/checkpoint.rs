//! The text form that Kafka's checkpoint files share: a version, a count, then so many lines.

/// Parses a checkpoint of version 0. The error says what is wrong.
pub(crate) fn parse<T>(bytes: &[u8], line: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "Malformed line in checkpoint file: not text".to_owned())?;
    let mut lines = text.lines();
    match lines.next() {
        Some("0") => {}
        Some(other) => return Err(format!("Unrecognized version of the checkpoint file: {other}")),
        // Kafka leaves such files for checkpoints that never had an entry.
        None => return Ok(Vec::new()),
    }
    let count = lines.next().unwrap_or_default();
    let count: usize = count.parse().map_err(|_| format!("Malformed line in checkpoint file: {count}"))?;
    let mut entries = Vec::new();
    for text in lines.by_ref().take(count) {
        entries.push(line(text).ok_or_else(|| format!("Malformed line in checkpoint file: {text}"))?);
    }
    if entries.len() != count || lines.next().is_some() || !text.ends_with('\n') {
        return Err(format!("Expected {count} entries in checkpoint file, but found another number"));
    }
    Ok(entries)
}

/// The text of a checkpoint of version 0.
pub(crate) fn render(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    let mut text = format!("0\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}
