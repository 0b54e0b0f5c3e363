//! Spark's data types and the forms in which they are written: JSON, DDL, simple string, catalog string, tree.

pub(crate) mod ddl;
mod json;
mod text;

pub use ddl::{from_ddl, schema_from_ddl};
pub use json::{from_json, schema_from_json, schema_from_text, to_json};
pub use text::{catalog_string, quote_if_needed, simple_string, sql_string, to_ddl, tree_string};

/// Metadata of a field: a JSON object.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// A data type of Spark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataType {
    /// VOID: only NULL.
    Null,
    /// Bytes.
    Binary,
    /// A truth value.
    Boolean,
    /// TINYINT.
    Byte,
    /// SMALLINT.
    Short,
    /// INT.
    Integer,
    /// BIGINT.
    Long,
    /// FLOAT.
    Float,
    /// DOUBLE.
    Double,
    /// DECIMAL.
    Decimal {
        /// Digits, 1 to 38.
        precision: u8,
        /// Of them behind the point.
        scale: i8,
    },
    /// Text in Spark's default collation, UTF8_BINARY.
    String,
    /// CHAR(n).
    Char(i32),
    /// VARCHAR(n).
    VarChar(i32),
    /// Days.
    Date,
    /// An instant, in microseconds; shown in the session's zone.
    Timestamp,
    /// A date and time of day without a zone, in microseconds.
    TimestampNtz,
    /// A time of day.
    Time {
        /// Digits behind the second, 0 to 6.
        precision: u8,
    },
    /// Months, days and microseconds.
    CalendarInterval,
    /// Months; fields are 0 year, 1 month.
    YearMonthInterval {
        /// The first field.
        start: u8,
        /// The last field.
        end: u8,
    },
    /// Microseconds; fields are 0 day, 1 hour, 2 minute, 3 second.
    DayTimeInterval {
        /// The first field.
        start: u8,
        /// The last field.
        end: u8,
    },
    /// A list.
    Array {
        /// Of what.
        element: Box<DataType>,
        /// Elements may be null.
        contains_null: bool,
    },
    /// Named fields.
    Struct(StructType),
    /// Keys and values.
    Map {
        /// The type of the keys.
        key: Box<DataType>,
        /// The type of the values.
        value: Box<DataType>,
        /// Values may be null.
        value_contains_null: bool,
    },
    /// A value that carries its type.
    Variant,
    /// A user's type over another.
    Udt(Box<Udt>),
}

/// A user's type over another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Udt {
    /// The class on the JVM.
    pub jvm_class: Option<String>,
    /// The class in Python.
    pub python_class: Option<String>,
    /// That class, pickled, in base64.
    pub serialized_python_class: Option<String>,
    /// What is stored.
    pub sql_type: DataType,
}

/// The fields of a struct, or the columns of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StructType {
    /// In order.
    pub fields: Vec<StructField>,
}

/// A field of a struct, or a column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StructField {
    /// The name.
    pub name: String,
    /// The type.
    pub data_type: DataType,
    /// May be null.
    pub nullable: bool,
    /// A JSON object; `comment` is where DDL's COMMENT goes.
    pub metadata: Metadata,
}

impl DataType {
    /// DECIMAL(10, 0), which is what `decimal` alone means.
    pub const DECIMAL_DEFAULT: Self = Self::Decimal { precision: 10, scale: 0 };

    /// A list.
    #[must_use]
    pub fn array(element: DataType, contains_null: bool) -> Self {
        Self::Array { element: Box::new(element), contains_null }
    }

    /// A map.
    #[must_use]
    pub fn map(key: DataType, value: DataType, value_contains_null: bool) -> Self {
        Self::Map { key: Box::new(key), value: Box::new(value), value_contains_null }
    }

    /// A struct.
    #[must_use]
    pub fn structure(fields: impl IntoIterator<Item = StructField>) -> Self {
        Self::Struct(StructType::new(fields))
    }
}

impl StructType {
    /// From its fields.
    #[must_use]
    pub fn new(fields: impl IntoIterator<Item = StructField>) -> Self {
        Self { fields: fields.into_iter().collect() }
    }

    /// The first field of this name, compared exactly.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&StructField> {
        self.fields.iter().find(|f| f.name == name)
    }
}

impl StructField {
    /// A field without metadata.
    #[must_use]
    pub fn new(name: impl Into<String>, data_type: DataType, nullable: bool) -> Self {
        Self { name: name.into(), data_type, nullable, metadata: Metadata::new() }
    }
}
