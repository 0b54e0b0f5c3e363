//! What the log says about a file: rows, least and greatest value and nulls of its first columns. Taken from the file's own
//! statistics, so that no value is looked at twice.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{SortOptions, sort_to_indices};
use arrow::datatypes::{DataType, Schema};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;
use serde_json::{Map, Value, json};

use super::files::is_ordered;
use crate::SparkError;
use crate::datetime::{Zone, write_json_timestamp};
use crate::functions::cast::Printer;

/// Columns of a table that have statistics, as Delta's `dataSkippingNumIndexedCols` has it.
const COLUMNS_MAX: usize = 32;
/// Characters of a text that are kept.
const TEXT_CHARS_MAX: usize = 32;

/// The statistics of a file as the log keeps them.
pub(super) fn of(metadata: &ParquetMetaData, schema: &Schema) -> Result<String, SparkError> {
    let rows: i64 = metadata.row_groups().iter().map(parquet::file::metadata::RowGroupMetaData::num_rows).sum();
    let (mut least, mut greatest, mut nulls) = (Map::new(), Map::new(), Map::new());
    let file_schema = metadata.file_metadata().schema_descr();
    for field in schema.fields().iter().take(COLUMNS_MAX).filter(|f| !f.data_type().is_nested()) {
        let Ok(converter) = StatisticsConverter::try_new(field.name(), schema, file_schema) else { continue };
        let groups = metadata.row_groups();
        if let Ok(counts) = converter.row_group_null_counts(groups)
            && counts.null_count() == 0
        {
            nulls.insert(field.name().clone(), json!(counts.values().iter().sum::<u64>()));
        }
        if !is_ordered(field.data_type()) {
            continue;
        }
        let bounds = (converter.row_group_mins(groups), converter.row_group_maxes(groups));
        if let (Ok(mins), Ok(maxes)) = bounds {
            if let Some(value) = extreme(&mins, false)? {
                least.insert(field.name().clone(), value);
            }
            if let Some(value) = extreme(&maxes, true)? {
                greatest.insert(field.name().clone(), value);
            }
        }
    }
    Ok(json!({"numRecords": rows, "minValues": least, "maxValues": greatest, "nullCount": nulls}).to_string())
}

/// The least or greatest of the row groups' values in JSON; none if a group has none or the text had to be cut.
fn extreme(values: &ArrayRef, greatest: bool) -> Result<Option<Value>, SparkError> {
    if values.is_empty() || values.null_count() == values.len() {
        return Ok(None);
    }
    let order = SortOptions { descending: greatest, nulls_first: false };
    let first = sort_to_indices(values, Some(order), Some(1))?.value(0) as usize;
    let mut text = String::new();
    Ok(match values.data_type() {
        t if t.is_integer() => {
            let wide = arrow::compute::cast(values, &DataType::Int64)?;
            Some(json!(wide.as_primitive::<arrow::datatypes::Int64Type>().value(first)))
        }
        DataType::Float32 | DataType::Float64 => {
            let wide = arrow::compute::cast(values, &DataType::Float64)?;
            let value = wide.as_primitive::<arrow::datatypes::Float64Type>().value(first);
            value.is_finite().then(|| json!(value))
        }
        DataType::Timestamp(_, zone) => {
            let micros = arrow::compute::cast(values, &DataType::Int64)?;
            let us = micros.as_primitive::<arrow::datatypes::Int64Type>().value(first);
            // The log keeps milliseconds: a greatest value must not become smaller by that.
            let us = if greatest {
                us.div_euclid(1000) * 1000 + if us.rem_euclid(1000) == 0 { 0 } else { 1000 }
            } else {
                us
            };
            write_json_timestamp(&mut text, us, zone.as_ref().map(|_| Zone::UTC));
            Some(Value::String(text))
        }
        DataType::Decimal128(..) => {
            Printer::new(values, Zone::UTC, false)?.write_or_null(first, &mut text);
            serde_json::from_str(&text).ok()
        }
        _ => {
            Printer::new(values, Zone::UTC, false)?.write_or_null(first, &mut text);
            if text.chars().count() > TEXT_CHARS_MAX {
                // A least value may be cut, a greatest one may not without becoming a smaller one.
                (!greatest).then(|| Value::String(text.chars().take(TEXT_CHARS_MAX).collect()))
            } else {
                Some(Value::String(text))
            }
        }
    })
}
