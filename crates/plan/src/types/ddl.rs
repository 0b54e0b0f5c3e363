//! `a INT NOT NULL COMMENT 'x', b STRUCT<c: STRING>`: types and schemas as SQL writes them.

use super::{DataType, StructType};
use crate::PlanError;

/// One data type, `struct<a:int>` or `decimal(10,2)`; a list of columns is accepted as a struct, as Spark does.
pub fn from_ddl(_text: &str) -> Result<DataType, PlanError> {
    Err(PlanError::unsupported("DDL schema"))
}

/// A list of columns; a single type that is a struct is accepted too.
pub fn schema_from_ddl(_text: &str) -> Result<StructType, PlanError> {
    Err(PlanError::unsupported("DDL schema"))
}
