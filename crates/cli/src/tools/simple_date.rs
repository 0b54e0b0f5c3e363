//! `java.text.SimpleDateFormat`, as far as its patterns are numbers: `yyyy-MM-dd HH:mm:ss:SSS`. Times are UTC.

use super::clock::civil;
use super::failure::Thrown;

/// A time in ms since 1970 by a pattern.
pub(crate) fn format(pattern: &str, ms: i64) -> Result<String, Thrown> {
    let (year, month, day) = civil(ms.div_euclid(86_400_000));
    let of_day = ms.rem_euclid(86_400_000);
    let mut out = String::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\'' {
            // Quoted text; two quotes are one.
            if letters.next_if_eq(&'\'').is_some() {
                out.push('\'');
                continue;
            }
            while let Some(quoted) = letters.next() {
                if quoted == '\'' && letters.next_if_eq(&'\'').is_none() {
                    break;
                }
                out.push(quoted);
            }
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            out.push(letter);
            continue;
        }
        let mut width = 1;
        while letters.next_if_eq(&letter).is_some() {
            width += 1;
        }
        let number = match letter {
            'y' | 'u' if width == 2 => year.rem_euclid(100),
            'y' | 'u' => year,
            'M' => i64::from(month),
            'd' => i64::from(day),
            'H' => of_day / 3_600_000,
            'm' => of_day / 60_000 % 60,
            's' => of_day / 1_000 % 60,
            'S' => of_day % 1_000,
            _ => return Err(Thrown::illegal(format!("Illegal pattern character '{letter}'"))),
        };
        out.push_str(&format!("{number:0width$}"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn a_time_is_printed_by_its_pattern() {
        let shown = |pattern: &str| format(pattern, 1_795_729_471_007).map_err(|thrown| thrown.text().to_owned());
        assert_eq!(shown("yyyy-MM-dd HH:mm:ss:SSS").as_deref(), Ok("2026-11-26 21:44:31:007"));
        assert_eq!(shown("d.M.yy 'o''clock' H").as_deref(), Ok("26.11.26 o'clock 21"));
        assert_eq!(shown("b"), Err("Illegal pattern character 'b'".to_owned()));
    }
}
