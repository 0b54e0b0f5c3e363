//! The times of `--to-datetime` and `--by-duration`, as Java's `SimpleDateFormat` and `Duration` read them.

use crate::tools::clock::days;
use crate::tools::failure::Thrown;

/// `Utils.getDateTime`: `YYYY-MM-DDThh:mm:ss.sss` with or without `Z`, `+hh`, `+hhmm` or `+hh:mm`; milliseconds since 1970.
pub(super) fn datetime(text: &str) -> Result<i64, Thrown> {
    let wrong = |message: String| Thrown::new("java.text.ParseException", message).within("java.lang.RuntimeException");
    let Some((_, time)) = text.split_once('T').filter(|(_, time)| !time.is_empty()) else {
        return Err(wrong("Error parsing timestamp. It does not contain a 'T' according to ISO8601 format".to_owned()));
    };
    let text = if time.contains(['+', '-', 'Z']) { text.to_owned() } else { format!("{text}Z") };
    read(&text).ok_or_else(|| wrong(format!("Unparseable date: \"{text}\"")))
}

fn read(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|number| number.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone_at = time.find(['+', '-', 'Z'])?;
    let (time, zone) = time.split_at(zone_at);
    let (clock, ms) = time.split_once('.')?;
    let mut clock = clock.splitn(3, ':').map(|number| number.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let ms: i64 = ms.parse().ok()?;
    let sane = (1..=12).contains(&month)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second)
        && (0..1000).contains(&ms)
        && day >= 1
        && days(year, month, day) < days(year, month + 1, 1);
    sane.then_some(())?;
    let at = days(year, month, day) * 86_400_000 + hour * 3_600_000 + minute * 60_000 + second * 1_000 + ms;
    Some(at - zone_ms(zone)?)
}

fn zone_ms(zone: &str) -> Option<i64> {
    if zone.starts_with('Z') {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.get(1..)?.chars().filter(|c| *c != ':').collect();
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits.get(2..4).map_or(Some(0), |minutes| minutes.parse().ok())?;
    Some(sign * (hours * 3_600_000 + minutes * 60_000))
}

/// `Duration.parse`: `PnDTnHnMn.nS`; milliseconds.
pub(super) fn duration(text: &str) -> Result<i64, Thrown> {
    let wrong = || Thrown::new("java.time.format.DateTimeParseException", "Text cannot be parsed to a Duration");
    parse_duration(&text.to_ascii_uppercase()).ok_or_else(wrong)
}

fn parse_duration(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let text = text.strip_prefix('P')?;
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    if date.is_empty() && time.is_none() || time == Some("") {
        return None;
    }
    let mut total = 0i64;
    if !date.is_empty() {
        total += date.strip_suffix('D')?.parse::<i64>().ok()?.checked_mul(86_400_000)?;
    }
    let mut rest = time.unwrap_or_default();
    for (unit, ms) in [('H', 3_600_000), ('M', 60_000)] {
        if let Some((number, after)) = rest.split_once(unit) {
            total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(ms)?)?;
            rest = after;
        }
    }
    if !rest.is_empty() {
        let seconds: f64 = rest.strip_suffix('S')?.parse().ok()?;
        total = total.checked_add((seconds * 1_000.0) as i64)?;
    }
    Some(sign * total)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_datetime_without_a_zone_is_utc() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000", 0),
            ("2026-11-26T21:36:36.513", 1_795_728_996_513),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
            ("2024-02-29T23:59:59.999+02:00", 1_709_243_999_999),
            ("2024-02-29T23:59:59.999-0130", 1_709_256_599_999),
        ] {
            assert_eq!(datetime(text).unwrap(), ms, "{text}");
        }
        assert!(datetime("2023-02-29T00:00:00.000").is_err());
        assert!(datetime("2023-02-01T00:00:00").is_err());
        assert_eq!(
            datetime("2020").unwrap_err().text(),
            "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 format"
        );
    }

    #[test]
    fn a_duration_is_days_and_a_time() {
        for (text, ms) in
            [("P1D", 86_400_000), ("PT1H30M", 5_400_000), ("P1DT0.5S", 86_400_500), ("-PT1M", -60_000), ("pt2s", 2_000)]
        {
            assert_eq!(duration(text).unwrap(), ms, "{text}");
        }
        for text in ["", "P", "PT", "foo", "1D", "P1H", "PT1D"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
