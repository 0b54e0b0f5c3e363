//! Record batches into Arrow. Keys and values become views into the buffers that came from the socket, or into the buffer
//! into which a compressed batch was unpacked: no byte of a record is copied. Only the columns that a plan uses are built.

use std::sync::Arc;

use andiron_client::BatchRun;
use andiron_protocol::batch::{Batch, BatchHeader, HEADER_BYTES, Headers, Record, Records, TimestampType};
use andiron_protocol::compression::Codec;
use arrow::array::{
    ArrayRef, BinaryViewBuilder, Int32Array, Int64Array, ListBuilder, RecordBatch, RecordBatchOptions, StringViewArray,
    StringViewBuilder, StructBuilder, TimestampMicrosecondArray,
};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;

use crate::limits::{BATCH_ROWS, UNPACKED_BLOCK_BYTES};
use crate::types::UTC;
use crate::{Exception, SparkError};

/// The columns of a Kafka source, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The record's key.
    Key,
    /// The record's value.
    Value,
    /// The topic's name.
    Topic,
    /// The partition's number.
    Partition,
    /// The record's offset.
    Offset,
    /// The record's or the broker's time.
    Timestamp,
    /// 0 for the record's time, 1 for the broker's.
    TimestampType,
    /// Headers; null for a record without any.
    Headers,
}

impl Column {
    /// All of them; the last one only with `includeHeaders`.
    pub const ALL: [Column; 8] = [
        Column::Key,
        Column::Value,
        Column::Topic,
        Column::Partition,
        Column::Offset,
        Column::Timestamp,
        Column::TimestampType,
        Column::Headers,
    ];

    fn field(self) -> Field {
        let (name, kind) = match self {
            Self::Key => ("key", DataType::BinaryView),
            Self::Value => ("value", DataType::BinaryView),
            Self::Topic => ("topic", DataType::Utf8View),
            Self::Partition => ("partition", DataType::Int32),
            Self::Offset => ("offset", DataType::Int64),
            Self::Timestamp => ("timestamp", DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))),
            Self::TimestampType => ("timestampType", DataType::Int32),
            Self::Headers => ("headers", DataType::List(Arc::new(header_element()))),
        };
        Field::new(name, kind, true)
    }
}

fn header_fields() -> Fields {
    Fields::from(vec![Field::new("key", DataType::Utf8View, true), Field::new("value", DataType::BinaryView, true)])
}

fn header_element() -> Field {
    Field::new("element", DataType::Struct(header_fields()), true)
}

/// The source's schema.
pub fn schema(include_headers: bool) -> SchemaRef {
    let columns = if include_headers { &Column::ALL[..] } else { &Column::ALL[..7] };
    Arc::new(Schema::new(columns.iter().map(|c| c.field()).collect::<Vec<_>>()))
}

/// A Kafka batch whose records lie in a block.
struct Placed {
    header: BatchHeader,
    block: usize,
    start: usize,
    end: usize,
}

/// Turns the runs of one partition's range into record batches.
pub struct Decoder {
    topic: Arc<str>,
    partition: i32,
    columns: Vec<Column>,
    schema: SchemaRef,
}

impl Decoder {
    /// A decoder of these columns for one partition; `schema` has exactly them.
    pub fn new(topic: Arc<str>, partition: i32, columns: Vec<Column>, schema: SchemaRef) -> Self {
        Self { topic, partition, columns, schema }
    }

    /// The records of a run that are wanted, in batches of about [`BATCH_ROWS`].
    pub fn run(&self, run: &BatchRun) -> Result<Vec<RecordBatch>, SparkError> {
        let mut out = Vec::new();
        let mut at = 0;
        while at < run.records.len() {
            let (blocks, placed, rows, next) = self.gather(run, at)?;
            at = next;
            if rows == 0 {
                continue;
            }
            let batch = self.build(run, &blocks, &placed, rows)?;
            // One of Kafka's batches may hold more rows than operators like; cutting it costs nothing.
            let mut from = 0;
            while from < batch.num_rows() {
                let count = (batch.num_rows() - from).min(BATCH_ROWS);
                out.push(batch.slice(from, count));
                from += count;
            }
        }
        Ok(out)
    }

