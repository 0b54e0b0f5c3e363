//! Texts of time as Spark reads and writes them: intervals (`10 seconds`), durations (`15m`), UTC timestamps.

/// Milliseconds of an interval text such as `interval 1 minute 30 seconds`; `None` if it is none, or has months in it.
#[must_use]
pub fn interval_ms(text: &str) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_prefix("interval ").unwrap_or(&text);
    let mut words = text.split_ascii_whitespace().peekable();
    words.peek()?;
    let mut micros = 0i64;
    while let Some(number) = words.next() {
        let unit = words.next()?;
        let unit_us: i64 = match unit.strip_suffix('s').unwrap_or(unit) {
            "week" => 7 * 86_400_000_000,
            "day" => 86_400_000_000,
            "hour" => 3_600_000_000,
            "minute" => 60_000_000,
            "second" => 1_000_000,
            "millisecond" => 1_000,
            "microsecond" => 1,
            _ => return None,
        };
        micros = micros.checked_add(scaled(number, unit_us)?)?;
    }
    Some(micros.div_euclid(1000))
}

/// `1.5` of a unit of 1,000,000 is 1,500,000; whole numbers are exact.
fn scaled(number: &str, unit: i64) -> Option<i64> {
    if let Ok(whole) = number.parse::<i64>() {
        return whole.checked_mul(unit);
    }
    let parsed: f64 = number.parse().ok()?;
    let scaled = parsed * unit as f64;
    // Beyond 2^53 a double no longer counts single units; no trigger is that long.
    (scaled.is_finite() && scaled.abs() < 9.0e15).then_some(scaled as i64)
}

/// Milliseconds of a duration text with a unit glued to it (`15m`, `100ms`, `2h`); a bare number is milliseconds.
#[must_use]
pub fn duration_ms(text: &str) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: i64 = number.parse().ok()?;
    match unit.trim() {
        "" | "ms" => Some(number),
        "us" => Some(number / 1000),
        "s" => number.checked_mul(1000),
        "m" | "min" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    }
}

/// `2026-11-23T00:04:51.000Z` of milliseconds since the epoch.
#[must_use]
pub fn iso_utc(ms: i64) -> String {
    let (days, in_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute, second, milli) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60, in_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Year, month, day of a count of days since 1970-01-01 in the proleptic Gregorian calendar, counted in eras of 400
/// years that begin on the first of March, so that the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_spark_reads_them() {
        for (text, ms) in [
            ("10 seconds", Some(10_000)),
            ("interval 1 minute 30 seconds", Some(90_000)),
            ("0 seconds", Some(0)),
            ("500 milliseconds", Some(500)),
            ("1.5 seconds", Some(1_500)),
            ("1 DAY", Some(86_400_000)),
            ("-1 second", Some(-1_000)),
            ("1 month", None),
            ("soon", None),
            ("10", None),
            ("", None),
        ] {
            assert_eq!(interval_ms(text), ms, "{text}");
        }
    }

    #[test]
    fn durations_carry_their_unit() {
        for (text, ms) in [
            ("15m", Some(900_000)),
            ("100ms", Some(100)),
            ("7", Some(7)),
            ("2h", Some(7_200_000)),
            ("x", None),
            ("3y", None),
        ] {
            assert_eq!(duration_ms(text), ms, "{text}");
        }
    }

    #[test]
    fn timestamps_are_utc_with_millis() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_392_228_765, "2026-11-23T00:03:48.765Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(iso_utc(ms), text);
        }
    }
}
