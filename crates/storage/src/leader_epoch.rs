//! `leader-epoch-checkpoint`: at which offset each leader's epoch began. A replica that comes back learns from it where its log
//! may differ.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint;
use crate::disk::{Disk, DiskFile, OpenMode, read_small};

const FILE: &str = "leader-epoch-checkpoint";

/// Epochs and where they begin, both strictly ascending (offsets may repeat for an epoch without records).
#[derive(Debug)]
pub(crate) struct LeaderEpochs {
    path: PathBuf,
    entries: Vec<(i32, i64)>,
}

impl LeaderEpochs {
    /// Reads the file of the log in `dir`. The second is false when the file is torn: then the epochs must be gathered from the log.
    pub fn open(disk: &dyn Disk, dir: &Path) -> io::Result<(Self, bool)> {
        let path = dir.join(FILE);
        let Some(bytes) = read_small(disk, &path)? else {
            return Ok((LeaderEpochs { path, entries: Vec::new() }, true));
        };
        let entries = checkpoint::parse(&bytes, |line| {
            let (epoch, offset) = line.split_once(' ')?;
            Some((epoch.parse().ok()?, offset.parse().ok()?))
        });
        let whole = entries.is_ok() && !bytes.is_empty();
        Ok((LeaderEpochs { path, entries: entries.unwrap_or_default() }, whole))
    }

    pub fn moved(&mut self, dir: &Path) {
        self.path = dir.join(FILE);
    }

    pub fn latest(&self) -> Option<(i32, i64)> {
        self.entries.last().copied()
    }

    /// The epoch of the record at `offset`.
    pub fn epoch_for(&self, offset: i64) -> Option<i32> {
        let at = self.entries.partition_point(|(_, start)| *start <= offset);
        at.checked_sub(1).map(|i| self.entries[i].0)
    }

    /// Notes that `epoch` began at `start`; true when that is news.
    pub fn assign(&mut self, epoch: i32, start: i64) -> bool {
        if epoch < 0 {
            return false;
        }
        if let Some((last, last_start)) = self.latest() {
            if epoch == last || (epoch < last && start >= last_start) {
                return false;
            }
            self.entries.retain(|(e, s)| *e < epoch && *s < start);
        }
        self.entries.push((epoch, start));
        true
    }

    /// The greatest epoch not above the asked one, and where it ends.
    pub fn end_offset_for(&self, epoch: i32, log_end: i64) -> Option<(i32, i64)> {
        let (latest, _) = self.latest()?;
        if epoch == latest {
            return Some((epoch, log_end));
        }
        if epoch > latest {
            return None;
        }
        let next = self.entries.partition_point(|(e, _)| *e <= epoch);
        let (_, end) = *self.entries.get(next)?;
        match next.checked_sub(1) {
            Some(i) => Some((self.entries[i].0, end)),
            // Older than all that is known: the answer is that epoch, ending where the first known one begins.
            None => Some((epoch, end)),
        }
    }

    /// Forgets epochs that begin at or behind `end`; true when there were some.
    pub fn truncate_from_end(&mut self, end: i64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(_, start)| *start < end);
        before != self.entries.len()
    }

    /// Forgets epochs that end before `start`; the first one left begins there. True when that changed something.
    pub fn truncate_from_start(&mut self, start: i64) -> bool {
        let covering = self.entries.partition_point(|(_, s)| *s <= start);
        let Some(keep) = covering.checked_sub(1) else {
            return false;
        };
        if keep == 0 && self.entries[0].1 == start {
            return false;
        }
        let changed = keep > 0 || self.entries[0].1 < start;
        self.entries.drain(..keep);
        self.entries[0].1 = start;
        changed
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Writes the file anew and returns it, to be synced (with its directory) before offsets of the new epoch count as durable.
    /// A file torn by a power loss before that is recognised, and the epochs gathered from the log.
    pub fn write(&self, disk: &dyn Disk) -> io::Result<Arc<dyn DiskFile>> {
        let mut tmp = self.path.clone();
        tmp.set_extension("tmp");
        let file = disk.open(&tmp, OpenMode::Truncate)?;
        let text = checkpoint::render(self.entries.iter().map(|(epoch, start)| format!("{epoch} {start}")));
        file.write_at(&[IoSlice::new(text.as_bytes())], 0)?;
        disk.rename(&tmp, &self.path)?;
        file.moved(&self.path);
        Ok(file)
    }
}
