//! From tape to Arrow: one builder for each type of the schema. A value that does not fit leaves null and says so; nothing is
//! ever taken back, so that the common row costs one pass.

use std::collections::HashMap;
use std::sync::Arc;

use andiron_plan::spec::{DataType as SparkType, StructType};
use arrow::array::{
    ArrayRef, BinaryViewBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int8Builder, Int16Builder, Int32Builder, Int64Builder, ListArray, MapArray, NullArray, NullBufferBuilder,
    StringViewBuilder, StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use base64::Engine as _;

use super::options::JsonReadOptions;
use super::tape::{TapeNode, Token, write_compact, write_scalar};
use crate::datetime::{SECOND_US, parse_date, parse_timestamp, parse_timestamp_ntz};
use crate::number::parse_decimal;
use crate::{SparkError, types};

/// How well a value fitted its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is there.
    Whole,
    /// It is there but for parts that did not fit.
    Partly,
    /// Null is there in its place.
    Not,
}

/// What all columns of a reader share.
pub(super) struct Shared {
    pub(super) options: JsonReadOptions,
    /// For text that must be put together before it is appended.
    pub(super) text: String,
}

/// A column under construction.
pub(super) enum Column {
    Null(usize),
    Boolean(BooleanBuilder),
    Byte(Int8Builder),
    Short(Int16Builder),
    Int(Int32Builder),
    Long(Int64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Decimal { builder: Decimal128Builder, precision: u8, scale: i8 },
    Text(StringViewBuilder),
    Binary(BinaryViewBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    TimestampNtz(TimestampMicrosecondBuilder),
    List(Box<ListColumn>),
    Map(Box<MapColumn>),
    Struct(Box<StructColumn>),
}

impl Column {
    /// A column of a Spark type; a type that JSON cannot give is refused by name.
    pub(super) fn new(data_type: &SparkType, rows: usize) -> Result<Self, SparkError> {
        Ok(match data_type {
            SparkType::Null => Self::Null(0),
            SparkType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            SparkType::Byte => Self::Byte(Int8Builder::with_capacity(rows)),
            SparkType::Short => Self::Short(Int16Builder::with_capacity(rows)),
            SparkType::Integer => Self::Int(Int32Builder::with_capacity(rows)),
            SparkType::Long => Self::Long(Int64Builder::with_capacity(rows)),
            SparkType::Float => Self::Float(Float32Builder::with_capacity(rows)),
            SparkType::Double => Self::Double(Float64Builder::with_capacity(rows)),
            SparkType::Decimal { precision, scale } => Self::Decimal {
                builder: Decimal128Builder::with_capacity(rows)
                    .with_data_type(DataType::Decimal128(*precision, *scale)),
                precision: *precision,
                scale: *scale,
            },
            SparkType::String | SparkType::Char(_) | SparkType::VarChar(_) => {
                Self::Text(StringViewBuilder::with_capacity(rows))
            }
            SparkType::Binary => Self::Binary(BinaryViewBuilder::with_capacity(rows)),
            SparkType::Date => Self::Date(Date32Builder::with_capacity(rows)),
            SparkType::Timestamp => {
                Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone(types::UTC))
            }
            SparkType::TimestampNtz => Self::TimestampNtz(TimestampMicrosecondBuilder::with_capacity(rows)),
            SparkType::Array { element, .. } => Self::List(Box::new(ListColumn {
                field: Arc::new(Field::new("element", types::to_arrow(&nullable(element))?, true)),
                child: Self::new(element, rows)?,
                len: 0,
                offsets: vec![0],
                nulls: NullBufferBuilder::new(rows),
            })),
            SparkType::Map { key, value, .. } => {
                if **key != SparkType::String {
                    return Err(SparkError::analysis(
                        "DATATYPE_MISMATCH.INVALID_JSON_MAP_KEY_TYPE",
                        "42K09",
                        format!(
                            "Input schema {} can only contain STRING as a key type for a MAP.",
                            andiron_plan::types::sql_string(data_type)
                        ),
                    ));
                }
                Self::Map(Box::new(MapColumn {
                    data_type: types::to_arrow(&nullable(data_type))?,
                    keys: StringViewBuilder::with_capacity(rows),
                    values: Self::new(value, rows)?,
                    len: 0,
                    offsets: vec![0],
                    nulls: NullBufferBuilder::new(rows),
                }))
            }
            SparkType::Struct(fields) => Self::Struct(Box::new(StructColumn::new(fields, None, rows)?)),
            SparkType::Udt(udt) => Self::new(&udt.sql_type, rows)?,
            other @ (SparkType::Time { .. }
            | SparkType::CalendarInterval
            | SparkType::YearMonthInterval { .. }
            | SparkType::DayTimeInterval { .. }
            | SparkType::Variant) => {
                return Err(SparkError::unsupported(format!(
                    "from_json to the data type {}",
                    andiron_plan::types::sql_string(other)
                )));
            }
        })
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Null(len) => *len += 1,
            Self::Boolean(b) => b.append_null(),
            Self::Byte(b) => b.append_null(),
            Self::Short(b) => b.append_null(),
            Self::Int(b) => b.append_null(),
            Self::Long(b) => b.append_null(),
            Self::Float(b) => b.append_null(),
            Self::Double(b) => b.append_null(),
            Self::Decimal { builder, .. } => builder.append_null(),
            Self::Text(b) => b.append_null(),
            Self::Binary(b) => b.append_null(),
            Self::Date(b) => b.append_null(),
            Self::Timestamp(b) | Self::TimestampNtz(b) => b.append_null(),
            Self::List(list) => list.end_row(false),
            Self::Map(map) => map.end_row(false),
            Self::Struct(columns) => columns.append_null(),
        }
    }

