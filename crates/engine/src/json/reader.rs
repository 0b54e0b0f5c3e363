//! Rows of JSON text to one Arrow column: the work of `from_json`.

use std::sync::Arc;

use andiron_plan::spec::{DataType as SparkType, StructType};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use simd_json::{Buffers, Node, Tape};

use super::columns::{Column, Fit, Shared, StructColumn, nullable};
use super::lenient;
use super::options::{JsonMode, JsonReadOptions, malformed};
use super::tape::{TapeNode, Token};
use crate::{SparkError, types};

/// What simd-json may read behind the end of a text.
const PADDING_BYTES: usize = 64;

/// Reads rows of text by a schema: a struct, a list or a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonReader {
    schema: SparkType,
    options: JsonReadOptions,
    /// The strict parser turns decimals into doubles and drops digits.
    exact: bool,
}

impl std::hash::Hash for JsonReader {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.options.hash(state);
        andiron_plan::types::catalog_string(&self.schema).hash(state);
    }
}

/// Where the rows go.
enum Root {
    Struct(StructColumn),
    Other(Column),
}

impl JsonReader {
    /// A reader for a schema. Whatever it declares, every field may be null.
    pub fn new(schema: &SparkType, options: JsonReadOptions) -> Result<Self, SparkError> {
        let schema = nullable(schema);
        if !matches!(schema, SparkType::Struct(_) | SparkType::Array { .. } | SparkType::Map { .. }) {
            return Err(SparkError::analysis(
                "DATATYPE_MISMATCH.INVALID_JSON_SCHEMA",
                "42K09",
                format!(
                    "Input schema {} must be a struct, an array, a map or a variant.",
                    andiron_plan::types::sql_string(&schema)
                ),
            ));
        }
        // Refuses what JSON cannot give before anything runs.
        Column::new(&schema, 0)?;
        Ok(Self { exact: has_decimal(&schema) || options.primitives_as_string, schema, options })
    }

    /// The type of the column that is read.
    pub fn data_type(&self) -> &SparkType {
        &self.schema
    }

    /// Arrow's form of it.
    pub fn arrow_type(&self) -> Result<DataType, SparkError> {
        types::to_arrow(&self.schema)
    }

    /// The same reader for some fields only, if leaving out the others changes nothing else.
    pub fn with_fields(&self, wanted: impl Fn(&str) -> bool) -> Option<Self> {
        let SparkType::Struct(schema) = &self.schema else { return None };
        if self.options.mode != JsonMode::Permissive || self.corrupt_field(schema).is_some() {
            return None;
        }
        let fields: Vec<_> = schema.fields.iter().filter(|f| wanted(&f.name)).cloned().collect();
        if fields.len() == schema.fields.len() {
            return None;
        }
        let schema = SparkType::Struct(StructType { fields });
        Some(Self { exact: has_decimal(&schema), schema, options: self.options.clone() })
    }

    fn corrupt_field(&self, schema: &StructType) -> Option<usize> {
        schema
            .fields
            .iter()
            .position(|f| f.name == self.options.corrupt_record_column && f.data_type == SparkType::String)
    }

    /// Reads a column of text or bytes.
    pub fn read(&self, input: &dyn Array) -> Result<ArrayRef, SparkError> {
        match input.data_type() {
            DataType::Utf8View => self.rows(input.as_string_view().iter().map(|v| v.map(str::as_bytes)), input.len()),
            DataType::BinaryView => self.rows(input.as_binary_view().iter(), input.len()),
            DataType::Utf8 => self.rows(input.as_string::<i32>().iter().map(|v| v.map(str::as_bytes)), input.len()),
            DataType::LargeUtf8 => {
                self.rows(input.as_string::<i64>().iter().map(|v| v.map(str::as_bytes)), input.len())
            }
            DataType::Binary => self.rows(input.as_binary::<i32>().iter(), input.len()),
            DataType::LargeBinary => self.rows(input.as_binary::<i64>().iter(), input.len()),
            DataType::Null => self.rows(std::iter::repeat_n(None, input.len()), input.len()),
            other => Err(SparkError::internal(format!("from_json of {other}"))),
        }
    }

