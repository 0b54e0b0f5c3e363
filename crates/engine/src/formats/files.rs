//! Files of one format in folders: parquet, json, csv, text.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;

use super::{SinkFormat, SinkWrite, SourceFormat, SourceRead};
use crate::{Resolved, Session, SparkError};

/// Which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Parquet.
    Parquet,
    /// One JSON object a line.
    Json,
    /// Values between commas.
    Csv,
    /// Lines.
    Text,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Parquet, Self::Json, Self::Csv, Self::Text];

    /// The name users give.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Text => "text",
        }
    }
}

/// Files of one format.
pub struct Files(pub Kind);

#[async_trait]
impl SourceFormat for Files {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn table(&self, _session: &Session, _read: &SourceRead) -> Result<Arc<dyn TableProvider>, SparkError> {
        Err(SparkError::unsupported(self.0.name()))
    }
}

#[async_trait]
impl SinkFormat for Files {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn write(&self, _session: &Session, _rows: &Resolved, _request: &SinkWrite) -> Result<(), SparkError> {
        Err(SparkError::unsupported(self.0.name()))
    }
}
