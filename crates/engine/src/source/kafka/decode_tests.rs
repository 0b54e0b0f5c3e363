//! Record batches as Arrow columns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use andiron_protocol::batch::{BatchBuilder, BatchOptions};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};

use super::*;

fn packed(codec: Codec, base_offset: i64, count: i64) -> Bytes {
    let mut batch = BatchBuilder::new(BatchOptions { codec, base_offset, ..BatchOptions::default() });
    for i in 0..count {
        let (key, value) = (format!("key {i}"), format!("a value that is no longer inline {}", base_offset + i));
        let headers = [(b"h".as_slice(), Some(b"x".as_slice())), (b"n".as_slice(), None)];
        let headers = if i % 2 == 0 { &headers[..] } else { &[] };
        let key = (i % 3 != 0).then_some(key.as_bytes());
        batch.append_with_headers(1000 + i, key, Some(value.as_bytes()), headers.iter().copied());
    }
    batch.build().unwrap()
}

fn run(batches: &[Bytes], from: i64, until: i64) -> BatchRun {
    BatchRun { records: batches.concat().into(), from, until, high_watermark: until }
}

fn decoder(columns: &[Column]) -> Decoder {
    let full = schema(true);
    let wanted: Vec<usize> = columns.iter().map(|c| Column::ALL.iter().position(|a| a == c).unwrap()).collect();
    Decoder::new("orders".into(), 3, columns.to_vec(), Arc::new(full.project(&wanted).unwrap()))
}

#[test]
fn every_column_of_plain_and_compressed_batches() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let run = run(&[packed(codec, 10, 4), packed(Codec::None, 14, 2)], 11, 15);
        let batches = decoder(&Column::ALL).run(&run).unwrap();
        assert_eq!(batches.len(), 1, "{codec:?}");
        let b = &batches[0];
        assert_eq!(b.column(4).as_primitive::<Int64Type>().values(), &[11, 12, 13, 14]);
        let keys: Vec<_> = b.column(0).as_binary_view().iter().collect();
        assert_eq!(keys, [Some(b"key 1".as_slice()), Some(b"key 2"), None, None]);
        let values = b.column(1).as_binary_view();
        assert_eq!(values.value(3), b"a value that is no longer inline 14");
        assert_eq!(b.column(2).as_string_view().value(2), "orders");
        assert_eq!(b.column(3).as_primitive::<Int32Type>().values(), &[3; 4]);
        assert_eq!(
            b.column(5).as_primitive::<TimestampMicrosecondType>().values(),
            &[1_001_000, 1_002_000, 1_003_000, 1_000_000]
        );
        assert_eq!(b.column(6).as_primitive::<Int32Type>().values(), &[0; 4]);
        let headers = b.column(7).as_list::<i32>();
        assert!(headers.is_null(0) && headers.is_valid(1), "no headers is null");
        let first = headers.value(1);
        let first = first.as_struct();
        assert_eq!(first.column(0).as_string_view().value(1), "n");
        assert_eq!(first.column(1).as_binary_view().iter().collect::<Vec<_>>(), [Some(b"x".as_slice()), None]);
    }
}

#[test]
fn values_point_into_the_bytes_that_came() {
    let run = run(&[packed(Codec::None, 0, 2)], 0, 2);
    let batch = decoder(&[Column::Value]).run(&run).unwrap().remove(0);
    let place = batch.column(0).as_binary_view().value(0).as_ptr() as usize;
    let records = run.records.as_ptr() as usize;
    assert!((records..records + run.records.len()).contains(&place), "a value was copied");
}

#[test]
fn counting_needs_no_record_but_at_the_edges() {
    let batches = [packed(Codec::Zstd, 0, 10), packed(Codec::None, 10, 10), packed(Codec::Zstd, 20, 10)];
    for (from, until) in [(0, 30), (3, 30), (0, 21), (12, 13), (5, 5)] {
        let counted: usize =
            decoder(&[]).run(&run(&batches, from, until)).unwrap().iter().map(RecordBatch::num_rows).sum();
        assert_eq!(counted as i64, until - from, "{from}..{until}");
    }
}

#[test]
fn a_large_batch_is_cut_for_the_operators() {
    let count = BATCH_ROWS as i64 + 10;
    let batches = decoder(&[Column::Offset]).run(&run(&[packed(Codec::None, 0, count)], 0, count)).unwrap();
    let rows: Vec<usize> = batches.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [BATCH_ROWS, 10]);
}

#[test]
fn bytes_that_are_no_batch_are_an_error_that_names_the_partition() {
    let mut bytes = packed(Codec::None, 0, 3).to_vec();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xff);
    let error = decoder(&Column::ALL).run(&run(&[bytes.into()], 0, 3)).unwrap_err();
    assert!(error.to_string().contains("orders-3"), "{error}");
}
