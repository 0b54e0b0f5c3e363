//! The JSON form against texts that Spark printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::types::simple_string;

#[test]
fn every_form_is_read_and_written_as_spark_prints_it() {
    for (json, simple) in [
        (r#""integer""#, "int"),
        (r#""decimal(10,2)""#, "decimal(10,2)"),
        (r#""interval day to second""#, "interval day to second"),
        (r#""interval year""#, "interval year"),
        (r#""timestamp_ntz""#, "timestamp_ntz"),
        (r#""void""#, "void"),
        (r#"{"type":"array","elementType":"long","containsNull":false}"#, "array<bigint>"),
        (r#"{"type":"map","keyType":"string","valueType":"byte","valueContainsNull":true}"#, "map<string,tinyint>"),
        (
            r#"{"type":"struct","fields":[{"name":"a","type":"integer","nullable":true,"metadata":{"comment":"x"}},{"name":"s","type":{"type":"struct","fields":[]},"nullable":false,"metadata":{}}]}"#,
            "struct<a:int,s:struct<>>",
        ),
    ] {
        let data_type = from_json(json).unwrap();
        assert_eq!(simple_string(&data_type), simple);
        assert_eq!(to_json(&data_type), json);
    }
}

#[test]
fn python_sorts_its_keys_and_leaves_metadata_out_at_times() {
    let text = r#"{"fields":[{"metadata":{},"name":"a","nullable":true,"type":"string"},{"name":"b","type":"double"}],"type":"struct"}"#;
    assert_eq!(simple_string(&from_json(text).unwrap()), "struct<a:string,b:double>");
    assert_eq!(simple_string(&schema_from_text(text).unwrap()), "struct<a:string,b:double>");
    assert_eq!(simple_string(&schema_from_text("a string").unwrap()), "struct<a:string>");
}

#[test]
fn what_is_no_schema_is_refused() {
    for text in ["", "{", "1", r#"{"type":"struct"}"#, r#""fooo""#, r#"{"type":"array","elementType":"int"}"#] {
        assert_eq!(from_json(text).unwrap_err().error_class(), "INVALID_JSON_DATA_TYPE", "{text}");
    }
}