    fn rows<'a>(&self, rows: impl Iterator<Item = Option<&'a [u8]>>, len: usize) -> Result<ArrayRef, SparkError> {
        let mut root = match &self.schema {
            SparkType::Struct(schema) => Root::Struct(StructColumn::new(schema, self.corrupt_field(schema), len)?),
            other => Root::Other(Column::new(other, len)?),
        };
        let mut shared = Shared { options: self.options.clone(), text: String::new() };
        let mut buffers = Buffers::new(1024);
        let mut copy: Vec<u8> = Vec::new();
        let mut spare: Tape<'static> = Tape(Vec::new());
        for row in rows {
            // Blank text is no record at all, as no text is.
            let Some(row) = row.filter(|row| row.iter().any(|b| !b.is_ascii_whitespace())) else {
                root.append_null();
                continue;
            };
            let mut done = false;
            if !self.exact {
                // The parser unescapes in place and reads some bytes too far, and Arrow's buffers are not ours to write.
                copy.clear();
                copy.reserve(row.len() + PADDING_BYTES);
                copy.extend_from_slice(row);
                copy.resize(row.len() + PADDING_BYTES, b' ');
                let mut tape: Tape<'_> = spare.reset();
                let parsed = simd_json::fill_tape_padded(&mut copy, row.len(), &mut buffers, &mut tape);
                if parsed.is_ok() {
                    self.append::<Node<'_>>(&mut root, &tape.0, row, &mut shared)?;
                    done = true;
                }
                spare = tape.reset();
            }
            if !done {
                let text = String::from_utf8_lossy(row);
                match lenient::parse(&text, &self.options) {
                    Some(tape) => self.append(&mut root, &tape, row, &mut shared)?,
                    None => self.append_malformed(&mut root, row)?,
                }
            }
        }
        match root {
            Root::Struct(mut columns) => Ok(Arc::new(columns.finish()?)),
            Root::Other(mut column) => column.finish(),
        }
    }

    #[inline]
    fn append<N: TapeNode>(
        &self,
        root: &mut Root,
        tape: &[N],
        row: &[u8],
        shared: &mut Shared,
    ) -> Result<(), SparkError> {
        let Some(token) = tape.first().map(TapeNode::token) else { return self.append_malformed(root, row) };
        match root {
            Root::Struct(columns) => {
                if !matches!(token, Token::Object(_)) {
                    return self.append_malformed(root, row);
                }
                if columns.append(tape, 0, token, shared) == Fit::Whole {
                    columns.set_corrupt(None);
                } else {
                    self.refuse_if_asked(row)?;
                    columns.set_corrupt(Some(&String::from_utf8_lossy(row)));
                }
            }
            Root::Other(column) => {
                if token == Token::Null {
                    return self.append_malformed(root, row);
                }
                if column.append(tape, 0, shared) != Fit::Whole {
                    self.refuse_if_asked(row)?;
                }
            }
        }
        Ok(())
    }

    fn append_malformed(&self, root: &mut Root, row: &[u8]) -> Result<(), SparkError> {
        self.refuse_if_asked(row)?;
        match root {
            Root::Struct(columns) => columns.append_corrupt(&String::from_utf8_lossy(row)),
            Root::Other(column) => column.append_null(),
        }
        Ok(())
    }

    fn refuse_if_asked(&self, row: &[u8]) -> Result<(), SparkError> {
        match self.options.mode {
            JsonMode::Permissive => Ok(()),
            JsonMode::FailFast => Err(malformed(&String::from_utf8_lossy(row))),
        }
    }
}

impl Root {
    fn append_null(&mut self) {
        match self {
            Self::Struct(columns) => columns.append_null(),
            Self::Other(column) => column.append_null(),
        }
    }
}

fn has_decimal(data_type: &SparkType) -> bool {
    match data_type {
        SparkType::Decimal { .. } => true,
        SparkType::Array { element, .. } => has_decimal(element),
        SparkType::Map { value, .. } => has_decimal(value),
        SparkType::Struct(fields) => fields.fields.iter().any(|f| has_decimal(&f.data_type)),
        _ => false,
    }
}
