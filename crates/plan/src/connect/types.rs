//! Data types on the wire of Spark Connect, both ways.

use spark_connect_proto::{self as proto, data_type::Kind};

use crate::{
    PlanError,
    limits::TYPE_DEPTH_MAX,
    spec::{DataType, StructField, StructType},
    types::{self, Metadata, Udt},
};

/// Reads a data type.
pub fn data_type_from_proto(message: &proto::DataType) -> Result<DataType, PlanError> {
    read(message, 0)
}

fn field_range(start: Option<i32>, end: Option<i32>, last: u8) -> Result<(u8, u8), PlanError> {
    let start = start.unwrap_or(0);
    let end = end.unwrap_or(i32::from(last));
    match (u8::try_from(start), u8::try_from(end)) {
        (Ok(start), Ok(end)) if start <= end && end <= last => Ok((start, end)),
        _ => Err(PlanError::invalid(format!("an interval from field {start} to field {end}"))),
    }
}

fn read(message: &proto::DataType, depth: usize) -> Result<DataType, PlanError> {
    if depth > TYPE_DEPTH_MAX {
        return Err(PlanError::TooDeep { depth_max: TYPE_DEPTH_MAX });
    }
    let part = |part: &Option<Box<proto::DataType>>| read(super::required(part.as_deref(), "a data type")?, depth + 1);
    Ok(match super::required(message.kind.as_ref(), "the kind of a data type")? {
        Kind::Null(_) => DataType::Null,
        Kind::Binary(_) => DataType::Binary,
        Kind::Boolean(_) => DataType::Boolean,
        Kind::Byte(_) => DataType::Byte,
        Kind::Short(_) => DataType::Short,
        Kind::Integer(_) => DataType::Integer,
        Kind::Long(_) => DataType::Long,
        Kind::Float(_) => DataType::Float,
        Kind::Double(_) => DataType::Double,
        Kind::Decimal(decimal) => types::ddl::decimal(decimal.precision.unwrap_or(10), decimal.scale.unwrap_or(0))?,
        Kind::String(string) => match string.collation.as_str() {
            "" | "UTF8_BINARY" => DataType::String,
            collation => return Err(PlanError::unsupported(format!("collation {collation}"))),
        },
        Kind::Char(char) => DataType::Char(char.length),
        Kind::VarChar(char) => DataType::VarChar(char.length),
        Kind::Date(_) => DataType::Date,
        Kind::Timestamp(_) => DataType::Timestamp,
        Kind::TimestampNtz(_) => DataType::TimestampNtz,
        Kind::CalendarInterval(_) => DataType::CalendarInterval,
        Kind::YearMonthInterval(interval) => {
            let (start, end) = field_range(interval.start_field, interval.end_field, 1)?;
            DataType::YearMonthInterval { start, end }
        }
        Kind::DayTimeInterval(interval) => {
            let (start, end) = field_range(interval.start_field, interval.end_field, 3)?;
            DataType::DayTimeInterval { start, end }
        }
        Kind::Array(array) => DataType::array(part(&array.element_type)?, array.contains_null),
        Kind::Map(map) => DataType::map(part(&map.key_type)?, part(&map.value_type)?, map.value_contains_null),
        Kind::Struct(schema) => {
            let field = |field: &proto::data_type::StructField| {
                Ok(StructField {
                    name: field.name.clone(),
                    data_type: read(super::required(field.data_type.as_ref(), "a field's type")?, depth + 1)?,
                    nullable: field.nullable,
                    metadata: metadata(field.metadata.as_deref())?,
                })
            };
            DataType::structure(schema.fields.iter().map(field).collect::<Result<Vec<_>, PlanError>>()?)
        }
        Kind::Variant(_) => DataType::Variant,
        Kind::Udt(udt) => DataType::Udt(Box::new(Udt {
            jvm_class: udt.jvm_class.clone(),
            python_class: udt.python_class.clone(),
            serialized_python_class: udt.serialized_python_class.clone(),
            sql_type: part(&udt.sql_type)?,
        })),
        Kind::Unparsed(unparsed) => types::schema_from_text(&unparsed.data_type_string)?,
        Kind::Time(time) => match u8::try_from(time.precision.unwrap_or(6)) {
            Ok(precision @ 0..=6) => DataType::Time { precision },
            _ => return Err(PlanError::invalid("a time's precision must be 0 to 6")),
        },
        Kind::Geometry(_) => return Err(PlanError::unsupported("data type GEOMETRY")),
        Kind::Geography(_) => return Err(PlanError::unsupported("data type GEOGRAPHY")),
        Kind::TimestampNtzNanos(_) | Kind::TimestampLtzNanos(_) => {
            return Err(PlanError::unsupported("timestamps in nanoseconds"));
        }
    })
}

