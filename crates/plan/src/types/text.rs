//! The forms for people: `struct<a:int>`, `STRUCT<a: INT>`, and the tree of `printSchema`.

use std::fmt::Write as _;

use super::{DataType, StructField, StructType};

/// How many fields of a struct [`simple_string`] shows: Spark's `spark.sql.debug.maxToStringFields`.
const SIMPLE_FIELDS_MAX: usize = 25;

/// `struct<a:int,b:array<string>>`: as in messages and `dtypes`; more than 25 fields are cut as Spark cuts them.
#[must_use]
pub fn simple_string(data_type: &DataType) -> String {
    compact(data_type, SIMPLE_FIELDS_MAX)
}

/// As [`simple_string`], never cut.
#[must_use]
pub fn catalog_string(data_type: &DataType) -> String {
    compact(data_type, usize::MAX)
}

/// `STRUCT<a: INT NOT NULL>`: as error messages quote it.
#[must_use]
pub fn sql_string(data_type: &DataType) -> String {
    match data_type {
        DataType::Array { element, .. } => format!("ARRAY<{}>", sql_string(element)),
        DataType::Map { key, value, .. } => format!("MAP<{}, {}>", sql_string(key), sql_string(value)),
        DataType::Struct(schema) => {
            let fields: Vec<_> = schema.fields.iter().map(|field| sql_field(field, ": ")).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        DataType::Udt(udt) => sql_string(&udt.sql_type),
        other => simple_string(other).to_ascii_uppercase(),
    }
}

/// `a INT NOT NULL,b STRING COMMENT 'x'`: DDL that [`super::schema_from_ddl`] reads back.
#[must_use]
pub fn to_ddl(schema: &StructType) -> String {
    schema.fields.iter().map(|field| sql_field(field, " ")).collect::<Vec<_>>().join(",")
}

/// What `printSchema` prints, down to `level` when given.
#[must_use]
pub fn tree_string(schema: &StructType, level: Option<usize>) -> String {
    let depth = level.filter(|&level| level > 0).unwrap_or(usize::MAX);
    let mut out = "root\n".to_owned();
    for field in &schema.fields {
        tree_field(&mut out, field, " |", depth);
    }
    out
}

fn tree_field(out: &mut String, field: &StructField, prefix: &str, depth: usize) {
    if depth > 0 {
        let type_name = tree_type_name(&field.data_type);
        let _ = writeln!(out, "{prefix}-- {}: {type_name} (nullable = {})", field.name, field.nullable);
        tree_type(out, &field.data_type, &format!("{prefix}    |"), depth - 1);
    }
}

fn tree_type(out: &mut String, data_type: &DataType, prefix: &str, depth: usize) {
    if depth == 0 {
        return;
    }
    let deeper = format!("{prefix}    |");
    match data_type {
        DataType::Struct(schema) => {
            for field in &schema.fields {
                tree_field(out, field, prefix, depth);
            }
        }
        DataType::Array { element, contains_null } => {
            let _ = writeln!(out, "{prefix}-- element: {} (containsNull = {contains_null})", tree_type_name(element));
            tree_type(out, element, &deeper, depth - 1);
        }
        DataType::Map { key, value, value_contains_null } => {
            let _ = writeln!(out, "{prefix}-- key: {}", tree_type_name(key));
            tree_type(out, key, &deeper, depth - 1);
            let name = tree_type_name(value);
            let _ = writeln!(out, "{prefix}-- value: {name} (valueContainsNull = {value_contains_null})");
            tree_type(out, value, &deeper, depth - 1);
        }
        _ => {}
    }
}

fn tree_type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Array { .. } => "array".to_owned(),
        DataType::Map { .. } => "map".to_owned(),
        DataType::Struct(_) => "struct".to_owned(),
        DataType::Udt(_) => "udt".to_owned(),
        other => type_name(other),
    }
}

/// The name in JSON and in trees, of the types that have no parts.
pub(super) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Byte => "byte".to_owned(),
        DataType::Short => "short".to_owned(),
        DataType::Integer => "integer".to_owned(),
        DataType::Long => "long".to_owned(),
        other => simple_string(other),
    }
}

fn compact(data_type: &DataType, fields_max: usize) -> String {
    match data_type {
        DataType::Null => "void".to_owned(),
        DataType::Binary => "binary".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Byte => "tinyint".to_owned(),
        DataType::Short => "smallint".to_owned(),
        DataType::Integer => "int".to_owned(),
        DataType::Long => "bigint".to_owned(),
        DataType::Float => "float".to_owned(),
        DataType::Double => "double".to_owned(),
        DataType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        DataType::String => "string".to_owned(),
        DataType::Char(length) => format!("char({length})"),
        DataType::VarChar(length) => format!("varchar({length})"),
        DataType::Date => "date".to_owned(),
        DataType::Timestamp => "timestamp".to_owned(),
        DataType::TimestampNtz => "timestamp_ntz".to_owned(),
        DataType::Time { precision } => format!("time({precision})"),
        DataType::CalendarInterval => "interval".to_owned(),
        DataType::YearMonthInterval { start, end } => interval(&["year", "month"], *start, *end),
        DataType::DayTimeInterval { start, end } => interval(&["day", "hour", "minute", "second"], *start, *end),
        DataType::Array { element, .. } => format!("array<{}>", compact(element, fields_max)),
        DataType::Map { key, value, .. } => format!("map<{},{}>", compact(key, fields_max), compact(value, fields_max)),
        DataType::Struct(schema) => {
            let mut fields: Vec<_> = schema
                .fields
                .iter()
                .take(fields_max)
                .map(|field| format!("{}:{}", field.name, compact(&field.data_type, fields_max)))
                .collect();
            if let Some(more @ 1..) = schema.fields.len().checked_sub(fields_max) {
                fields.push(format!("... {more} more fields"));
            }
            format!("struct<{}>", fields.join(","))
        }
        DataType::Variant => "variant".to_owned(),
        DataType::Udt(_) => "udt".to_owned(),
    }
}

fn interval(fields: &[&str], start: u8, end: u8) -> String {
    let name = |i: u8| fields.get(usize::from(i)).copied().unwrap_or("unknown");
    if start == end {
        format!("interval {}", name(start))
    } else {
        format!("interval {} to {}", name(start), name(end))
    }
}

fn sql_field(field: &StructField, separator: &str) -> String {
    let mut out = format!("{}{separator}{}", quote_if_needed(&field.name), sql_string(&field.data_type));
    if !field.nullable {
        out.push_str(" NOT NULL");
    }
    if let Some(comment) = field.metadata.get("comment").and_then(|comment| comment.as_str()) {
        let _ = write!(out, " COMMENT '{}'", comment.replace('\\', "\\\\").replace('\'', "\\'"));
    }
    out
}

/// Back quotes around a name that SQL would not take without.
#[must_use]
pub fn quote_if_needed(name: &str) -> String {
    let plain = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.chars().all(|c| c.is_ascii_digit());
    if plain { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

#[cfg(test)]
mod tests;
