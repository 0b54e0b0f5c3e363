//! A snapshot is a file of record batches that begins with a header and ends with a footer, which are control records.

use andiron_protocol::batch::{BatchBuilder, BatchError, BatchOptions, Batches};
use andiron_protocol::schema::SchemaError;

use super::{
    ControlError, ControlRecord, SnapshotFooterRecord, SnapshotHeaderRecord, Voter, control_batch, dynamic_voters,
};

/// What a snapshot stands for: all records before an end offset, the last of them of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// The offset behind the last record.
    pub end_offset: i64,
    /// The epoch of the last record.
    pub epoch: i32,
}

impl SnapshotId {
    /// The name of the file.
    pub fn file_name(&self) -> String {
        format!("{:020}-{:010}.checkpoint", self.end_offset, self.epoch)
    }

    /// Reads the name of a file; none if it is not the name of a whole snapshot.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let (offset, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
        let whole = offset.len() == 20 && epoch.len() == 10;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (whole && digits(offset) && digits(epoch)).then_some(())?;
        Some(Self { end_offset: offset.parse().ok()?, epoch: epoch.parse().ok()? })
    }
}

/// Why bytes are no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A batch cannot be read.
    #[error("a snapshot's batch at byte {position}: {error}")]
    Batch {
        /// Where it begins.
        position: usize,
        /// Why.
        error: BatchError,
    },
    /// A control record cannot be read.
    #[error("a snapshot's control record: {0}")]
    Control(#[from] SchemaError),
    /// The first record is no header.
    #[error("a snapshot without a header")]
    NoHeader,
    /// The last record is no footer: the file was not written to its end.
    #[error("a snapshot without a footer")]
    NoFooter,
}

/// Writes a snapshot, batch by batch.
#[derive(Debug)]
pub struct SnapshotWriter {
    out: Vec<u8>,
    builder: BatchBuilder,
    next_offset: i64,
    epoch: i32,
    batch_bytes_max: usize,
}

impl SnapshotWriter {
    /// Begins with the header and, in a dynamic quorum, the voters. `epoch` is that of the snapshot's id, `timestamp` that
    /// of the last record it stands for, `now` goes on the batches.
    pub fn new(
        epoch: i32,
        timestamp: i64,
        now: i64,
        voters: Option<&[Voter]>,
        batch_bytes_max: usize,
    ) -> Result<Self, ControlError> {
        let header = SnapshotHeaderRecord { version: 0, last_contained_log_timestamp: timestamp };
        let mut records = vec![ControlRecord::SnapshotHeader(header)];
        records.extend(voters.into_iter().flat_map(dynamic_voters));
        let out = control_batch(0, epoch, now, &records)?.to_vec();
        let next_offset = records.len() as i64;
        let builder = BatchBuilder::new(BatchOptions::default());
        Ok(Self { out, builder, next_offset, epoch, batch_bytes_max })
    }

    /// Appends a record without a key.
    pub fn append(&mut self, now: i64, value: &[u8]) -> Result<(), ControlError> {
        if !self.builder.is_empty() && self.builder.uncompressed_size() + value.len() > self.batch_bytes_max {
            self.seal()?;
        }
        self.builder.append(now, None, Some(value));
        Ok(())
    }

    fn seal(&mut self) -> Result<(), ControlError> {
        if self.builder.is_empty() {
            return Ok(());
        }
        let count = i64::from(self.builder.count());
        self.builder.options.base_offset = self.next_offset;
        self.builder.options.partition_leader_epoch = self.epoch;
        self.builder.build_into(&mut self.out)?;
        self.next_offset += count;
        Ok(())
    }

    /// Ends with the footer; the bytes of the file.
    pub fn finish(mut self, now: i64) -> Result<Vec<u8>, ControlError> {
        self.seal()?;
        let footer = ControlRecord::SnapshotFooter(SnapshotFooterRecord { version: 0 });
        self.out.extend_from_slice(&control_batch(self.next_offset, self.epoch, now, &[footer])?);
        Ok(self.out)
    }
}

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SnapshotReader {
    /// The values of its records, in order.
    pub values: Vec<Vec<u8>>,
    /// The voters, if it names them.
    pub voters: Option<Vec<Voter>>,
    /// The level of the quorum's protocol; 0 if it does not say.
    pub k_raft_version: i16,
    /// The timestamp of the last record that it stands for.
    pub last_contained_log_timestamp: i64,
}

impl SnapshotReader {
    /// Reads a whole file. Each batch's checksum is checked.
    pub fn read(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut read = Self::default();
        let (mut header, mut footer) = (false, false);
        let mut batches = Batches::new(bytes);
        let mut scratch = Vec::new();
        loop {
            let position = batches.position();
            let wrong = |error| SnapshotError::Batch { position, error };
            let Some(batch) = batches.next() else { break };
            let batch = batch.map_err(wrong)?;
            batch.check_crc().map_err(wrong)?;
            let is_control = batch.header.attributes.is_control();
            let records = batch.records(&mut scratch).map_err(wrong)?;
            for record in records {
                let record = record.map_err(wrong)?;
                if !is_control {
                    read.values.push(record.value.unwrap_or_default().to_vec());
                    continue;
                }
                match ControlRecord::decode(record.key, record.value)? {
                    ControlRecord::SnapshotHeader(record) => {
                        header = true;
                        read.last_contained_log_timestamp = record.last_contained_log_timestamp;
                    }
                    ControlRecord::SnapshotFooter(_) => footer = true,
                    ControlRecord::KRaftVersion(record) => read.k_raft_version = record.k_raft_version,
                    ControlRecord::Voters(record) => read.voters = Some(record.voters),
                    ControlRecord::LeaderChange(_) | ControlRecord::Other => {}
                }
            }
            if !header {
                return Err(SnapshotError::NoHeader);
            }
        }
        match (header, footer) {
            (false, _) => Err(SnapshotError::NoHeader),
            (_, false) => Err(SnapshotError::NoFooter),
            _ => Ok(read),
        }
    }
}
