//! Spark's JSON form of a data type, as `StructType.json()` prints it.

use super::{DataType, StructType};
use crate::PlanError;

/// Reads the JSON form.
pub fn from_json(_text: &str) -> Result<DataType, PlanError> {
    Err(PlanError::unsupported("JSON schema"))
}

/// Reads the JSON form of a struct.
pub fn schema_from_json(_text: &str) -> Result<StructType, PlanError> {
    Err(PlanError::unsupported("JSON schema"))
}

/// Reads either form, JSON or DDL, as `from_json(col, schema)` and `.schema("..")` accept them.
pub fn schema_from_text(_text: &str) -> Result<DataType, PlanError> {
    Err(PlanError::unsupported("schema text"))
}

/// The compact JSON form.
#[must_use]
pub fn to_json(_data_type: &DataType) -> String {
    String::new()
}
