//! `String.format("%.4f", …)` and its like: rounded half up on the decimal digits that `Double.toString` has, not on the
//! binary value.

/// A number with so many digits behind the point.
pub(crate) fn fixed(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    // The shortest text that stands for the number, exactly, without an exponent.
    let text = format!("{}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut kept: Vec<u8> = whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(digits)).collect();
    if fraction.as_bytes().get(digits).is_some_and(|digit| *digit >= b'5') {
        let mut at = kept.len();
        loop {
            let Some(before) = at.checked_sub(1) else {
                kept.insert(0, b'1');
                break;
            };
            at = before;
            match kept.get_mut(at) {
                Some(digit) if *digit == b'9' => *digit = b'0',
                Some(digit) => {
                    *digit += 1;
                    break;
                }
                None => break,
            }
        }
    }
    let point = kept.len() - digits;
    let (whole, fraction) = kept.split_at(point);
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let (whole, fraction) = (String::from_utf8_lossy(whole), String::from_utf8_lossy(fraction));
    if digits == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::fixed;

    #[test]
    fn halves_go_up_as_in_java() {
        let table = [
            (0.125, 2, "0.13"),
            (1.005, 2, "1.01"),
            (2.5, 0, "3"),
            (9.999, 2, "10.00"),
            (1234.5, 4, "1234.5000"),
            (-0.05, 1, "-0.1"),
            (0.0, 2, "0.00"),
            (f64::NAN, 2, "NaN"),
            (f64::INFINITY, 1, "Infinity"),
            (1e21, 1, "1000000000000000000000.0"),
        ];
        for (value, digits, text) in table {
            assert_eq!(fixed(value, digits), text);
        }
    }
}