fn metadata(text: Option<&str>) -> Result<Metadata, PlanError> {
    match text {
        None | Some("") => Ok(Metadata::new()),
        Some(text) => {
            serde_json::from_str(text).map_err(|_| PlanError::invalid("a field's metadata is not a JSON object"))
        }
    }
}

/// Writes a data type.
#[must_use]
pub fn data_type_to_proto(data_type: &DataType) -> proto::DataType {
    use proto::data_type as p;
    let boxed = |data_type: &DataType| Some(Box::new(data_type_to_proto(data_type)));
    let kind = match data_type {
        DataType::Null => Kind::Null(p::Null::default()),
        DataType::Binary => Kind::Binary(p::Binary::default()),
        DataType::Boolean => Kind::Boolean(p::Boolean::default()),
        DataType::Byte => Kind::Byte(p::Byte::default()),
        DataType::Short => Kind::Short(p::Short::default()),
        DataType::Integer => Kind::Integer(p::Integer::default()),
        DataType::Long => Kind::Long(p::Long::default()),
        DataType::Float => Kind::Float(p::Float::default()),
        DataType::Double => Kind::Double(p::Double::default()),
        DataType::Decimal { precision, scale } => Kind::Decimal(p::Decimal {
            precision: Some(i32::from(*precision)),
            scale: Some(i32::from(*scale)),
            type_variation_reference: 0,
        }),
        DataType::String => Kind::String(p::String::default()),
        DataType::Char(length) => Kind::Char(p::Char { length: *length, type_variation_reference: 0 }),
        DataType::VarChar(length) => Kind::VarChar(p::VarChar { length: *length, type_variation_reference: 0 }),
        DataType::Date => Kind::Date(p::Date::default()),
        DataType::Timestamp => Kind::Timestamp(p::Timestamp::default()),
        DataType::TimestampNtz => Kind::TimestampNtz(p::TimestampNtz::default()),
        DataType::Time { precision } => {
            Kind::Time(p::Time { precision: Some(i32::from(*precision)), type_variation_reference: 0 })
        }
        DataType::CalendarInterval => Kind::CalendarInterval(p::CalendarInterval::default()),
        DataType::YearMonthInterval { start, end } => Kind::YearMonthInterval(p::YearMonthInterval {
            start_field: Some(i32::from(*start)),
            end_field: Some(i32::from(*end)),
            type_variation_reference: 0,
        }),
        DataType::DayTimeInterval { start, end } => Kind::DayTimeInterval(p::DayTimeInterval {
            start_field: Some(i32::from(*start)),
            end_field: Some(i32::from(*end)),
            type_variation_reference: 0,
        }),
        DataType::Array { element, contains_null } => Kind::Array(Box::new(p::Array {
            element_type: boxed(element),
            contains_null: *contains_null,
            type_variation_reference: 0,
        })),
        DataType::Map { key, value, value_contains_null } => Kind::Map(Box::new(p::Map {
            key_type: boxed(key),
            value_type: boxed(value),
            value_contains_null: *value_contains_null,
            type_variation_reference: 0,
        })),
        DataType::Struct(schema) => Kind::Struct(p::Struct {
            fields: schema
                .fields
                .iter()
                .map(|field| p::StructField {
                    name: field.name.clone(),
                    data_type: Some(data_type_to_proto(&field.data_type)),
                    nullable: field.nullable,
                    metadata: (!field.metadata.is_empty())
                        .then(|| serde_json::Value::Object(field.metadata.clone()).to_string()),
                })
                .collect(),
            type_variation_reference: 0,
        }),
        DataType::Variant => Kind::Variant(p::Variant::default()),
        DataType::Udt(udt) => Kind::Udt(Box::new(p::Udt {
            r#type: "udt".to_owned(),
            jvm_class: udt.jvm_class.clone(),
            python_class: udt.python_class.clone(),
            serialized_python_class: udt.serialized_python_class.clone(),
            sql_type: boxed(&udt.sql_type),
        })),
    };
    proto::DataType { kind: Some(kind) }
}

/// Writes the schema of a relation.
#[must_use]
pub fn schema_to_proto(schema: &StructType) -> proto::DataType {
    data_type_to_proto(&DataType::Struct(schema.clone()))
}
