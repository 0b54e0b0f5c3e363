//! The forms for people: `struct<a:int>`, `STRUCT<a: INT>`, and the tree of `printSchema`.

use super::{DataType, StructType};

/// `struct<a:int,b:array<string>>`: as in messages and `dtypes`; more than 25 fields are cut as Spark cuts them.
#[must_use]
pub fn simple_string(_data_type: &DataType) -> String {
    String::new()
}

/// As [`simple_string`], never cut.
#[must_use]
pub fn catalog_string(_data_type: &DataType) -> String {
    String::new()
}

/// `STRUCT<a: INT NOT NULL>`: as error messages quote it.
#[must_use]
pub fn sql_string(_data_type: &DataType) -> String {
    String::new()
}

/// `a INT NOT NULL,b STRING COMMENT 'x'`: DDL that [`super::schema_from_ddl`] reads back.
#[must_use]
pub fn to_ddl(_schema: &StructType) -> String {
    String::new()
}

/// What `printSchema` prints, down to `level` when given.
#[must_use]
pub fn tree_string(_schema: &StructType, _level: Option<usize>) -> String {
    String::new()
}
