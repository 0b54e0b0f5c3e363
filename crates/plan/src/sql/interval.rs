//! Intervals: `INTERVAL 10 MINUTES`, `INTERVAL '1 day 2 hours'`, `INTERVAL '1-2' YEAR TO MONTH`, and the durations of
//! watermarks, windows and triggers.

use crate::spec::Literal;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// An interval in its three parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Parts {
    months: i64,
    days: i64,
    microseconds: i64,
    has_months: bool,
    has_days: bool,
}

impl Parts {
    fn add(&mut self, number: &str, unit: &str) -> Option<()> {
        let unit = unit.trim().to_ascii_lowercase();
        let unit = unit.strip_suffix('s').unwrap_or(&unit);
        if unit == "second" {
            self.microseconds = self.microseconds.checked_add(seconds(number)?)?;
            self.has_days = true;
            return Some(());
        }
        let number: i64 = number.trim_start_matches('+').parse().ok()?;
        let (field, factor) = match unit {
            "year" | "yr" => (&mut self.months, 12),
            "quarter" => (&mut self.months, 3),
            "month" | "mon" => (&mut self.months, 1),
            "week" => (&mut self.days, 7),
            "day" => (&mut self.days, 1),
            "hour" | "hr" => (&mut self.microseconds, 3_600 * SECOND),
            "minute" | "min" => (&mut self.microseconds, 60 * SECOND),
            "sec" => (&mut self.microseconds, SECOND),
            "millisecond" | "ms" | "msec" => (&mut self.microseconds, 1_000),
            "microsecond" | "us" | "usec" => (&mut self.microseconds, 1),
            _ => return None,
        };
        *field = field.checked_add(number.checked_mul(factor)?)?;
        let months = matches!(unit, "year" | "yr" | "quarter" | "month" | "mon");
        self.has_months |= months;
        self.has_days |= !months;
        Some(())
    }

    fn literal(self) -> Option<Literal> {
        let total = self.days.checked_mul(DAY)?.checked_add(self.microseconds)?;
        Some(match (self.has_months, self.has_days) {
            (true, false) => Literal::YearMonthInterval(i32::try_from(self.months).ok()?),
            (false, _) => Literal::DayTimeInterval(total),
            (true, true) => Literal::CalendarInterval {
                months: i32::try_from(self.months).ok()?,
                days: i32::try_from(self.days).ok()?,
                microseconds: self.microseconds,
            },
        })
    }
}

/// `-1.5` seconds in microseconds.
fn seconds(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: i64 = format!("{fraction:0<6}")[..6].parse().ok()?;
    let value = whole.checked_mul(SECOND)?.checked_add(fraction)?;
    Some(if negative { -value } else { value })
}

/// `1 day 2 hours`, with or without the word `interval` before it.
fn of_words(text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut words = text.split_whitespace().peekable();
    words.next_if(|word| word.eq_ignore_ascii_case("interval"));
    words.peek()?;
    while let Some(word) = words.next() {
        // `10s` and `- 3 days` occur in programs.
        let number = match word {
            "-" | "+" => format!("{word}{}", words.next()?),
            word => word.to_owned(),
        };
        let digits = number.find(|c: char| c.is_alphabetic()).unwrap_or(number.len());
        let (number, unit) = number.split_at(digits);
        let unit = if unit.is_empty() { words.next()? } else { unit };
        parts.add(number, unit)?;
    }
    Some(parts)
}

/// The text of `INTERVAL '..'`.
pub(super) fn literal(text: &str) -> Option<Literal> {
    of_words(text)?.literal()
}

/// `INTERVAL value unit`.
pub(super) fn of_unit(value: &str, unit: &str) -> Option<Literal> {
    let mut parts = Parts::default();
    parts.add(value.trim(), unit)?;
    parts.literal()
}

/// `INTERVAL '1 02:03:04.5' DAY TO SECOND` and its likes; units are Spark's numbers of fields, see the data types.
pub(super) fn of_range(value: &str, from: &str, to: &str) -> Option<Literal> {
    let value = value.trim();
    let (sign, value) = match value.strip_prefix('-') {
        Some(value) => (-1, value),
        None => (1, value.strip_prefix('+').unwrap_or(value)),
    };
    let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
    if from == "year" && to == "month" {
        let (years, months) = value.split_once('-')?;
        let months = years.parse::<i32>().ok()?.checked_mul(12)?.checked_add(months.parse().ok()?)?;
        return Some(Literal::YearMonthInterval(sign * months));
    }
    const UNITS: [&str; 4] = ["day", "hour", "minute", "second"];
    let first = UNITS.iter().position(|unit| *unit == from)?;
    let last = UNITS.iter().position(|unit| *unit == to)?;
    let numbers: Vec<&str> = value.split([' ', ':']).filter(|number| !number.is_empty()).collect();
    if last < first || numbers.len() != last - first + 1 {
        return None;
    }
    let mut parts = Parts::default();
    for (number, unit) in numbers.iter().zip(&UNITS[first..=last]) {
        parts.add(number, unit)?;
    }
    let total = parts.days.checked_mul(DAY)?.checked_add(parts.microseconds)?;
    Some(Literal::DayTimeInterval(i64::from(sign) * total))
}

/// The microseconds of a duration as triggers, watermarks and windows give it (`10 seconds`, `interval 1 minute`); absent
/// when it is none or has months in it.
#[must_use]
pub fn day_time_text(text: &str) -> Option<i64> {
    match literal(text)? {
        Literal::DayTimeInterval(microseconds) => Some(microseconds),
        _ => None,
    }
}
