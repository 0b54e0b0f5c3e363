//! Lines and what they mean, by the reader's properties.

use super::*;

fn reader(properties: &[(&str, &str)]) -> Result<LineReader, Thrown> {
    LineReader::new(&properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

fn read(properties: &[(&str, &str)], line: &str) -> Result<Line, String> {
    reader(properties).and_then(|mut reader| reader.read(line)).map_err(|thrown| thrown.text().to_owned())
}

fn line(key: Option<&str>, value: Option<&str>, headers: &[(&str, Option<&str>)]) -> Result<Line, String> {
    let owned = |text: &str| text.to_owned();
    let headers = headers.iter().map(|(key, value)| (owned(key), value.map(owned))).collect();
    Ok(Line { key: key.map(owned), value: value.map(owned), headers })
}

const KEY: (&str, &str) = ("parse.key", " True ");
const HEADERS: (&str, &str) = ("parse.headers", "true");

#[test]
fn keys_headers_and_nulls_are_cut_out_of_a_line() {
    assert_eq!(read(&[], "k\tv"), line(None, Some("k\tv"), &[]));
    assert_eq!(read(&[KEY], "k\tv\tw"), line(Some("k"), Some("v\tw"), &[]));
    assert_eq!(read(&[KEY, ("key.separator", "--")], "k--v"), line(Some("k"), Some("v"), &[]));
    assert_eq!(
        read(&[KEY, HEADERS], "a:1,b:2\tk\tv"),
        line(Some("k"), Some("v"), &[("a", Some("1")), ("b", Some("2"))])
    );
    let null = ("null.marker", "NULL");
    assert_eq!(read(&[KEY, HEADERS, null], "a:NULL\tNULL\tNULL"), line(None, None, &[("a", None)]));
    assert_eq!(read(&[HEADERS, null], "NULL\tv"), line(None, Some("v"), &[]));
    assert_eq!(read(&[HEADERS, ("headers.separator", "[;|]")], "a:1;b:2|c:\tv"), {
        line(None, Some("v"), &[("a", Some("1")), ("b", Some("2")), ("c", Some(""))])
    });
}

#[test]
fn what_is_missing_is_told_or_with_ignore_error_left_out() {
    let ignore = ("ignore.error", "true");
    let refused = |text: &str| Err(text.to_owned());
    assert_eq!(read(&[KEY], "v"), refused("No key separator found on line number 1: 'v'"));
    assert_eq!(read(&[HEADERS], "v"), refused("No headers delimiter found on line number 1: 'v'"));
    assert_eq!(read(&[HEADERS], "a\tv"), refused("No header key separator found in pair 'a' on line number 1"));
    assert_eq!(
        read(&[HEADERS, ("null.marker", "N")], "N:1\tv"),
        refused("Header keys should not be equal to the null marker 'N' as they can't be null")
    );
    assert_eq!(read(&[KEY, ignore], "v"), line(None, Some("v"), &[]));
    assert_eq!(read(&[HEADERS, ignore], "a\tv"), line(None, Some("v"), &[("a", None)]));
    let clash = reader(&[("headers.delimiter", ",")]).err().map(|thrown| thrown.text().to_owned());
    assert_eq!(clash.as_deref(), Some("headers.delimiter and headers.separator may not be equal"));
}
