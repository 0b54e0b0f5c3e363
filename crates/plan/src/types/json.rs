//! Spark's JSON form of a data type, as `StructType.json()` prints it.

use serde_json::{Map, Value, json};

use super::{DataType, StructField, StructType, Udt, ddl};
use crate::PlanError;

/// How much of a wrong text an error repeats, in characters.
const ERROR_TEXT_CHARS_MAX: usize = 200;

/// Reads the JSON form. (serde_json bounds the depth at 128 levels.)
pub fn from_json(text: &str) -> Result<DataType, PlanError> {
    let value: Value = serde_json::from_str(text).map_err(|_| not_json(text))?;
    read(&value).ok_or_else(|| not_json(text))
}

/// Reads the JSON form of a struct.
pub fn schema_from_json(text: &str) -> Result<StructType, PlanError> {
    match from_json(text)? {
        DataType::Struct(schema) => Ok(schema),
        _ => Err(not_json(text)),
    }
}

/// Reads either form, JSON or DDL, as `from_json(col, schema)` and `.schema("..")` accept them.
pub fn schema_from_text(text: &str) -> Result<DataType, PlanError> {
    if text.trim_start().starts_with(['{', '"']) { from_json(text) } else { ddl::from_ddl(text) }
}

/// The compact JSON form.
#[must_use]
pub fn to_json(data_type: &DataType) -> String {
    write(data_type).to_string()
}

fn not_json(text: &str) -> PlanError {
    PlanError::JsonDataType { json: text.chars().take(ERROR_TEXT_CHARS_MAX).collect() }
}

fn read(value: &Value) -> Option<DataType> {
    let object = match value {
        Value::String(name) => return named(name),
        Value::Object(object) => object,
        _ => return None,
    };
    match object.get("type")?.as_str()? {
        "struct" => {
            let fields = object.get("fields")?.as_array()?;
            Some(DataType::structure(fields.iter().map(read_field).collect::<Option<Vec<_>>>()?))
        }
        "array" => Some(DataType::array(read(object.get("elementType")?)?, object.get("containsNull")?.as_bool()?)),
        "map" => Some(DataType::map(
            read(object.get("keyType")?)?,
            read(object.get("valueType")?)?,
            object.get("valueContainsNull")?.as_bool()?,
        )),
        "udt" => {
            let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
            Some(DataType::Udt(Box::new(Udt {
                jvm_class: text("class"),
                python_class: text("pyClass"),
                serialized_python_class: text("serializedClass"),
                sql_type: read(object.get("sqlType")?)?,
            })))
        }
        _ => None,
    }
}

fn read_field(value: &Value) -> Option<StructField> {
    let object = value.as_object()?;
    Some(StructField {
        name: object.get("name")?.as_str()?.to_owned(),
        data_type: read(object.get("type")?)?,
        nullable: match object.get("nullable") {
            Some(nullable) => nullable.as_bool()?,
            None => true,
        },
        metadata: match object.get("metadata") {
            None | Some(Value::Null) => Map::new(),
            Some(metadata) => metadata.as_object()?.clone(),
        },
    })
}

/// The types without an object: `integer`, `decimal(10,2)`, `interval day to second`.
fn named(name: &str) -> Option<DataType> {
    match name {
        "null" => Some(DataType::Null),
        "decimal" => Some(DataType::DECIMAL_DEFAULT),
        "array" | "map" | "struct" => None,
        name => ddl::single_type(name).ok(),
    }
}

fn write(data_type: &DataType) -> Value {
    match data_type {
        DataType::Struct(schema) => json!({
            "type": "struct",
            "fields": schema.fields.iter().map(|field| json!({
                "name": field.name,
                "type": write(&field.data_type),
                "nullable": field.nullable,
                "metadata": field.metadata,
            })).collect::<Vec<_>>(),
        }),
        DataType::Array { element, contains_null } => {
            json!({"type": "array", "elementType": write(element), "containsNull": contains_null})
        }
        DataType::Map { key, value, value_contains_null } => json!({
            "type": "map",
            "keyType": write(key),
            "valueType": write(value),
            "valueContainsNull": value_contains_null,
        }),
        DataType::Udt(udt) => {
            let mut object = Map::new();
            object.insert("type".to_owned(), json!("udt"));
            for (key, value) in [
                ("class", &udt.jvm_class),
                ("pyClass", &udt.python_class),
                ("serializedClass", &udt.serialized_python_class),
            ] {
                if let Some(value) = value {
                    object.insert(key.to_owned(), json!(value));
                }
            }
            object.insert("sqlType".to_owned(), write(&udt.sql_type));
            Value::Object(object)
        }
        other => Value::String(super::text::type_name(other)),
    }
}

#[cfg(test)]
mod tests;
