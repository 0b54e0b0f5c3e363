//! Golden tables of `from_json` and `to_json`: what Apache Spark gives for these rows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use andiron_plan::types::schema_from_ddl;
use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, StringViewArray};

use super::{JsonReadOptions, JsonReader, JsonWriteOptions, JsonWriter};
use crate::datetime::Zone;
use crate::functions::cast::Printer;
use crate::{Options, SparkError};

const SCHEMA: &str =
    "a int, b string, c double, d timestamp, e array<int>, f struct<x:int>, g boolean, _corrupt_record string";

fn read(schema: &str, rows: &[Option<&str>], options: &[(&str, &str)]) -> Result<ArrayRef, SparkError> {
    let schema = andiron_plan::types::schema_from_text(schema).unwrap();
    let options = JsonReadOptions::parse(&Options::new(options.iter().copied()), Zone::UTC)?;
    JsonReader::new(&schema, options)?.read(&StringViewArray::from(rows.to_vec()))
}

/// The row as `show` prints a struct.
fn shown(array: &ArrayRef, row: usize) -> String {
    let mut out = String::new();
    Printer::new(array, Zone::UTC, true).unwrap().write_or_null(row, &mut out);
    out
}

fn one(schema: &str, row: &str) -> String {
    shown(&read(schema, &[Some(row)], &[]).unwrap(), 0)
}

#[test]
fn a_field_of_the_wrong_type_is_null_and_the_rest_is_kept() {
    const N: &str = "NULL";
    for row in [
        r#"{"a":"1"}"#,
        r#"{"a":1.0}"#,
        r#"{"a":1.5}"#,
        r#"{"a":99999999999}"#,
        r#"{"c":"1.5"}"#,
        r#"{"g":"true"}"#,
        r#"{"g":1}"#,
        r#"{"e":[1,null,"x"]}"#,
        r#"{"e":1}"#,
        r#"{"f":[1]}"#,
        r#"{"d":"bad"}"#,
    ] {
        assert_eq!(one(SCHEMA, row), format!("{{{N}, {N}, {N}, {N}, {N}, {N}, {N}, {row}}}"), "{row}");
    }
    let row = r#"{"f":{"x":"q"},"a":5}"#;
    assert_eq!(one(SCHEMA, row), format!("{{5, {N}, {N}, {N}, {N}, {{NULL}}, {N}, {row}}}"));
}

#[test]
fn what_is_no_object_leaves_nothing_but_its_text() {
    for row in [
        r#"[{"a":1},{"a":2}]"#,
        "[1]",
        r#""str""#,
        "123",
        "null",
        r#"{"a":1"#,
        "{a:1}",
        r#"{"a":1,}"#,
        r#"{"a":01}"#,
        r#"{"a":1 /* one */}"#,
        "not json",
    ] {
        assert_eq!(one(SCHEMA, row), format!("{{NULL, NULL, NULL, NULL, NULL, NULL, NULL, {row}}}"), "{row}");
    }
}

