//! The CSV file of `--from-file` (`CsvUtils`), with Jackson's rules and complaints: cells that are missing or blank are zero,
//! one comma too many at the end of a line is let pass.

use andiron_client::TopicPartition;

use crate::tools::failure::{Stop, Thrown};

const RUNTIME: &str = "java.lang.RuntimeException";
const RECORDS: &str = "org.apache.kafka.tools.consumer.group.CsvUtils$CsvRecord";

/// (group, partition, new offset); of several lines about one partition the last counts.
pub(super) type Planned = Vec<(String, TopicPartition, i64)>;

/// Reads the file. With a group the lines may leave the group out, which the first line decides.
pub(super) fn read(text: &str, only_group: Option<&str>) -> Result<Planned, Stop> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    // Java's split leaves out what is empty at the end, but something of nothing.
    while !text.is_empty() && lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let refused = lines.first().and_then(|line| Line::without_group(line).err());
    if let Some(refused) = &refused {
        refused.print_trace();
    }
    let only_group = only_group.filter(|_| refused.is_none());
    let mut planned = Planned::new();
    for line in lines {
        let line = match only_group {
            Some(group) => Line::without_group(line).map(|found| Line { group: group.to_owned(), ..found }),
            None => Line::with_group(line),
        };
        let line = line.map_err(|thrown| thrown.within(RUNTIME))?;
        if line.offset < 0 {
            return Err(Thrown::illegal("Invalid negative offset").into());
        }
        planned.retain(|(group, partition, _)| *group != line.group || *partition != line.partition);
        planned.push((line.group, line.partition, line.offset));
    }
    // Kafka's tool reads the file a second time, once it knows that it can.
    if let Some(refused) = &refused {
        refused.print_trace();
    }
    Ok(planned)
}

struct Line {
    group: String,
    partition: TopicPartition,
    offset: i64,
}

impl Line {
    fn with_group(line: &str) -> Result<Line, Thrown> {
        let cells = Cells::of(line)?;
        let group = cells.text(0).to_owned();
        Line::rest(&cells, group, 1, "WithGroup")
    }

    fn without_group(line: &str) -> Result<Line, Thrown> {
        Line::rest(&Cells::of(line)?, String::new(), 0, "NoGroup")
    }

    fn rest(cells: &Cells, group: String, at: usize, record: &str) -> Result<Line, Thrown> {
        let partition = cells.number(at + 1, ("int", i64::from(i32::MIN), i64::from(i32::MAX)), record, "partition")?;
        let offset = cells.number(at + 2, ("long", i64::MIN, i64::MAX), record, "offset")?;
        cells.no_more_than(at + 3)?;
        let partition = TopicPartition::new(cells.text(at), i32::try_from(partition).unwrap_or_default());
        Ok(Line { group, partition, offset })
    }
}

/// A line's cells, with the columns in which they begin, counted from 1.
struct Cells {
    cells: Vec<(usize, String)>,
    length: usize,
}

impl Cells {
    fn of(line: &str) -> Result<Cells, Thrown> {
        let line = line.trim_end_matches('\r');
        let length = line.chars().count();
        if length == 0 {
            return Err(Thrown::new(
                "com.fasterxml.jackson.databind.exc.MismatchedInputException",
                "No content to map due to end-of-input\n at [Source: (StringReader); line: UNKNOWN, column: UNKNOWN]",
            ));
        }
        let (mut cells, mut quoted, mut chars) = (vec![(1, String::new())], false, line.chars().zip(1..).peekable());
        while let Some((c, column)) = chars.next() {
            let cell = cells.last_mut().map(|(_, cell)| cell);
            match c {
                '"' if quoted && chars.peek().is_some_and(|(next, _)| *next == '"') => {
                    chars.next();
                    cell.map(|cell| cell.push('"')).unwrap_or_default();
                }
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push((column + 1, String::new())),
                c => cell.map(|cell| cell.push(c)).unwrap_or_default(),
            }
        }
        if quoted {
            let message = format!("Missing closing quote for value{}", at(length + 1));
            return Err(Thrown::new("com.fasterxml.jackson.core.JsonParseException", message));
        }
        Ok(Cells { cells, length })
    }

    fn text(&self, index: usize) -> &str {
        self.cells.get(index).map(|(_, cell)| cell.as_str()).unwrap_or_default()
    }

