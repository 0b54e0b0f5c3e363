//! What does not agree between a log and its indexes, gathered over all files and told at the end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use super::absolute;
use crate::tools::java;

/// Findings by file, each file once, in the order of their first finding.
#[derive(Debug)]
struct ByFile<T>(Vec<(String, T)>);

impl<T> Default for ByFile<T> {
    fn default() -> Self {
        ByFile(Vec::new())
    }
}

impl<T: Default> ByFile<T> {
    fn of(&mut self, path: &Path) -> &mut T {
        let name = absolute(path).display().to_string();
        let at = self.0.iter().position(|(file, _)| *file == name).unwrap_or_else(|| {
            self.0.push((name, T::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// The files in the order in which a Java `HashMap` goes through them.
    fn files(&self) -> Vec<&(String, T)> {
        java::hash_order(self.0.iter().collect(), |(name, _)| java::string_hash(name))
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    index_mismatches: ByFile<BTreeMap<i64, i64>>,
    timestamp_mismatches: ByFile<Vec<(i64, i64)>>,
    out_of_order: ByFile<Vec<(i64, i64)>>,
    not_found: ByFile<Vec<(i64, i64)>>,
    non_consecutive: ByFile<BTreeMap<i64, i64>>,
}

impl Findings {
    pub(super) fn index_mismatch(&mut self, path: &Path, indexed: i64, in_log: i64) {
        self.index_mismatches.of(path).insert(indexed, in_log);
    }

    pub(super) fn timestamp_mismatch(&mut self, path: &Path, indexed: i64, in_log: i64) {
        self.timestamp_mismatches.of(path).push((indexed, in_log));
    }

    pub(super) fn out_of_order(&mut self, path: &Path, indexed: i64, before: i64) {
        self.out_of_order.of(path).push((indexed, before));
    }

    pub(super) fn offset_not_found(&mut self, path: &Path, indexed: i64, in_log: i64) {
        self.not_found.of(path).push((indexed, in_log));
    }

    pub(super) fn non_consecutive(&mut self, path: &Path, before: i64, offset: i64) {
        self.non_consecutive.of(path).insert(before, offset);
    }

    /// Tells all of them.
    pub(super) fn tell(&self, err: &mut dyn Write) -> io::Result<()> {
        for (file, found) in self.index_mismatches.files() {
            writeln!(err, "Mismatches in :{file}")?;
            for (indexed, in_log) in found.iter().rev() {
                writeln!(err, "  Index offset: {indexed}, log offset: {in_log}")?;
            }
        }
        for (file, found) in self.timestamp_mismatches.files() {
            writeln!(err, "Found timestamp mismatch in :{file}")?;
            for (indexed, in_log) in found {
                writeln!(err, "  Index timestamp: {indexed}, log timestamp: {in_log}")?;
            }
        }
        for (file, found) in self.out_of_order.files() {
            writeln!(err, "Found out of order timestamp in :{file}")?;
            for (indexed, before) in found {
                writeln!(err, "  Index timestamp: {indexed}, Previously indexed timestamp: {before}")?;
            }
        }
        for (file, found) in self.not_found.files() {
            writeln!(err, "The following indexed offsets are not found in :{file}")?;
            for (indexed, in_log) in found {
                writeln!(err, "Indexed offset: {indexed}, found log offset: {in_log}")?;
            }
        }
        for (file, found) in self.non_consecutive.files() {
            writeln!(err, "Non-consecutive offsets in {file}")?;
            for (before, offset) in found {
                writeln!(err, "  {before} is followed by {offset}")?;
            }
        }
        Ok(())
    }
}