    /// Appends the value at a place of the tape.
    #[inline]
    pub(super) fn append<N: TapeNode>(&mut self, tape: &[N], at: usize, shared: &mut Shared) -> Fit {
        let token = tape[at].token();
        if token == Token::Null {
            self.append_null();
            return Fit::Whole;
        }
        let fitted = match self {
            Self::Int(b) => whole::<i32>(token).map(|v| b.append_value(v)),
            Self::Text(b) => {
                match token {
                    Token::Text(text) => b.append_value(text),
                    Token::Array(_) | Token::Object(_) => {
                        shared.text.clear();
                        write_compact(tape, at, &mut shared.text);
                        b.append_value(&shared.text);
                    }
                    scalar => {
                        shared.text.clear();
                        write_scalar(&mut shared.text, scalar);
                        b.append_value(&shared.text);
                    }
                }
                Some(())
            }
            Self::Long(b) => whole::<i64>(token).map(|v| b.append_value(v)),
            Self::Double(b) => double(token).map(|v| b.append_value(v)),
            Self::Boolean(b) => match token {
                Token::Bool(value) => {
                    b.append_value(value);
                    Some(())
                }
                _ => None,
            },
            Self::Byte(b) => whole::<i8>(token).map(|v| b.append_value(v)),
            Self::Short(b) => whole::<i16>(token).map(|v| b.append_value(v)),
            #[allow(clippy::cast_possible_truncation, reason = "Java's getFloatValue narrows too")]
            Self::Float(b) => double(token).map(|v| b.append_value(v as f32)),
            Self::Decimal { builder, precision, scale } => {
                decimal(token, *precision, *scale, &mut shared.text).map(|v| builder.append_value(v))
            }
            Self::Binary(b) => match token {
                Token::Text(text) => {
                    base64::engine::general_purpose::STANDARD.decode(text).ok().map(|bytes| b.append_value(bytes))
                }
                _ => None,
            },
            Self::Date(b) => date(token, &shared.options).map(|v| b.append_value(v)),
            Self::Timestamp(b) => timestamp(token, &shared.options).map(|v| b.append_value(v)),
            Self::TimestampNtz(b) => timestamp_ntz(token, &shared.options).map(|v| b.append_value(v)),
            Self::Null(_) => None,
            Self::List(list) => return list.append(tape, at, token, shared),
            Self::Map(map) => return map.append(tape, at, token, shared),
            Self::Struct(columns) => return columns.append(tape, at, token, shared),
        };
        if fitted.is_some() {
            Fit::Whole
        } else {
            self.append_null();
            Fit::Not
        }
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef, SparkError> {
        Ok(match self {
            Self::Null(len) => Arc::new(NullArray::new(std::mem::take(len))),
            Self::Boolean(b) => Arc::new(b.finish()),
            Self::Byte(b) => Arc::new(b.finish()),
            Self::Short(b) => Arc::new(b.finish()),
            Self::Int(b) => Arc::new(b.finish()),
            Self::Long(b) => Arc::new(b.finish()),
            Self::Float(b) => Arc::new(b.finish()),
            Self::Double(b) => Arc::new(b.finish()),
            Self::Decimal { builder, .. } => Arc::new(builder.finish()),
            Self::Text(b) => Arc::new(b.finish()),
            Self::Binary(b) => Arc::new(b.finish()),
            Self::Date(b) => Arc::new(b.finish()),
            Self::Timestamp(b) | Self::TimestampNtz(b) => Arc::new(b.finish()),
            Self::List(list) => list.finish()?,
            Self::Map(map) => map.finish()?,
            Self::Struct(columns) => Arc::new(columns.finish()?),
        })
    }
}

/// The type with everything in it nullable: Spark lets any field of parsed text be null, whatever the schema declares.
pub(super) fn nullable(data_type: &SparkType) -> SparkType {
    match data_type {
        SparkType::Array { element, .. } => SparkType::array(nullable(element), true),
        SparkType::Map { key, value, .. } => SparkType::map(nullable(key), nullable(value), true),
        SparkType::Struct(fields) => SparkType::Struct(StructType {
            fields: fields
                .fields
                .iter()
                .map(|f| andiron_plan::spec::StructField {
                    data_type: nullable(&f.data_type),
                    nullable: true,
                    ..f.clone()
                })
                .collect(),
        }),
        other => other.clone(),
    }
}

#[inline]
fn whole<T: TryFrom<i64>>(token: Token<'_>) -> Option<T> {
    match token {
        Token::Int(value) => T::try_from(value).ok(),
        _ => None,
    }
}

#[allow(clippy::cast_precision_loss, reason = "Java's getDoubleValue rounds too")]
fn double(token: Token<'_>) -> Option<f64> {
    match token {
        Token::Float(value) => Some(value),
        Token::Int(value) => Some(value as f64),
        Token::UInt(value) => Some(value as f64),
        Token::Number(text) => text.parse().ok(),
        Token::Text("NaN") => Some(f64::NAN),
        Token::Text("Infinity" | "+Infinity" | "INF" | "+INF") => Some(f64::INFINITY),
        Token::Text("-Infinity" | "-INF") => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn decimal(token: Token<'_>, precision: u8, scale: i8, scratch: &mut String) -> Option<i128> {
    match token {
        Token::Number(text) | Token::Text(text) => parse_decimal(text, precision, scale),
        Token::Int(_) | Token::UInt(_) | Token::Float(_) => {
            scratch.clear();
            write_scalar(scratch, token);
            parse_decimal(scratch, precision, scale)
        }
        _ => None,
    }
}

fn date(token: Token<'_>, options: &JsonReadOptions) -> Option<i32> {
    let Token::Text(text) = token else { return None };
    match &options.date_format {
        Some(pattern) => {
            let (local, _) = pattern.read(text)?;
            i32::try_from(local.div_euclid(crate::datetime::DAY_US)).ok()
        }
        None => parse_date(text),
    }
}

fn timestamp(token: Token<'_>, options: &JsonReadOptions) -> Option<i64> {
    match token {
        Token::Text(text) => match &options.timestamp_format {
            Some(pattern) => {
                let (local, zone) = pattern.read(text)?;
                Some(zone.unwrap_or(options.zone).to_utc(local))
            }
            None => parse_timestamp(text, options.zone),
        },
        Token::Int(seconds) => seconds.checked_mul(SECOND_US),
        _ => None,
    }
}

fn timestamp_ntz(token: Token<'_>, options: &JsonReadOptions) -> Option<i64> {
    let Token::Text(text) = token else { return None };
    match &options.timestamp_format {
        Some(pattern) => Some(pattern.read(text)?.0),
        None => parse_timestamp_ntz(text),
    }
}

/// A list under construction.
pub(super) struct ListColumn {
    field: FieldRef,
    child: Column,
    len: i32,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl ListColumn {
    fn append<N: TapeNode>(&mut self, tape: &[N], at: usize, token: Token<'_>, shared: &mut Shared) -> Fit {
        let mut fit = Fit::Whole;
        match token {
            Token::Array(len) => {
                let mut next = at + 1;
                for _ in 0..len {
                    let element = self.child.append(tape, next, shared);
                    self.len += 1;
                    next += tape[next].size();
                    match element {
                        Fit::Whole => {}
                        Fit::Partly => fit = Fit::Partly,
                        // One wrong element makes the list null; what was appended stays in the child, unseen.
                        Fit::Not => {
                            self.end_row(false);
                            return Fit::Not;
                        }
                    }
                }
            }
            // A lone object is read as a list of one.
            Token::Object(_) if matches!(self.child, Column::Struct(_)) => {
                fit = self.child.append(tape, at, shared);
                self.len += 1;
            }
            _ => {
                self.end_row(false);
                return Fit::Not;
            }
        }
        self.end_row(true);
        fit
    }

    fn end_row(&mut self, valid: bool) {
        self.offsets.push(self.len);
        self.nulls.append(valid);
    }

    fn finish(&mut self) -> Result<ArrayRef, SparkError> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        self.len = 0;
        let child = self.child.finish()?;
        Ok(Arc::new(ListArray::try_new(Arc::clone(&self.field), offsets, child, self.nulls.finish())?))
    }
}

/// A map under construction.
pub(super) struct MapColumn {
    data_type: DataType,
    keys: StringViewBuilder,
    values: Column,
    len: i32,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl MapColumn {
    fn append<N: TapeNode>(&mut self, tape: &[N], at: usize, token: Token<'_>, shared: &mut Shared) -> Fit {
        let Token::Object(len) = token else {
            self.end_row(false);
            return Fit::Not;
        };
        let mut fit = Fit::Whole;
        let mut next = at + 1;
        for _ in 0..len {
            if let Token::Text(key) = tape[next].token() {
                self.keys.append_value(key);
            } else {
                self.keys.append_value("");
            }
            let value = self.values.append(tape, next + 1, shared);
            self.len += 1;
            next += 1 + tape[next + 1].size();
            match value {
                Fit::Whole => {}
                Fit::Partly => fit = Fit::Partly,
                Fit::Not => {
                    self.end_row(false);
                    return Fit::Not;
                }
            }
        }
        self.end_row(true);
        fit
    }

    fn end_row(&mut self, valid: bool) {
        self.offsets.push(self.len);
        self.nulls.append(valid);
    }

    fn finish(&mut self) -> Result<ArrayRef, SparkError> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        self.len = 0;
        let DataType::Map(entries_field, _) = &self.data_type else {
            return Err(SparkError::internal("a map column without a map type"));
        };
        let DataType::Struct(fields) = entries_field.data_type() else {
            return Err(SparkError::internal("a map column without entries"));
        };
        let entries =
            StructArray::try_new(fields.clone(), vec![Arc::new(self.keys.finish()), self.values.finish()?], None)?;
        Ok(Arc::new(MapArray::try_new(Arc::clone(entries_field), offsets, entries, self.nulls.finish(), false)?))
    }
}

/// No field has this key.
const UNKNOWN: u32 = u32::MAX;
/// No value was found for this field.
const ABSENT: u32 = u32::MAX;

/// A struct under construction.
pub(super) struct StructColumn {
    fields: Fields,
    columns: Vec<Column>,
    nulls: NullBufferBuilder,
    len: usize,
    by_name: HashMap<Box<str>, u32>,
    /// Keys in the order of the last row, with the field of each: the next row nearly always has the same order.
    order: Vec<(Box<str>, u32)>,
    /// Where the value of each field is in the tape of this row.
    places: Vec<u32>,
    /// The field that takes a corrupt record's text.
    corrupt: Option<usize>,
}

/// Keys of a row that are remembered by position; rows may have any number.
const ORDER_MAX: usize = 4096;

impl StructColumn {
    pub(super) fn new(schema: &StructType, corrupt: Option<usize>, rows: usize) -> Result<Self, SparkError> {
        let columns = schema.fields.iter().map(|f| Column::new(&f.data_type, rows)).collect::<Result<Vec<_>, _>>()?;
        let fields = schema
            .fields
            .iter()
            .map(|f| Ok(Arc::new(Field::new(&f.name, types::to_arrow(&nullable(&f.data_type))?, true))))
            .collect::<Result<Fields, SparkError>>()?;
        let mut by_name = HashMap::new();
        for (i, field) in schema.fields.iter().enumerate() {
            if Some(i) != corrupt {
                // Spark gives a key to the first field of its name.
                let index = u32::try_from(i).unwrap_or(UNKNOWN);
                by_name.entry(field.name.clone().into_boxed_str()).or_insert(index);
            }
        }
        Ok(Self {
            places: vec![ABSENT; columns.len()],
            fields,
            columns,
            nulls: NullBufferBuilder::new(rows),
            len: 0,
            by_name,
            order: Vec::new(),
            corrupt,
        })
    }

    pub(super) fn append_null(&mut self) {
        for column in &mut self.columns {
            column.append_null();
        }
        self.nulls.append_null();
        self.len += 1;
    }

    /// A row without values that is not null itself; `raw` goes to the corrupt record's field.
    pub(super) fn append_corrupt(&mut self, raw: &str) {
        for (i, column) in self.columns.iter_mut().enumerate() {
            match column {
                Column::Text(text) if Some(i) == self.corrupt => text.append_value(raw),
                other => other.append_null(),
            }
        }
        self.nulls.append_non_null();
        self.len += 1;
    }

    /// Ends a row of the root: its text goes to the corrupt record's field if it did not fit.
    pub(super) fn set_corrupt(&mut self, raw: Option<&str>) {
        if let Some(i) = self.corrupt
            && let Column::Text(text) = &mut self.columns[i]
        {
            text.append_option(raw);
        }
    }

    #[inline]
    fn field_of(&mut self, position: usize, key: &str) -> u32 {
        if let Some((name, field)) = self.order.get(position)
            && **name == *key
        {
            return *field;
        }
        let field = self.by_name.get(key).copied().unwrap_or(UNKNOWN);
        if let Some(slot) = self.order.get_mut(position) {
            *slot = (key.into(), field);
        } else if position == self.order.len() && position < ORDER_MAX {
            self.order.push((key.into(), field));
        }
        field
    }

    pub(super) fn append<N: TapeNode>(&mut self, tape: &[N], at: usize, token: Token<'_>, shared: &mut Shared) -> Fit {
        let Token::Object(len) = token else {
            self.append_null();
            return Fit::Not;
        };
        self.places.fill(ABSENT);
        let mut next = at + 1;
        for position in 0..len {
            if let Token::Text(key) = tape[next].token() {
                let field = self.field_of(position, key);
                if field != UNKNOWN {
                    // The last value of a repeated key wins.
                    self.places[field as usize] = u32::try_from(next + 1).unwrap_or(ABSENT);
                }
            }
            next += 1 + tape[next + 1].size();
        }
        let mut fit = Fit::Whole;
        for (i, column) in self.columns.iter_mut().enumerate() {
            match self.places[i] {
                ABSENT if Some(i) == self.corrupt => {}
                ABSENT => column.append_null(),
                place => {
                    if column.append(tape, place as usize, shared) != Fit::Whole {
                        fit = Fit::Partly;
                    }
                }
            }
        }
        self.nulls.append_non_null();
        self.len += 1;
        fit
    }

    pub(super) fn finish(&mut self) -> Result<StructArray, SparkError> {
        let len = std::mem::take(&mut self.len);
        let nulls = self.nulls.finish();
        if self.columns.is_empty() {
            return Ok(StructArray::new_empty_fields(len, nulls));
        }
        let columns = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>, _>>()?;
        Ok(StructArray::try_new(self.fields.clone(), columns, nulls)?)
    }
}