    fn number(
        &self,
        index: usize,
        (kind, least, most): (&str, i64, i64),
        record: &str,
        field: &str,
    ) -> Result<i64, Thrown> {
        let Some((column, cell)) = self.cells.get(index) else { return Ok(0) };
        let text = cell.trim();
        let chain = format!(" (through reference chain: {RECORDS}{record}[\"{field}\"])");
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if text.is_empty() {
            return Ok(0);
        }
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            let message = format!(
                "Cannot deserialize value of type `{kind}` from String \"{cell}\": not a valid `{kind}` value{}{chain}",
                at(*column)
            );
            return Err(Thrown::new("com.fasterxml.jackson.databind.exc.InvalidFormatException", message));
        }
        let number = text.parse::<i64>().ok();
        if let Some(number) = number.filter(|number| (least..=most).contains(number)) {
            return Ok(number);
        }
        let range = if number.is_none() { format!(" ({least} - {most})") } else { String::new() };
        // The place is where the parser stands: behind the comma, or twice as far once it has met the end.
        let last = index + 1 == self.cells.len();
        let place = if last { self.length * 2 + 1 } else { column + cell.chars().count() + 1 };
        let message = format!("Numeric value ({text}) out of range of {kind}{range}{}", at(place));
        let cause = Thrown::new("com.fasterxml.jackson.core.JsonParseException", message.as_str());
        let outer = Thrown::new("com.fasterxml.jackson.databind.JsonMappingException", format!("{message}{chain}"));
        Err(Thrown { cause: Some(Box::new(cause)), ..outer })
    }

    fn no_more_than(&self, most: usize) -> Result<(), Thrown> {
        let Some((column, cell)) = self.cells.get(most) else { return Ok(()) };
        if cell.is_empty() && self.cells.len() == most + 1 {
            return Ok(());
        }
        let length = cell.encode_utf16().count();
        let message = format!(
            "Too many entries: expected at most {most} (value #{most} ({length} chars) \"{cell}\"){}",
            at(*column)
        );
        Err(Thrown::new("com.fasterxml.jackson.dataformat.csv.CsvReadException", message))
    }
}

fn at(column: usize) -> String {
    format!("\n at [Source: (StringReader); line: 1, column: {column}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, only_group: Option<&str>) -> String {
        match read(text, only_group) {
            Ok(planned) => {
                planned.iter().map(|(group, partition, offset)| format!("{group} {partition} {offset};")).collect()
            }
            Err(Stop::Thrown(thrown)) => thrown.text().lines().next().unwrap_or_default().to_owned(),
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn lines_name_the_group_or_leave_it_out() {
        for (text, only_group, plan) in [
            ("orders,0,7\norders,2,1\n", Some("g"), "g orders-0 7;g orders-2 1;"),
            ("g,orders,0,7\nh,orders,0,8", Some("g"), "g orders-0 7;h orders-0 8;"),
            ("orders,0,7\norders,0,8\n", Some("g"), "g orders-0 8;"),
            ("\"a \"\"b\"\"\", 1 ,2\r\n", Some("g"), "g a \"b\"-1 2;"),
            ("orders,1\n", Some("g"), "g orders-1 0;"),
            ("orders,0,1,\n", Some("g"), "g orders-0 1;"),
            ("\n\n", Some("g"), ""),
            ("g,orders,0,7\n", None, "g orders-0 7;"),
        ] {
            assert_eq!(told(text, only_group), plan, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_line_is_refused_in_jacksons_words() {
        let outer = "com.fasterxml.jackson.";
        for (text, why) in [
            ("orders,0,1\norders,0,1,2", "dataformat.csv.CsvReadException: Too many entries"),
            (
                "g,orders,0,x\n",
                "databind.exc.InvalidFormatException: Cannot deserialize value of type `long` from String \"x\"",
            ),
            (
                "g,orders,99999999999,1",
                "databind.JsonMappingException: Numeric value (99999999999) out of range of int",
            ),
            ("orders,\"0\n", "core.JsonParseException: Missing closing quote for value"),
            ("", "databind.exc.MismatchedInputException: No content to map due to end-of-input"),
        ] {
            let told = told(text, Some("g"));
            assert!(told.starts_with(&format!("{outer}{why}")), "{text:?}: {told}");
        }
        assert_eq!(told("orders,0,-5", Some("g")), "Invalid negative offset");
    }
}
