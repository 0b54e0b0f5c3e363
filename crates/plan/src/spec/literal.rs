//! Constants with their types.

use bytes::Bytes;

use super::{DataType, StructType};

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// NULL of a type; `DataType::Null` when nobody said which.
    Null(DataType),
    /// Bytes.
    Binary(Bytes),
    /// A truth value.
    Boolean(bool),
    /// TINYINT.
    Byte(i8),
    /// SMALLINT.
    Short(i16),
    /// INT.
    Integer(i32),
    /// BIGINT.
    Long(i64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// DECIMAL: `unscaled * 10^-scale`.
    Decimal {
        /// All digits.
        unscaled: i128,
        /// How many digits the type holds, at most 38.
        precision: u8,
        /// How many of them are behind the point.
        scale: i8,
    },
    /// Text.
    String(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// Microseconds since 1970-01-01 without a zone.
    TimestampNtz(i64),
    /// A timestamp in SQL text without a zone of its own: to be read in the session's zone.
    TimestampText(String),
    /// Nanoseconds since midnight.
    Time {
        /// Nanoseconds.
        nanos: i64,
        /// Digits behind the second.
        precision: u8,
    },
    /// INTERVAL of mixed units.
    CalendarInterval {
        /// Months.
        months: i32,
        /// Days.
        days: i32,
        /// Microseconds.
        microseconds: i64,
    },
    /// INTERVAL YEAR TO MONTH, in months.
    YearMonthInterval(i32),
    /// INTERVAL DAY TO SECOND, in microseconds.
    DayTimeInterval(i64),
    /// ARRAY.
    Array {
        /// The type of the elements.
        element_type: DataType,
        /// The elements.
        elements: Vec<Literal>,
    },
    /// MAP.
    Map {
        /// The type of the keys.
        key_type: DataType,
        /// The type of the values.
        value_type: DataType,
        /// Key and value.
        entries: Vec<(Literal, Literal)>,
    },
    /// STRUCT.
    Struct {
        /// The fields.
        struct_type: StructType,
        /// One value for each.
        values: Vec<Literal>,
    },
}

impl Literal {
    /// The type of the constant.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Null(data_type) => data_type.clone(),
            Self::Binary(_) => DataType::Binary,
            Self::Boolean(_) => DataType::Boolean,
            Self::Byte(_) => DataType::Byte,
            Self::Short(_) => DataType::Short,
            Self::Integer(_) => DataType::Integer,
            Self::Long(_) => DataType::Long,
            Self::Float(_) => DataType::Float,
            Self::Double(_) => DataType::Double,
            Self::Decimal { precision, scale, .. } => DataType::Decimal { precision: *precision, scale: *scale },
            Self::String(_) => DataType::String,
            Self::Date(_) => DataType::Date,
            Self::Timestamp(_) | Self::TimestampText(_) => DataType::Timestamp,
            Self::TimestampNtz(_) => DataType::TimestampNtz,
            Self::Time { precision, .. } => DataType::Time { precision: *precision },
            Self::CalendarInterval { .. } => DataType::CalendarInterval,
            Self::YearMonthInterval(_) => DataType::YearMonthInterval { start: 0, end: 1 },
            Self::DayTimeInterval(_) => DataType::DayTimeInterval { start: 0, end: 3 },
            Self::Array { element_type, .. } => DataType::array(element_type.clone(), true),
            Self::Map { key_type, value_type, .. } => DataType::map(key_type.clone(), value_type.clone(), true),
            Self::Struct { struct_type, .. } => DataType::Struct(struct_type.clone()),
        }
    }
}