    /// Takes batches from `at` on until they make enough rows or unpacked bytes; unpacks the compressed ones.
    fn gather(&self, run: &BatchRun, at: usize) -> Result<(Vec<Bytes>, Vec<Placed>, usize, usize), SparkError> {
        let whole_counts = self.columns.is_empty();
        let mut unpacked: Vec<u8> = Vec::new();
        let mut placed = Vec::new();
        let (mut at, mut rows) = (at, 0);
        while at < run.records.len() && rows < BATCH_ROWS && unpacked.len() < UNPACKED_BLOCK_BYTES {
            let batch = Batch::first(&run.records[at..]).map_err(|e| self.malformed(&e))?;
            let (start, header) = (at, batch.header);
            at += batch.bytes.len();
            let inside = header.base_offset >= run.from && header.last_offset() < run.until;
            if header.last_offset() < run.from || header.base_offset >= run.until || header.record_count <= 0 {
                continue;
            }
            if whole_counts && inside {
                // Nothing but the number of rows is asked for, and the header has it.
                rows += header.record_count as usize;
                continue;
            }
            let codec = header.attributes.codec().map_err(|e| self.malformed(&e))?;
            let place = if codec == Codec::None {
                Placed { header, block: 0, start: start + HEADER_BYTES, end: at }
            } else {
                let from = unpacked.len();
                let limit = from.saturating_add(andiron_protocol::compression::DECOMPRESSED_BATCH_BYTES_MAX);
                codec.decompress(batch.body(), &mut unpacked, limit).map_err(|e| self.malformed(&e))?;
                Placed { header, block: 1, start: from, end: unpacked.len() }
            };
            // The header's count is a claim until the records have been walked; it is only used to size things.
            rows += (header.record_count as usize).min(place.end - place.start);
            placed.push(place);
        }
        Ok((vec![run.records.clone(), Bytes::from(unpacked)], placed, rows, at))
    }

    fn build(
        &self,
        run: &BatchRun,
        blocks: &[Bytes],
        placed: &[Placed],
        rows: usize,
    ) -> Result<RecordBatch, SparkError> {
        if self.columns.is_empty() {
            let mut count = rows;
            for place in placed {
                let claimed = (place.header.record_count as usize).min(place.end - place.start);
                let mut wanted = 0;
                for record in Records::new(&place.header, &blocks[place.block][place.start..place.end]) {
                    let record = record.map_err(|e| self.malformed(&e))?;
                    wanted += usize::from(record.offset >= run.from && record.offset < run.until);
                }
                count = count - claimed + wanted;
            }
            let options = RecordBatchOptions::new().with_row_count(Some(count));
            return Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), Vec::new(), &options)?);
        }
        let mut building = Building::new(&self.columns, blocks, rows);
        for place in placed {
            let block = &blocks[place.block];
            let base = block.as_ptr() as usize;
            let log_append = i32::from(place.header.attributes.timestamp_type() == TimestampType::LogAppendTime);
            for record in Records::new(&place.header, &block[place.start..place.end]) {
                let record = record.map_err(|e| self.malformed(&e))?;
                if record.offset >= run.from && record.offset < run.until {
                    building.push(&record, place.block, base, log_append).map_err(|e| self.trouble(&e))?;
                }
            }
        }
        let columns = building.finish(&self.topic, self.partition);
        let options = RecordBatchOptions::new().with_row_count(columns.first().map(arrow::array::Array::len));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    fn malformed(&self, error: &dyn std::fmt::Display) -> SparkError {
        SparkError::plain(
            Exception::Spark,
            format!(
                "org.apache.kafka.common.KafkaException: Received exception when fetching the next record from {}-{}. \
                 If needed, please seek past the record to continue consumption. {error}",
                self.topic, self.partition
            ),
        )
    }

    fn trouble(&self, trouble: &Trouble) -> SparkError {
        match trouble {
            Trouble::Headers(error) => self.malformed(error),
            Trouble::Arrow(error) => SparkError::internal(error),
            Trouble::Timestamp { offset, timestamp } => SparkError::new(
                Exception::Spark,
                "KAFKA_MALFORMED_RECORD_TIMESTAMP",
                "22008",
                format!(
                    "The timestamp {timestamp} of the record at offset {offset} of {}-{} does not fit into microseconds.",
                    self.topic, self.partition
                ),
            ),
        }
    }
}

enum Trouble {
    Headers(andiron_protocol::batch::BatchError),
    Arrow(arrow::error::ArrowError),
    Timestamp { offset: i64, timestamp: i64 },
}

/// The columns while records are added.
struct Building<'a> {
    columns: &'a [Column],
    key: Option<Views>,
    value: Option<Views>,
    offset: Option<Vec<i64>>,
    timestamp: Option<Vec<i64>>,
    timestamp_type: Option<Vec<i32>>,
    headers: Option<ListBuilder<StructBuilder>>,
    rows: usize,
}

/// Views into the blocks, whose numbers in the builder are kept beside it.
struct Views {
    builder: BinaryViewBuilder,
    blocks: Vec<u32>,
}

impl Views {
    fn new(blocks: &[Bytes], rows: usize) -> Self {
        let mut builder = BinaryViewBuilder::with_capacity(rows);
        let blocks = blocks.iter().map(|block| builder.append_block(Buffer::from(block.clone()))).collect();
        Self { builder, blocks }
    }

