//! What PySpark parses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn example() -> Progress {
    Progress {
        id: "6014".to_owned(),
        run_id: "52e3".to_owned(),
        name: None,
        timestamp_ms: 1_795_392_228_765,
        batch_id: 3,
        durations_ms: IndexMap::from([("triggerExecution", 165), ("addBatch", 100)]),
        event_time: IndexMap::new(),
        sources: vec![SourceProgress {
            description: "KafkaV2[Subscribe[orders]]".to_owned(),
            start_offset: Some(r#"{"orders":{"0":1}}"#.to_owned()),
            end_offset: Some(r#"{"orders":{"0":6}}"#.to_owned()),
            latest_offset: None,
            num_input_rows: 5,
            input_rows_per_second: 5.0,
            processed_rows_per_second: rows_per_second(5, Some(165)),
            metrics: IndexMap::from([("maxOffsetsBehindLatest".to_owned(), "0".to_owned())]),
        }],
        sink: SinkProgress { description: "ConsoleSink".to_owned(), num_output_rows: 5 },
    }
}

#[test]
fn the_json_has_objects_for_offsets_and_the_totals() {
    assert_eq!(
        example().to_json(),
        r#"{"id":"6014","runId":"52e3","name":null,"timestamp":"2026-11-23T00:03:48.765Z","batchId":3,"batchDuration":165,"numInputRows":5,"inputRowsPerSecond":5.0,"processedRowsPerSecond":30.303030303030305,"durationMs":{"triggerExecution":165,"addBatch":100},"eventTime":{},"stateOperators":[],"sources":[{"description":"KafkaV2[Subscribe[orders]]","startOffset":{"orders":{"0":1}},"endOffset":{"orders":{"0":6}},"latestOffset":null,"numInputRows":5,"inputRowsPerSecond":5.0,"processedRowsPerSecond":30.303030303030305,"metrics":{"maxOffsetsBehindLatest":"0"}}],"sink":{"description":"ConsoleSink","numOutputRows":5},"observedMetrics":{}}"#
    );
}

#[test]
fn rates_are_finite() {
    assert_eq!(rows_per_second(5, None), 0.0);
    assert_eq!(rows_per_second(5, Some(0)), 5000.0);
    assert_eq!(rows_per_second(0, Some(0)), 0.0);
}
