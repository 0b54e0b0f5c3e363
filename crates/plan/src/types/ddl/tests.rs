//! DDL as users write it, and what Spark makes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::types::{simple_string, to_ddl};

#[test]
fn schemas_that_programs_pass_to_from_json_and_readers() {
    for (text, simple) in [
        ("order_id string, amount double", "struct<order_id:string,amount:double>"),
        ("a int", "struct<a:int>"),
        ("a: int, b: string", "struct<a:int,b:string>"),
        ("`a b` INT NOT NULL COMMENT 'it\\'s', c DECIMAL(10, 2)", "struct<a b:int,c:decimal(10,2)>"),
        (
            "s struct<x:int,y:struct<z:string>>, m map<string, array<bigint>>",
            "struct<s:struct<x:int,y:struct<z:string>>,m:map<string,array<bigint>>>",
        ),
        ("struct<a:int>", "struct<a:int>"),
        ("array<struct<a:int>>", "array<struct<a:int>>"),
        ("int", "int"),
        ("decimal", "decimal(10,0)"),
        ("interval day to second", "interval day to second"),
        ("timestamp_ltz", "timestamp"),
        ("timestamp timestamp, date date", "struct<timestamp:timestamp,date:date>"),
        ("", "struct<>"),
        ("struct<>", "struct<>"),
        (
            "v varchar(10), c char(2), b BYTE, l LONG, f REAL, x VOID, w variant",
            "struct<v:varchar(10),c:char(2),b:tinyint,l:bigint,f:float,x:void,w:variant>",
        ),
    ] {
        assert_eq!(simple_string(&from_ddl(text).unwrap()), simple, "{text}");
    }
}

#[test]
fn ddl_is_read_back_from_its_own_form() {
    let text = "a INT NOT NULL,`b c` STRUCT<d: STRING COMMENT 'it\\'s', e: ARRAY<DOUBLE>>,f MAP<STRING, DECIMAL(5,2)>";
    assert_eq!(to_ddl(&schema_from_ddl(text).unwrap()), text);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, class, part) in [
        ("a fooo", "UNSUPPORTED_DATATYPE", "\"FOOO\""),
        ("fooo", "UNSUPPORTED_DATATYPE", "\"FOOO\""),
        ("a int,", "PARSE_SYNTAX_ERROR", "at or near end of input"),
        ("a int b int", "PARSE_SYNTAX_ERROR", "at or near 'b'. SQLSTATE: 42601 (line 1, pos 6)"),
        ("a array<int", "PARSE_SYNTAX_ERROR", "expected '>'"),
        ("a decimal(39,1)", "UNSUPPORTED_DATATYPE", "DECIMAL(39,1)"),
        ("a `int`", "PARSE_SYNTAX_ERROR", "'int'"),
        ("a int; b", "PARSE_SYNTAX_ERROR", "';'"),
    ] {
        let error = from_ddl(text).unwrap_err();
        assert_eq!(error.error_class(), class, "{text}");
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
}

#[test]
fn a_schema_of_absurd_depth_is_refused() {
    let text = format!("{}int{}", "array<".repeat(100_000), ">".repeat(100_000));
    assert_eq!(single_type(&text).unwrap_err(), PlanError::TooDeep { depth_max: TYPE_DEPTH_MAX });
}
