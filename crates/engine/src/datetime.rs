//! Dates and timestamps as Spark reads and prints them: ISO 8601 with everything optional behind the year, either `T` or a
//! blank before the time, any zone form behind it.

use std::fmt::Write;

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use crate::SparkError;

/// Microseconds of a second.
pub(crate) const SECOND_US: i64 = 1_000_000;
/// Microseconds of a day.
pub(crate) const DAY_US: i64 = 86_400 * SECOND_US;

/// A time zone: of a session, or behind a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Zone {
    /// So many seconds east of UTC.
    Fixed(i32),
    /// A region with its rules.
    Named(Tz),
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self::Fixed(0);

    /// `UTC`, `Z`, `+02:00`, `GMT+2`, `Europe/Berlin`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if matches!(text, "Z" | "z" | "UTC" | "GMT" | "UT") {
            return Some(Self::UTC);
        }
        let offset = ["UTC", "GMT", "UT"].iter().find_map(|p| text.strip_prefix(p)).unwrap_or(text);
        if let Some(seconds) = offset_seconds(offset) {
            return Some(Self::Fixed(seconds));
        }
        text.parse::<Tz>().ok().map(|tz| match tz {
            Tz::UTC | Tz::Etc__UTC | Tz::GMT | Tz::Zulu => Self::UTC,
            tz => Self::Named(tz),
        })
    }

    /// The zone of a session, or Spark's error for an unknown one.
    pub fn of_session(name: &str) -> Result<Self, SparkError> {
        Self::parse(name)
            .ok_or_else(|| SparkError::plain(crate::Exception::DateTime, format!("Unknown time-zone ID: {name}")))
    }

    /// Microseconds since the epoch of a wall-clock time in this zone. A time that a clock change skips counts as after it.
    pub fn to_utc(self, local_us: i64) -> i64 {
        match self {
            Self::Fixed(seconds) => local_us - i64::from(seconds) * SECOND_US,
            Self::Named(tz) => {
                let Some(local) = naive(local_us) else { return local_us };
                let offset = match tz.offset_from_local_datetime(&local) {
                    LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => offset.fix().local_minus_utc(),
                    LocalResult::None => {
                        // Java shifts a skipped time forward by the length of the gap: the offset before it applies.
                        tz.offset_from_utc_datetime(&(local - chrono::Duration::days(1))).fix().local_minus_utc()
                    }
                };
                local_us - i64::from(offset) * SECOND_US
            }
        }
    }

    /// The wall-clock time in this zone, in microseconds as if it were UTC.
    pub fn to_local(self, utc_us: i64) -> i64 {
        utc_us + i64::from(self.offset_at(utc_us)) * SECOND_US
    }

    /// Seconds east of UTC at an instant.
    pub fn offset_at(self, utc_us: i64) -> i32 {
        match self {
            Self::Fixed(seconds) => seconds,
            Self::Named(tz) => naive(utc_us).map_or(0, |utc| tz.offset_from_utc_datetime(&utc).fix().local_minus_utc()),
        }
    }
}

fn naive(us: i64) -> Option<NaiveDateTime> {
    DateTime::<Utc>::from_timestamp_micros(us).map(|t| t.naive_utc())
}

fn offset_seconds(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let parts: Vec<&str> = if rest.contains(':') {
        rest.split(':').collect()
    } else {
        match rest.len() {
            1 | 2 => vec![rest],
            4 if rest.is_ascii() => vec![&rest[..2], &rest[2..]],
            6 if rest.is_ascii() => vec![&rest[..2], &rest[2..4], &rest[4..]],
            _ => return None,
        }
    };
    let mut seconds = 0;
    for (i, part) in parts.iter().enumerate() {
        if part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let value: i32 = part.parse().ok()?;
        seconds += match i {
            0 if value <= 18 => value * 3600,
            1 if value < 60 => value * 60,
            2 if value < 60 => value,
            _ => return None,
        };
    }
    (seconds <= 18 * 3600).then_some(sign * seconds)
}