#[test]
fn what_is_right_is_read() {
    for (row, wanted) in [
        (r#"{"A":1}"#, "{NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL}"),
        (r#"{"unknown":1}"#, "{NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL}"),
        ("{}", "{NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL}"),
        (r#"{"a":null}"#, "{NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL}"),
        (r#"{"a":1,"a":2}"#, "{2, NULL, NULL, NULL, NULL, NULL, NULL, NULL}"),
        (r#"{"b":1}"#, "{NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL}"),
        (r#"{"b":true}"#, "{NULL, true, NULL, NULL, NULL, NULL, NULL, NULL}"),
        (r#"{"b":{"k":[1, 2]}}"#, r#"{NULL, {"k":[1,2]}, NULL, NULL, NULL, NULL, NULL, NULL}"#),
        (
            r#"{"b":{"k":[{ }, [], "x\n"] , "l":null}}"#,
            "{NULL, {\"k\":[{},[],\"x\\n\"],\"l\":null}, NULL, NULL, NULL, NULL, NULL, NULL}",
        ),
        (r#"{"c":1}"#, "{NULL, NULL, 1.0, NULL, NULL, NULL, NULL, NULL}"),
        (r#"{"c":"NaN"}"#, "{NULL, NULL, NaN, NULL, NULL, NULL, NULL, NULL}"),
        (r#"{"c":NaN}"#, "{NULL, NULL, NaN, NULL, NULL, NULL, NULL, NULL}"),
        (r#"{"d":"2024-01-01T00:00:00Z"}"#, "{NULL, NULL, NULL, 2024-01-01 00:00:00, NULL, NULL, NULL, NULL}"),
        (r#"{"d":"2024-01-01 01:02:03"}"#, "{NULL, NULL, NULL, 2024-01-01 01:02:03, NULL, NULL, NULL, NULL}"),
        (r#"{"d":1704067200}"#, "{NULL, NULL, NULL, 2024-01-01 00:00:00, NULL, NULL, NULL, NULL}"),
        (r#"{"a":1} trailing"#, "{1, NULL, NULL, NULL, NULL, NULL, NULL, NULL}"),
        (r#"{"a":1}{"a":2}"#, "{1, NULL, NULL, NULL, NULL, NULL, NULL, NULL}"),
        ("{'a':1}", "{1, NULL, NULL, NULL, NULL, NULL, NULL, NULL}"),
        (r#"{"e":[1,null,3],"f":{"x":7},"g":true}"#, "{NULL, NULL, NULL, NULL, [1, NULL, 3], {7}, true, NULL}"),
    ] {
        assert_eq!(one(SCHEMA, row), wanted, "{row}");
    }
}

#[test]
fn blank_text_is_no_record() {
    let rows = read(SCHEMA, &[Some(""), Some("   "), None, Some("{}")], &[]).unwrap();
    assert!(rows.is_null(0) && rows.is_null(1) && rows.is_null(2) && rows.is_valid(3));
}

#[test]
fn other_types() {
    for (schema, row, wanted) in [
        ("a array<struct<x:int>>", r#"{"a":{"x":1}}"#, "{[{1}]}"),
        ("array<struct<x:int>>", r#"{"x":1}"#, "[{1}]"),
        ("array<struct<x:int>>", r#"[{"x":1},{"x":2}]"#, "[{1}, {2}]"),
        ("map<string,int>", r#"{"k":1,"l":null}"#, "{k -> 1, l -> NULL}"),
        ("map<string,int>", r#"{"k":"x"}"#, "NULL"),
        ("a decimal(5,2)", r#"{"a":1.23456}"#, "{1.23}"),
        ("a decimal(5,2)", r#"{"a":"1.2"}"#, "{1.20}"),
        ("a decimal(5,2)", r#"{"a":123456}"#, "{NULL}"),
        ("a decimal(38,18)", r#"{"a":0.123456789012345678}"#, "{0.123456789012345678}"),
        ("a date", r#"{"a":"2024-1-2"}"#, "{2024-01-02}"),
        ("a date", r#"{"a":"2024-01-02T03:04:05"}"#, "{2024-01-02}"),
        ("a bigint", r#"{"a":9223372036854775807}"#, "{9223372036854775807}"),
        ("a bigint", r#"{"a":9223372036854775808}"#, "{NULL}"),
        ("a bigint", r#"{"a":1e3}"#, "{NULL}"),
        ("a binary", r#"{"a":"AQI="}"#, "{[01 02]}"),
        ("a int not null", "{}", "{NULL}"),
        ("a string", r#"{"a":"\u00e9\ud83d\ude00\n"}"#, "{é😀\n}"),
        ("a double", r#"{"a":123456789012345678901234567890}"#, "{1.2345678901234568E29}"),
    ] {
        assert_eq!(one(schema, row), wanted, "{schema} of {row}");
    }
}

#[test]
fn failfast_fails_and_dropmalformed_is_refused() {
    let failed = read("a int", &[Some(r#"{"a":"x"}"#)], &[("mode", "FAILFAST")]).unwrap_err();
    assert_eq!(failed.class(), Some("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION"));
    let refused = read("a int", &[], &[("mode", "DROPMALFORMED")]).unwrap_err();
    assert_eq!(refused.class(), Some("PARSE_MODE_UNSUPPORTED"));
    assert_eq!(shown(&read("a int", &[Some(r#"{"a":1}"#)], &[("mode", "FAILFAST")]).unwrap(), 0), "{1}");
}

#[test]
fn rows_whose_keys_change_place_are_read_alike() {
    let rows = [r#"{"a":1,"b":"x"}"#, r#"{"b":"y","a":2}"#, r#"{"z":0,"a":3,"b":"z"}"#, r#"{"b":"w"}"#];
    let rows: Vec<_> = rows.iter().map(|r| Some(*r)).collect();
    let read = read("a int, b string", &rows, &[]).unwrap();
    let all: Vec<_> = (0..read.len()).map(|i| shown(&read, i)).collect();
    assert_eq!(all, ["{1, x}", "{2, y}", "{3, z}", "{NULL, w}"]);
}

#[test]
fn bytes_are_read_as_text_is_and_wrong_bytes_break_nothing() {
    let schema = schema_from_ddl("a string").unwrap();
    let reader =
        JsonReader::new(&andiron_plan::spec::DataType::Struct(schema), JsonReadOptions::new(Zone::UTC)).unwrap();
    let rows = BinaryViewArray::from_iter_values([&b"{\"a\":\"x\"}"[..], &b"{\"a\":\"\xff\"}"[..], &b"\xff\xfe"[..]]);
    let read = reader.read(&rows).unwrap();
    let all: Vec<_> = (0..3).map(|i| shown(&read, i)).collect();
    assert_eq!(all, ["{x}", "{\u{fffd}}", "{NULL}"]);
}

#[test]
fn only_wanted_fields_are_read() {
    let schema = andiron_plan::types::schema_from_text("a int, b string, c double").unwrap();
    let reader = JsonReader::new(&schema, JsonReadOptions::new(Zone::UTC)).unwrap();
    let narrow = reader.with_fields(|name| name == "b").unwrap();
    let rows = narrow.read(&StringViewArray::from(vec![r#"{"a":1,"b":"x","c":2}"#])).unwrap();
    assert_eq!(shown(&rows, 0), "{x}");
    assert!(reader.with_fields(|_| true).is_none());
    let schema = andiron_plan::types::schema_from_text("a int, _corrupt_record string").unwrap();
    let reader = JsonReader::new(&schema, JsonReadOptions::new(Zone::UTC)).unwrap();
    assert!(reader.with_fields(|name| name == "a").is_none(), "every field decides whether a record is corrupt");
}

#[test]
fn to_json_writes_what_spark_writes() {
    for (schema, row, wanted) in [
        ("a int, b string", r#"{"a":1}"#, r#"{"a":1}"#),
        ("a double", r#"{"a":"NaN"}"#, r#"{"a":"NaN"}"#),
        ("a double", r#"{"a":1e20}"#, r#"{"a":1.0E20}"#),
        ("a double", r#"{"a":70}"#, r#"{"a":70.0}"#),
        ("a binary", r#"{"a":"AQI="}"#, r#"{"a":"AQI="}"#),
        ("a timestamp", r#"{"a":"2024-01-01T00:00:00.123456Z"}"#, r#"{"a":"2024-01-01T00:00:00.123Z"}"#),
        ("a date", r#"{"a":"2024-01-02"}"#, r#"{"a":"2024-01-02"}"#),
        ("a decimal(5,2)", r#"{"a":1.1}"#, r#"{"a":1.10}"#),
        ("a array<struct<x:int,y:int>>", r#"{"a":[{"x":1},null]}"#, r#"{"a":[{"x":1},null]}"#),
        ("a map<string,int>", r#"{"a":{"k":null,"l":2}}"#, r#"{"a":{"k":null,"l":2}}"#),
        ("a string", r#"{"a":"\"\\\n\u0001é"}"#, r#"{"a":"\"\\\n\u0001é"}"#),
        ("a boolean, b struct<c:int>", r#"{"a":true,"b":{}}"#, r#"{"a":true,"b":{}}"#),
    ] {
        let array = read(schema, &[Some(row)], &[]).unwrap();
        let written = JsonWriter::new(JsonWriteOptions::new(Zone::UTC)).write(&array).unwrap();
        assert_eq!(written.value(0), wanted, "{schema} of {row}");
    }
    let array = read("a timestamp", &[Some(r#"{"a":"2024-07-01T00:00:00Z"}"#)], &[]).unwrap();
    let berlin = JsonWriter::new(JsonWriteOptions::new(Zone::parse("Europe/Berlin").unwrap()));
    assert_eq!(berlin.write(&array).unwrap().value(0), r#"{"a":"2024-07-01T02:00:00.000+02:00"}"#);
    assert_eq!(array.as_struct().len(), 1);
}
