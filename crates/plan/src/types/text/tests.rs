//! Forms for people, as Spark prints them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::types::schema_from_ddl;

fn schema() -> StructType {
    schema_from_ddl(
        "a int not null, s struct<b: string, c: array<double>>, m map<string, struct<x: int>>, d decimal(5,2)",
    )
    .unwrap()
}

#[test]
fn the_tree_of_print_schema() {
    assert_eq!(
        tree_string(&schema(), None),
        "root
 |-- a: integer (nullable = false)
 |-- s: struct (nullable = true)
 |    |-- b: string (nullable = true)
 |    |-- c: array (nullable = true)
 |    |    |-- element: double (containsNull = true)
 |-- m: map (nullable = true)
 |    |-- key: string
 |    |-- value: struct (valueContainsNull = true)
 |    |    |-- x: integer (nullable = true)
 |-- d: decimal(5,2) (nullable = true)
"
    );
    assert_eq!(
        tree_string(&schema(), Some(1)),
        "root
 |-- a: integer (nullable = false)
 |-- s: struct (nullable = true)
 |-- m: map (nullable = true)
 |-- d: decimal(5,2) (nullable = true)
"
    );
}

#[test]
fn one_line_forms() {
    let data_type = DataType::Struct(schema());
    assert_eq!(
        sql_string(&data_type),
        "STRUCT<a: INT NOT NULL, s: STRUCT<b: STRING, c: ARRAY<DOUBLE>>, m: MAP<STRING, STRUCT<x: INT>>, d: DECIMAL(5,2)>"
    );
    let wide = DataType::structure((0..27).map(|i| StructField::new(format!("c{i}"), DataType::Byte, true)));
    assert!(simple_string(&wide).ends_with("c24:tinyint,... 2 more fields>"));
    assert!(catalog_string(&wide).ends_with("c26:tinyint>"));
}
