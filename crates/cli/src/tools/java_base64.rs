//! `java.util.Base64`: its two alphabets, and what its decoder says of text that is none.

use super::failure::Thrown;

/// Which letters stand for 62 and 63.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Alphabet {
    /// `+` and `/` (`getDecoder`).
    Basic,
    /// `-` and `_` (`getUrlDecoder`).
    Url,
}

impl Alphabet {
    fn value(self, letter: u8) -> Option<u32> {
        let value = match (letter, self) {
            (b'A'..=b'Z', _) => letter - b'A',
            (b'a'..=b'z', _) => letter - b'a' + 26,
            (b'0'..=b'9', _) => letter - b'0' + 52,
            (b'+', Alphabet::Basic) | (b'-', Alphabet::Url) => 62,
            (b'/', Alphabet::Basic) | (b'_', Alphabet::Url) => 63,
            _ => return None,
        };
        Some(u32::from(value))
    }
}

/// `Decoder.decode`: padding may be left out, and bits behind the last byte are not looked at.
pub(crate) fn decode(text: &str, alphabet: Alphabet) -> Result<Vec<u8>, Thrown> {
    // As ISO-8859-1, of which everything else is a question mark.
    let letters: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    if letters.len() == 1 {
        return Err(Thrown::illegal("Input byte[] should at least have 2 bytes for base64 bytes"));
    }
    let (mut decoded, mut unit, mut read, mut at) = (Vec::new(), 0u32, 0, 0);
    while let Some(letter) = letters.get(at) {
        at += 1;
        if *letter == b'=' {
            let lonely = read == 2 && letters.get(at) != Some(&b'=');
            at += usize::from(read == 2);
            if read == 0 || lonely {
                return Err(Thrown::illegal("Input byte array has wrong 4-byte ending unit"));
            }
            break;
        }
        let Some(value) = alphabet.value(*letter) else {
            let signed = i8::from_ne_bytes([*letter]);
            let sign = if signed < 0 { "-" } else { "" };
            return Err(Thrown::illegal(format!("Illegal base64 character {sign}{:x}", signed.unsigned_abs())));
        };
        unit = unit << 6 | value;
        read += 1;
        if read == 4 {
            decoded.extend_from_slice(&unit.to_be_bytes()[1..]);
            (unit, read) = (0, 0);
        }
    }
    match read {
        1 => return Err(Thrown::illegal("Last unit does not have enough valid bits")),
        2 => decoded.push((unit >> 4) as u8),
        3 => decoded.extend_from_slice(&((unit >> 2) as u16).to_be_bytes()),
        _ => {}
    }
    if at < letters.len() {
        return Err(Thrown::illegal(format!("Input byte array has incorrect ending byte at {at}")));
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, alphabet: Alphabet) -> Result<Vec<u8>, String> {
        decode(text, alphabet).map_err(|thrown| thrown.text().to_owned())
    }

    #[test]
    fn text_is_decoded_with_and_without_padding() {
        for (text, bytes) in
            [("", &[][..]), ("YQ", b"a"), ("YQ==", b"a"), ("YWI=", b"ab"), ("YWJj", b"abc"), ("YR", b"a")]
        {
            assert_eq!(told(text, Alphabet::Basic), Ok(bytes.to_vec()), "{text}");
        }
        assert_eq!(told("+/8=", Alphabet::Basic), told("-_8=", Alphabet::Url));
    }

    #[test]
    fn what_is_none_is_refused_in_javas_words() {
        for (text, why) in [
            ("y", "Input byte[] should at least have 2 bytes for base64 bytes"),
            ("a-bc", "Illegal base64 character 2d"),
            ("é123", "Illegal base64 character -17"),
            ("ж123", "Illegal base64 character 3f"),
            ("YWJjY", "Last unit does not have enough valid bits"),
            ("YQ=", "Input byte array has wrong 4-byte ending unit"),
            ("====", "Input byte array has wrong 4-byte ending unit"),
            ("YQ==YQ", "Input byte array has incorrect ending byte at 4"),
        ] {
            assert_eq!(told(text, Alphabet::Basic), Err(why.to_owned()), "{text}");
        }
    }
}