    fn push(&mut self, bytes: Option<&[u8]>, block: usize, base: usize) -> Result<(), Trouble> {
        match bytes {
            None => self.builder.append_null(),
            Some(bytes) => {
                let offset = (bytes.as_ptr() as usize).wrapping_sub(base) as u32;
                self.builder.try_append_view(self.blocks[block], offset, bytes.len() as u32).map_err(Trouble::Arrow)?;
            }
        }
        Ok(())
    }
}

impl<'a> Building<'a> {
    fn new(columns: &'a [Column], blocks: &[Bytes], rows: usize) -> Self {
        let has = |column| columns.contains(&column);
        let numbers = |column| has(column).then(|| Vec::with_capacity(rows));
        Self {
            columns,
            key: has(Column::Key).then(|| Views::new(blocks, rows)),
            value: has(Column::Value).then(|| Views::new(blocks, rows)),
            offset: numbers(Column::Offset),
            timestamp: numbers(Column::Timestamp),
            timestamp_type: has(Column::TimestampType).then(|| Vec::with_capacity(rows)),
            headers: has(Column::Headers).then(|| {
                let fields = header_fields();
                let element = StructBuilder::new(
                    fields,
                    vec![Box::new(StringViewBuilder::new()), Box::new(BinaryViewBuilder::new())],
                );
                ListBuilder::new(element).with_field(header_element())
            }),
            rows: 0,
        }
    }

    fn push(&mut self, record: &Record<'_>, block: usize, base: usize, log_append: i32) -> Result<(), Trouble> {
        self.rows += 1;
        if let Some(key) = &mut self.key {
            key.push(record.key, block, base)?;
        }
        if let Some(value) = &mut self.value {
            value.push(record.value, block, base)?;
        }
        if let Some(offset) = &mut self.offset {
            offset.push(record.offset);
        }
        if let Some(timestamp) = &mut self.timestamp {
            let micros = record.timestamp.checked_mul(1000);
            timestamp.push(micros.ok_or(Trouble::Timestamp { offset: record.offset, timestamp: record.timestamp })?);
        }
        if let Some(kind) = &mut self.timestamp_type {
            kind.push(log_append);
        }
        if let Some(headers) = &mut self.headers {
            push_headers(headers, record.headers.clone())?;
        }
        Ok(())
    }

    fn finish(mut self, topic: &Arc<str>, partition: i32) -> Vec<ArrayRef> {
        let rows = self.rows;
        self.columns
            .iter()
            .map(|column| -> ArrayRef {
                match column {
                    Column::Key => views(self.key.take()),
                    Column::Value => views(self.value.take()),
                    Column::Topic => Arc::new(repeated(topic, rows)),
                    Column::Partition => Arc::new(Int32Array::from(vec![partition; rows])),
                    Column::Offset => Arc::new(Int64Array::from(self.offset.take().unwrap_or_default())),
                    Column::Timestamp => {
                        let times = self.timestamp.take().unwrap_or_default();
                        Arc::new(TimestampMicrosecondArray::from(times).with_timezone(UTC))
                    }
                    Column::TimestampType => Arc::new(Int32Array::from(self.timestamp_type.take().unwrap_or_default())),
                    Column::Headers => match self.headers.take() {
                        Some(mut headers) => Arc::new(headers.finish()),
                        None => arrow::array::new_empty_array(column.field().data_type()),
                    },
                }
            })
            .collect()
    }
}

fn views(views: Option<Views>) -> ArrayRef {
    Arc::new(views.map(|mut v| v.builder.finish()).unwrap_or_else(|| BinaryViewBuilder::new().finish()))
}

/// The same text in every row: one view, repeated.
fn repeated(text: &str, rows: usize) -> StringViewArray {
    let mut builder = StringViewBuilder::with_capacity(1);
    builder.append_value(text);
    let one = builder.finish();
    let view = one.views().first().copied().unwrap_or_default();
    let many = arrow::buffer::ScalarBuffer::from(vec![view; rows]);
    // A view of a valid array is valid; the fallback is never taken.
    StringViewArray::try_new(many, one.data_buffers().to_vec(), None)
        .unwrap_or_else(|_| StringViewArray::from_iter_values(std::iter::repeat_n(text, rows)))
}

fn push_headers(list: &mut ListBuilder<StructBuilder>, headers: Headers<'_>) -> Result<(), Trouble> {
    if headers.is_empty() {
        list.append_null();
        return Ok(());
    }
    for header in headers {
        let (key, value) = header.map_err(Trouble::Headers)?;
        let element = list.values();
        if let Some(keys) = element.field_builder::<StringViewBuilder>(0) {
            keys.append_value(String::from_utf8_lossy(key));
        }
        if let Some(values) = element.field_builder::<BinaryViewBuilder>(1) {
            values.append_option(value);
        }
        element.append(true);
    }
    list.append(true);
    Ok(())
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