/// Days since 1970-01-01 of a date in the Gregorian calendar.
pub(crate) fn days_of(year: i32, month: u32, day: u32) -> Option<i32> {
    if !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day > length {
        return None;
    }
    let y = i64::from(year) - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

/// Year, month and day of a number of days since 1970-01-01.
pub(crate) fn civil(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let mp = (5 * day_of_year + 2) / 153;
    let day = u32::try_from(day_of_year - (153 * mp + 2) / 5 + 1).unwrap_or(1);
    let month = u32::try_from(if mp < 10 { mp + 3 } else { mp - 9 }).unwrap_or(1);
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// A number of `min` to `max` digits.
    fn digits(&mut self, min: usize, max: usize) -> Option<u32> {
        let mut value = 0u32;
        let mut n = 0;
        while n < self.rest.len() && n < max && self.rest[n].is_ascii_digit() {
            value = value * 10 + u32::from(self.rest[n] - b'0');
            n += 1;
        }
        if n < min {
            return None;
        }
        self.rest = &self.rest[n..];
        Some(value)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    /// `[+-]yyyy[-m[m][-d[d]]]`; says whether the day was there.
    fn date(&mut self) -> Option<(i32, bool)> {
        let negative = self.take(b'-');
        if !negative {
            self.take(b'+');
        }
        let year = i32::try_from(self.digits(4, 6)?).ok()?;
        let year = if negative { -year } else { year };
        if !self.take(b'-') {
            return Some((days_of(year, 1, 1)?, false));
        }
        let month = self.digits(1, 2)?;
        if !self.take(b'-') {
            return Some((days_of(year, month, 1)?, false));
        }
        let day = self.digits(1, 2)?;
        Some((days_of(year, month, day)?, true))
    }

    /// `h[h][:m[m][:s[s][.fraction]]]` in microseconds.
    fn time(&mut self) -> Option<i64> {
        let hour = self.digits(1, 2)?;
        let mut us = i64::from(hour) * 3_600 * SECOND_US;
        let (mut minute, mut second) = (0, 0);
        if self.take(b':') {
            minute = self.digits(1, 2)?;
            if self.take(b':') {
                second = self.digits(1, 2)?;
                if self.take(b'.') {
                    us += self.fraction();
                }
            }
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        us += (i64::from(minute) * 60 + i64::from(second)) * SECOND_US;
        Some(us)
    }

    /// Digits behind the point, cut after the sixth.
    fn fraction(&mut self) -> i64 {
        let mut us = 0;
        let mut unit = 100_000;
        while let Some(digit) = self.rest.first().filter(|b| b.is_ascii_digit()) {
            us += i64::from(digit - b'0') * unit;
            unit /= 10;
            self.rest = &self.rest[1..];
        }
        us
    }
}

/// Days since 1970-01-01 of text that Spark casts to a date: what follows `T` or a blank does not matter.
pub fn parse_date(text: &str) -> Option<i32> {
    let mut reader = Reader { rest: text.trim().as_bytes() };
    let (days, whole) = reader.date()?;
    let ended = reader.rest.is_empty() || (whole && matches!(reader.rest[0], b' ' | b'T'));
    ended.then_some(days)
}

/// A timestamp's wall-clock time and, if the text has one, its zone.
fn parse_parts(text: &str) -> Option<(i64, Option<Zone>)> {
    let mut reader = Reader { rest: text.trim().as_bytes() };
    let (days, whole) = reader.date()?;
    let mut us = i64::from(days) * DAY_US;
    if reader.rest.is_empty() {
        return Some((us, None));
    }
    if !whole || !(reader.take(b'T') || reader.take(b' ')) {
        return None;
    }
    us = us.checked_add(reader.time()?)?;
    let rest = std::str::from_utf8(reader.rest).ok()?.trim();
    let zone = if rest.is_empty() { None } else { Some(Zone::parse(rest)?) };
    Some((us, zone))
}

/// Microseconds since the epoch of text that Spark casts to a timestamp.
pub fn parse_timestamp(text: &str, zone: Zone) -> Option<i64> {
    let (local, own) = parse_parts(text)?;
    Some(own.unwrap_or(zone).to_utc(local))
}

/// A timestamp without a zone; one with a zone is refused.
pub fn parse_timestamp_ntz(text: &str) -> Option<i64> {
    let (local, own) = parse_parts(text)?;
    own.is_none().then_some(local)
}

/// Appends `2024-01-31`.
pub(crate) fn write_date(out: &mut String, days: i64) {
    let (year, month, day) = civil(days);
    // Writing to a String cannot fail.
    let _ = match year {
        0..=9999 => write!(out, "{year:04}-{month:02}-{day:02}"),
        10_000.. => write!(out, "+{year}-{month:02}-{day:02}"),
        _ => write!(out, "-{:04}-{month:02}-{day:02}", -year),
    };
}

/// Appends `2024-01-31 01:02:03.5` of a wall-clock time: no fraction if it is zero, and no zeros at its end.
pub(crate) fn write_local_timestamp(out: &mut String, local_us: i64) {
    write_date(out, local_us.div_euclid(DAY_US));
    let us = local_us.rem_euclid(DAY_US);
    let seconds = us / SECOND_US;
    let _ = write!(out, " {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = us % SECOND_US;
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}

/// Appends JSON's form, `2024-01-31T01:02:03.123Z` or `+02:00` in place of `Z`; without a zone nothing follows.
pub(crate) fn write_json_timestamp(out: &mut String, utc_us: i64, zone: Option<Zone>) {
    let offset = zone.map(|zone| zone.offset_at(utc_us));
    let local = utc_us + i64::from(offset.unwrap_or(0)) * SECOND_US;
    write_date(out, local.div_euclid(DAY_US));
    let us = local.rem_euclid(DAY_US);
    let seconds = us / SECOND_US;
    let millis = us % SECOND_US / 1000;
    let _ = write!(out, "T{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match offset {
        None => {}
        Some(0) => out.push('Z'),
        Some(seconds) => {
            let sign = if seconds < 0 { '-' } else { '+' };
            let minutes = seconds.abs() / 60;
            let _ = write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
    }
}

/// A date and time pattern in Java's letters, as the options `timestampFormat` and `dateFormat` and `date_format` take it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Literal(String),
    Field(char, usize),
}

impl Pattern {
    /// Reads a pattern; letters that are not known are refused by name.
    pub fn parse(text: &str) -> Result<Self, SparkError> {
        let mut parts: Vec<Part> = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' {
                let mut literal = String::new();
                while let Some(c) = chars.next() {
                    if c == '\'' {
                        if chars.peek() == Some(&'\'') && chars.next().is_some() {
                            literal.push('\'');
                            continue;
                        }
                        break;
                    }
                    literal.push(c);
                }
                parts.push(Part::Literal(if literal.is_empty() { "'".to_owned() } else { literal }));
            } else if c.is_ascii_alphabetic() {
                let mut count = 1;
                while chars.peek() == Some(&c) && chars.next().is_some() {
                    count += 1;
                }
                if !"yuMLdHhmsSaXxZVzEDk".contains(c) {
                    return Err(SparkError::new(
                        crate::Exception::IllegalArgument,
                        "INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER",
                        "22007",
                        format!(
                            "Unrecognized datetime pattern: {text}. Illegal pattern character found in datetime pattern: {c}."
                        ),
                    ));
                }
                parts.push(Part::Field(c, count));
            } else if !matches!(c, '[' | ']') {
                parts.push(Part::Literal(c.to_string()));
            }
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads text by the pattern: wall-clock microseconds and the zone, if the pattern has one. Missing fields are those of
    /// 1970-01-01 00:00.
    pub fn read(&self, text: &str) -> Option<(i64, Option<Zone>)> {
        let mut reader = Reader { rest: text.trim().as_bytes() };
        let (mut year, mut month, mut day) = (1970i32, 1u32, 1u32);
        let (mut us, mut afternoon, mut zone) = (0i64, None, None);
        for (i, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(literal) => reader.rest = reader.rest.strip_prefix(literal.as_bytes())?,
                Part::Field(letter, count) => {
                    let tight = matches!(self.parts.get(i + 1), Some(Part::Field(next, _)) if !matches!(next, 'X' | 'x' | 'Z' | 'V' | 'z'));
                    let max = if tight { *count } else { (*count).max(2) };
                    match letter {
                        'y' | 'u' => {
                            let value =
                                i32::try_from(reader.digits((*count).min(4), if tight { *count } else { 6 })?).ok()?;
                            year = if *count == 2 { 2000 + value } else { value };
                        }
                        'M' | 'L' if *count >= 3 => month = month_of(&mut reader)?,
                        'M' | 'L' => month = reader.digits((*count).min(2), max)?,
                        'd' => day = reader.digits((*count).min(2), max)?,
                        'H' | 'h' | 'k' => us += i64::from(reader.digits((*count).min(2), max)?) * 3600 * SECOND_US,
                        'm' => us += i64::from(reader.digits((*count).min(2), max)?) * 60 * SECOND_US,
                        's' => us += i64::from(reader.digits((*count).min(2), max)?) * SECOND_US,
                        'S' => us += reader.fraction(),
                        'a' => {
                            let head = reader.rest.get(..2)?;
                            afternoon = Some(head.eq_ignore_ascii_case(b"PM"));
                            reader.rest = &reader.rest[2..];
                        }
                        'X' | 'x' | 'Z' | 'V' | 'z' => {
                            zone = Some(Zone::parse(std::str::from_utf8(reader.rest).ok()?)?);
                            reader.rest = &[];
                        }
                        _ => return None,
                    }
                }
            }
        }
        if !reader.rest.is_empty() {
            return None;
        }
        if let Some(afternoon) = afternoon {
            us = us % (DAY_US / 2) + if afternoon { DAY_US / 2 } else { 0 };
        }
        if us >= DAY_US {
            return None;
        }
        Some((i64::from(days_of(year, month, day)?) * DAY_US + us, zone))
    }

    /// Appends a wall-clock time by the pattern; `offset` is the zone's at that time, in seconds.
    pub fn write(&self, out: &mut String, local_us: i64, offset: i32) {
        let (year, month, day) = civil(local_us.div_euclid(DAY_US));
        let us = local_us.rem_euclid(DAY_US);
        let seconds = us / SECOND_US;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let date = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
        for part in &self.parts {
            let _ = match part {
                Part::Literal(text) => {
                    out.push_str(text);
                    Ok(())
                }
                Part::Field(letter, count) => match letter {
                    'y' | 'u' if *count == 2 => write!(out, "{:02}", year.rem_euclid(100)),
                    'y' | 'u' => write!(out, "{year:0count$}"),
                    'M' | 'L' if *count >= 4 => {
                        write!(out, "{}", date.map_or(String::new(), |d| d.format("%B").to_string()))
                    }
                    'M' | 'L' if *count == 3 => {
                        write!(out, "{}", date.map_or(String::new(), |d| d.format("%b").to_string()))
                    }
                    'M' | 'L' => write!(out, "{month:0count$}"),
                    'd' => write!(out, "{day:0count$}"),
                    'D' => write!(out, "{:0count$}", date.map_or(0, |d| chrono::Datelike::ordinal(&d))),
                    'E' if *count >= 4 => write!(out, "{}", date.map_or(String::new(), |d| d.format("%A").to_string())),
                    'E' => write!(out, "{}", date.map_or(String::new(), |d| d.format("%a").to_string())),
                    'H' => write!(out, "{hour:0count$}"),
                    'k' => write!(out, "{:0count$}", if hour == 0 { 24 } else { hour }),
                    'h' => write!(out, "{:0count$}", if hour % 12 == 0 { 12 } else { hour % 12 }),
                    'm' => write!(out, "{minute:0count$}"),
                    's' => write!(out, "{second:0count$}"),
                    'S' => {
                        let digits = format!("{:06}000", us % SECOND_US);
                        write!(out, "{}", &digits[..(*count).min(9)])
                    }
                    'a' => write!(out, "{}", if hour < 12 { "AM" } else { "PM" }),
                    'X' if offset == 0 => write!(out, "Z"),
                    'X' | 'x' | 'Z' | 'V' | 'z' => {
                        let sign = if offset < 0 { '-' } else { '+' };
                        let (h, m) = (offset.abs() / 3600, offset.abs() / 60 % 60);
                        match (letter, count) {
                            ('X' | 'x', 1) if m == 0 => write!(out, "{sign}{h:02}"),
                            ('X' | 'x', 2) | ('Z', 1..=3) => write!(out, "{sign}{h:02}{m:02}"),
                            _ => write!(out, "{sign}{h:02}:{m:02}"),
                        }
                    }
                    _ => Ok(()),
                },
            };
        }
    }
}

fn month_of(reader: &mut Reader<'_>) -> Option<u32> {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let letters = reader.rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let word = std::str::from_utf8(&reader.rest[..letters]).ok()?;
    let at = NAMES.iter().position(|name| name.eq_ignore_ascii_case(word) || name[..3].eq_ignore_ascii_case(word))?;
    reader.rest = &reader.rest[letters..];
    u32::try_from(at + 1).ok()
}
