//! Spark's types and Arrow's: which stands for which inside the engine, and what clients are sent.
//!
//! Text is `Utf8View` and bytes are `BinaryView` where the engine makes them, so that Kafka's records and parsed fields need
//! not be copied; timestamps are microseconds in UTC. Whatever DataFusion's functions return (`Utf8`, `LargeUtf8`) is text too.

use std::sync::Arc;

use andiron_plan::spec::{DataType as SparkType, StructField, StructType};
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};

use crate::SparkError;

/// The zone under which the engine keeps every timestamp.
pub const UTC: &str = "UTC";

/// Arrow's type for a Spark type.
pub fn to_arrow(data_type: &SparkType) -> Result<DataType, SparkError> {
    Ok(match data_type {
        SparkType::Null => DataType::Null,
        SparkType::Binary => DataType::BinaryView,
        SparkType::Boolean => DataType::Boolean,
        SparkType::Byte => DataType::Int8,
        SparkType::Short => DataType::Int16,
        SparkType::Integer => DataType::Int32,
        SparkType::Long => DataType::Int64,
        SparkType::Float => DataType::Float32,
        SparkType::Double => DataType::Float64,
        SparkType::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
        SparkType::String | SparkType::Char(_) | SparkType::VarChar(_) => DataType::Utf8View,
        SparkType::Date => DataType::Date32,
        SparkType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        SparkType::TimestampNtz => DataType::Timestamp(TimeUnit::Microsecond, None),
        SparkType::Time { .. } => DataType::Time64(TimeUnit::Nanosecond),
        SparkType::CalendarInterval => DataType::Interval(IntervalUnit::MonthDayNano),
        SparkType::YearMonthInterval { .. } => DataType::Interval(IntervalUnit::YearMonth),
        SparkType::DayTimeInterval { .. } => DataType::Duration(TimeUnit::Microsecond),
        SparkType::Array { element, contains_null } => {
            DataType::List(Arc::new(Field::new("element", to_arrow(element)?, *contains_null)))
        }
        SparkType::Struct(fields) => DataType::Struct(arrow_fields(fields)?),
        SparkType::Map { key, value, value_contains_null } => {
            let entries = Fields::from(vec![
                Field::new("key", to_arrow(key)?, false),
                Field::new("value", to_arrow(value)?, *value_contains_null),
            ]);
            DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
        }
        SparkType::Udt(udt) => to_arrow(&udt.sql_type)?,
        SparkType::Variant => return Err(SparkError::unsupported("the data type VARIANT")),
    })
}

/// Arrow's fields for the fields of a struct.
pub fn arrow_fields(fields: &StructType) -> Result<Fields, SparkError> {
    fields.fields.iter().map(|f| Ok(Arc::new(Field::new(&f.name, to_arrow(&f.data_type)?, f.nullable)))).collect()
}

/// Arrow's schema for a Spark schema.
pub fn arrow_schema(schema: &StructType) -> Result<SchemaRef, SparkError> {
    Ok(Arc::new(Schema::new(arrow_fields(schema)?)))
}

/// Spark's type for the type of an Arrow field.
pub fn from_arrow(field: &Field) -> Result<SparkType, SparkError> {
    from_arrow_type(field.data_type())
}

/// Spark's type for an Arrow type.
pub fn from_arrow_type(data_type: &DataType) -> Result<SparkType, SparkError> {
    Ok(match data_type {
        DataType::Null => SparkType::Null,
        DataType::Boolean => SparkType::Boolean,
        DataType::Int8 => SparkType::Byte,
        DataType::Int16 | DataType::UInt8 => SparkType::Short,
        DataType::Int32 | DataType::UInt16 => SparkType::Integer,
        DataType::Int64 | DataType::UInt32 => SparkType::Long,
        DataType::UInt64 => SparkType::Decimal { precision: 20, scale: 0 },
        DataType::Float16 | DataType::Float32 => SparkType::Float,
        DataType::Float64 => SparkType::Double,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => SparkType::Decimal { precision: *precision, scale: *scale },
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SparkType::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            SparkType::Binary
        }
        DataType::Date32 | DataType::Date64 => SparkType::Date,
        DataType::Timestamp(_, Some(_)) => SparkType::Timestamp,
        DataType::Timestamp(_, None) => SparkType::TimestampNtz,
        DataType::Time32(_) | DataType::Time64(_) => SparkType::Time { precision: 6 },
        DataType::Interval(IntervalUnit::MonthDayNano) => SparkType::CalendarInterval,
        DataType::Interval(IntervalUnit::YearMonth) => SparkType::YearMonthInterval { start: 0, end: 1 },
        DataType::Interval(IntervalUnit::DayTime) | DataType::Duration(_) => {
            SparkType::DayTimeInterval { start: 0, end: 3 }
        }
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => SparkType::array(from_arrow(element)?, element.is_nullable()),
        DataType::Struct(fields) => SparkType::Struct(struct_from_arrow(fields)?),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                SparkType::map(from_arrow(&pair[0])?, from_arrow(&pair[1])?, pair[1].is_nullable())
            }
            other => return Err(SparkError::internal(format!("a map's entries are {other}"))),
        },
        DataType::Dictionary(_, value) => from_arrow_type(value)?,
        DataType::RunEndEncoded(_, value) => from_arrow(value)?,
        other => return Err(SparkError::unsupported(format!("the Arrow type {other}"))),
    })
}

/// Spark's struct for Arrow's fields.
pub fn struct_from_arrow(fields: &Fields) -> Result<StructType, SparkError> {
    let fields = fields.iter().map(|f| Ok(StructField::new(f.name(), from_arrow(f)?, f.is_nullable())));
    Ok(StructType { fields: fields.collect::<Result<_, SparkError>>()? })
}

/// Puts other names on a batch's columns; the columns keep the types they came with.
pub(crate) fn under_names(batch: &RecordBatch, names: &Schema) -> Result<RecordBatch, SparkError> {
    let came = batch.schema();
    let fields = came
        .fields()
        .iter()
        .zip(names.fields())
        .map(|(field, name)| Field::new(name.name(), field.data_type().clone(), field.is_nullable()));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema, batch.columns().to_vec(), &options)?)
}

/// The Arrow schema that Spark's clients expect: plain text and bytes, timestamps under the session's zone.
pub fn client_schema(engine: &Schema, spark: &StructType, time_zone: &str) -> SchemaRef {
    let _ = spark;
    let fields = engine.fields().iter().map(|f| client_field(f, time_zone));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn client_field(field: &FieldRef, time_zone: &str) -> FieldRef {
    Arc::new(Field::new(field.name(), client_type(field.data_type(), time_zone), field.is_nullable()))
}

fn client_type(data_type: &DataType, time_zone: &str) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some(time_zone.into())),
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Dictionary(_, value) => client_type(value, time_zone),
        DataType::List(f)
        | DataType::LargeList(f)
        | DataType::ListView(f)
        | DataType::LargeListView(f)
        | DataType::FixedSizeList(f, _) => DataType::List(client_field(f, time_zone)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|f| client_field(f, time_zone)).collect()),
        DataType::Map(f, sorted) => DataType::Map(client_field(f, time_zone), *sorted),
        other => other.clone(),
    }
}

/// Turns a batch's columns into the types of [`client_schema`].
pub fn to_client(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, SparkError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| conform(column, field));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_, SparkError>>()?, &options)?)
}

/// A column in a type that holds the same values.
pub fn conform(column: &ArrayRef, field: &Field) -> Result<ArrayRef, SparkError> {
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    Ok(arrow::compute::cast(column, field.data_type())?)
}
