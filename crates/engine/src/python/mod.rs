//! The user's Python: one worker process per query, spoken to over a socket as PySpark's own workers are. The functions
//! are pickled by the client's Python, so the worker should be the same minor version: `PYSPARK_PYTHON`, else `python3`.

mod wire;
mod worker;

pub use worker::{BatchWorker, WorkerSetup};

#[cfg(test)]
mod tests;
