//! Numbers as Java prints them: Spark's text of a double is Java's, and programs compare it.

use std::fmt::Write;

/// Appends what `Double.toString` prints.
pub(crate) fn write_double(out: &mut String, value: f64) {
    if value.is_finite() {
        let size = value.abs();
        if size == 0.0 || (1e-3..1e7).contains(&size) {
            plain(out, |out| write!(out, "{value}"));
        } else {
            scientific(out, &format!("{value:e}"));
        }
    } else {
        out.push_str(not_finite(value));
    }
}

/// Appends what `Float.toString` prints.
pub(crate) fn write_float(out: &mut String, value: f32) {
    if value.is_finite() {
        let size = value.abs();
        if size == 0.0 || (1e-3..1e7).contains(&size) {
            plain(out, |out| write!(out, "{value}"));
        } else {
            scientific(out, &format!("{value:e}"));
        }
    } else {
        out.push_str(not_finite(f64::from(value)));
    }
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn plain(out: &mut String, write: impl FnOnce(&mut String) -> std::fmt::Result) {
    let from = out.len();
    // Writing to a String cannot fail.
    let _ = write(out);
    if !out[from..].contains('.') {
        out.push_str(".0");
    }
}

/// Turns Rust's `1.5e10` or `1e10` into Java's `1.5E10` and `1.0E10`.
fn scientific(out: &mut String, text: &str) {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    out.push_str(digits);
    if !digits.contains('.') {
        out.push_str(".0");
    }
    out.push('E');
    out.push_str(exponent);
}

/// Appends an unscaled decimal with its point in place, never in scientific form.
pub(crate) fn write_decimal(out: &mut String, unscaled: i128, scale: i8) {
    if unscaled < 0 {
        out.push('-');
    }
    let digits = unscaled.unsigned_abs().to_string();
    match usize::try_from(scale) {
        Ok(0) => out.push_str(&digits),
        Ok(scale) if digits.len() > scale => {
            out.push_str(&digits[..digits.len() - scale]);
            out.push('.');
            out.push_str(&digits[digits.len() - scale..]);
        }
        Ok(scale) => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', scale - digits.len()));
            out.push_str(&digits);
        }
        Err(_) => {
            out.push_str(&digits);
            if unscaled != 0 {
                out.extend(std::iter::repeat_n('0', usize::from(scale.unsigned_abs())));
            }
        }
    }
}

/// Reads decimal text (`-12.50`, `1e3`) as an unscaled number of the given type, rounding half up behind the scale.
pub(crate) fn parse_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let bytes = text.trim().as_bytes();
    let (negative, mut rest) = match bytes.first()? {
        b'-' => (true, &bytes[1..]),
        b'+' => (false, &bytes[1..]),
        _ => (false, bytes),
    };
    let mut exponent = 0i64;
    if let Some(at) = rest.iter().position(|b| matches!(b, b'e' | b'E')) {
        exponent = std::str::from_utf8(&rest[at + 1..]).ok()?.parse::<i64>().ok()?;
        rest = &rest[..at];
    }
    let (whole, fraction) = match rest.iter().position(|&b| b == b'.') {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, &rest[rest.len()..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    if !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    // How many of all digits are kept: those down to 10^-scale.
    let keep = i64::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(i64::from(scale))?;
    let mut value = 0i128;
    let mut digits = whole.iter().chain(fraction).map(|b| i128::from(b - b'0'));
    if keep < 0 {
        return Some(0);
    }
    for place in 0..keep {
        match digits.next() {
            Some(digit) => value = value.checked_mul(10)?.checked_add(digit)?,
            None if value == 0 => break,
            None if place > 100 => return None,
            None => value = value.checked_mul(10)?,
        }
    }
    if digits.next().is_some_and(|digit| digit >= 5) {
        value = value.checked_add(1)?;
    }
    let limit = 10i128.checked_pow(u32::from(precision))?;
    (value < limit).then_some(if negative { -value } else { value })
}
