//! Rows for a Spark Connect client: each message carries a complete Arrow IPC stream, schema and one batch, small enough for
//! any client's limits.

use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};

use crate::limits::{CLIENT_CHUNK_BYTES, CLIENT_CHUNK_ROWS_MAX};
use crate::{Execution, SparkError};

/// Some rows as an Arrow IPC stream.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// How many.
    pub rows: usize,
    /// The stream.
    pub data: Bytes,
}

impl Execution {
    /// The rows in chunks; one without rows when there are none, since a client takes the schema from it.
    pub fn into_chunks(self) -> impl Stream<Item = Result<Chunk, SparkError>> + Send {
        let schema = self.arrow_schema;
        let rows = self.batches.map_ok(|batch| stream::iter(slices(&batch).into_iter().map(Ok))).try_flatten();
        let chunks = rows.and_then(|batch| async move { encode(&batch.schema(), &[batch]) });
        let empty = move || encode(&schema, &[]);
        let mut any = false;
        let mut chunks = Box::pin(chunks);
        let mut ended = false;
        stream::poll_fn(move |context| {
            if ended {
                return std::task::Poll::Ready(None);
            }
            match chunks.as_mut().poll_next(context) {
                std::task::Poll::Ready(None) => {
                    ended = true;
                    std::task::Poll::Ready((!any).then(&empty))
                }
                std::task::Poll::Ready(Some(chunk)) => {
                    any = true;
                    std::task::Poll::Ready(Some(chunk))
                }
                std::task::Poll::Pending => std::task::Poll::Pending,
            }
        })
    }

    /// All rows as one Arrow IPC stream: for small results that become part of a plan.
    ///
    /// # Errors
    /// When the rows cannot be computed.
    pub async fn into_one_stream(self) -> Result<Bytes, SparkError> {
        let schema = self.arrow_schema;
        let batches: Vec<RecordBatch> = self.batches.try_collect().await?;
        Ok(encode(&schema, &batches)?.data)
    }
}

/// A batch in parts of bounded size, without empty ones.
fn slices(batch: &RecordBatch) -> Vec<RecordBatch> {
    let rows = batch.num_rows();
    if rows == 0 {
        return Vec::new();
    }
    let row_bytes = (batch.get_array_memory_size() / rows).max(1);
    let step = (CLIENT_CHUNK_BYTES / row_bytes).clamp(1, CLIENT_CHUNK_ROWS_MAX);
    (0..rows).step_by(step).map(|at| batch.slice(at, step.min(rows - at))).collect()
}

fn encode(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Chunk, SparkError> {
    let internal = |error: arrow::error::ArrowError| SparkError::internal(error);
    let mut writer = StreamWriter::try_new(Vec::new(), schema).map_err(internal)?;
    let mut rows = 0;
    for batch in batches {
        rows += batch.num_rows();
        writer.write(batch).map_err(internal)?;
    }
    if batches.is_empty() {
        writer.write(&RecordBatch::new_empty(schema.clone())).map_err(internal)?;
    }
    Ok(Chunk { rows, data: writer.into_inner().map_err(internal)?.into() })
}
