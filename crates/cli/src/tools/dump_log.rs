//! `kafka-dump-log`: shows what stands in the files of a log directory, and where a log and its indexes disagree. What is
//! printed, and where it ends when a file is broken, is Apache Kafka's.

mod batches;
mod decoder;
mod findings;
mod index;
mod log;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use andiron_storage::inspect;

use super::failure::{Stop, Thrown};
use super::options::{Given, Spec, flag, maybe_value, value};
use decoder::{Decoder, Plain};
use findings::Findings;

const STRING_DECODER: &str = "org.apache.kafka.tools.api.StringDecoder";

/// The options.
pub(super) const SPEC: Spec = Spec {
    tool: "kafka-dump-log",
    about: "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly corrupt log segment.",
    flags: &[
        value("files", "file1, file2, ...", "REQUIRED: the files to show, with commas between them."),
        flag("print-data-log", "Show keys and values too; every decoder implies it."),
        flag("deep-iteration", "Show every record, not only the batches; implied by --print-data-log."),
        flag("verify-index-only", "Only hold indexes against their log."),
        flag("index-sanity-check", "Only make the check of indexes that a broker makes when it starts."),
        value("max-message-size", "bytes", "The largest batch that an index may point to (5242880)."),
        value("max-bytes", "bytes", "So many bytes of each log are read at most."),
        maybe_value(
            "value-decoder-class",
            "class",
            "How values are shown: StringDecoder, IntegerDecoder or LongDecoder of org.apache.kafka.tools.api.",
        ),
        maybe_value("key-decoder-class", "class", "The same for keys."),
        flag("offsets-decoder", "Show records of __consumer_offsets."),
        flag("transaction-log-decoder", "Show records of __transaction_state."),
        flag("cluster-metadata-decoder", "Show records of the metadata log."),
        flag("remote-log-metadata-decoder", "Refused: there is no remote log here."),
        flag("share-group-state-decoder", "Show records of __share_group_state."),
        flag("skip-record-metadata", "Show keys and values only, and nothing of control records."),
    ],
    json: false,
};

/// Runs the tool: the exit code.
pub(super) fn run(args: &[String]) -> u8 {
    match begin(args) {
        Ok(()) => 0,
        Err(Stop::Exit(code)) => code,
        Err(Stop::Usage(sentence)) => SPEC.usage(&sentence),
        Err(Stop::Thrown(thrown)) => {
            let code = thrown.uncaught();
            SPEC.suggest(thrown.text());
            code
        }
    }
}

fn begin(args: &[String]) -> Result<(), Stop> {
    let given = SPEC.parse(args)?;
    SPEC.begin(&given)?;
    given.require(&["files"])?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let done = dump(&Options { given: &given }, &mut out, &mut io::stderr().lock());
    let flushed = written(out.flush());
    done.and(flushed)?;
    Ok(())
}

/// What is asked for. As in the original an option's value is not looked at before it is needed.
#[derive(Debug)]
struct Options<'a> {
    given: &'a Given,
}

impl Options<'_> {
    fn has(&self, name: &str) -> bool {
        self.given.has(name)
    }

    fn files(&self) -> Result<Vec<String>, Thrown> {
        let mut files: Vec<String> =
            self.given.one("files")?.unwrap_or_default().split(',').map(str::to_owned).collect();
        while files.len() > 1 && files.last().is_some_and(String::is_empty) {
            files.pop();
        }
        Ok(files)
    }

    fn print_data_log(&self) -> bool {
        self.given.any(&[
            "print-data-log",
            "offsets-decoder",
            "transaction-log-decoder",
            "cluster-metadata-decoder",
            "remote-log-metadata-decoder",
            "value-decoder-class",
            "key-decoder-class",
            "share-group-state-decoder",
        ])
    }

    fn max_message_size(&self) -> Result<i32, Thrown> {
        Ok(self.given.int("max-message-size")?.unwrap_or(5 << 20))
    }

    fn max_bytes(&self) -> Result<i32, Thrown> {
        Ok(self.given.int("max-bytes")?.unwrap_or(i32::MAX))
    }

    fn decoder(&self) -> Result<Decoder, Thrown> {
        let topics = [
            ("offsets-decoder", Decoder::Offsets),
            ("transaction-log-decoder", Decoder::TransactionLog),
            ("cluster-metadata-decoder", Decoder::ClusterMetadata),
        ];
        if let Some((_, decoder)) = topics.iter().find(|(name, _)| self.has(name)) {
            return Ok(*decoder);
        }
        if self.has("remote-log-metadata-decoder") {
            let text = "--remote-log-metadata-decoder is not supported: there is no remote log here";
            return Err(Thrown::new("java.lang.UnsupportedOperationException", text));
        }
        if self.has("share-group-state-decoder") {
            return Ok(Decoder::ShareGroupState);
        }
        let value = Plain::of_class(self.given.one("value-decoder-class")?.unwrap_or(STRING_DECODER))?;
        let key = Plain::of_class(self.given.one("key-decoder-class")?.unwrap_or(STRING_DECODER))?;
        Ok(Decoder::Plain { key, value })
    }
}

/// Shows one file after the other; what disagrees comes last, on `err`.
fn dump(options: &Options<'_>, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Thrown> {
    let mut findings = Findings::default();
    for file in &options.files()? {
        let shown = java_path(file);
        written(writeln!(out, "Dumping {shown}"))?;
        let path = Path::new(&shown);
        let name = shown.rsplit('/').next().unwrap_or_default();
        match name.rsplit_once('.').map(|(_, suffix)| suffix) {
            Some("log" | "checkpoint") => log::dump(path, options, out, &mut findings)?,
            Some("index") => index::dump_offsets(path, &shown, options, out, &mut findings)?,
            Some("timeindex") => index::dump_times(path, &shown, options, out, &mut findings)?,
            Some("snapshot") => dump_producers(path, out, err)?,
            Some("txnindex") => dump_aborted(path, out)?,
            _ => written(writeln!(err, "Ignoring unknown file {shown}"))?,
        }
    }
    written(out.flush())?;
    written(findings.tell(err))
}

fn dump_producers(path: &Path, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Thrown> {
    let producers = match inspect::producers(&read(path)?) {
        Ok(producers) => producers,
        Err(fault) => return written(writeln!(err, "{fault}")),
    };
    for (id, producer) in producers {
        let open = match producer.current_txn_first_offset {
            Some(offset) => format!("OptionalLong[{offset}]"),
            None => "OptionalLong.empty".to_owned(),
        };
        written(write!(
            out,
            "producerId: {id} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {open} lastTimestamp: {}",
            producer.epoch, producer.coordinator_epoch, producer.last_timestamp
        ))?;
        if let Some(batch) = producer.batches.first() {
            written(write!(
                out,
                " firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                batch.first_sequence(),
                batch.last_sequence,
                batch.last_offset,
                batch.offset_delta,
                batch.timestamp
            ))?;
        }
        written(writeln!(out))?;
    }
    Ok(())
}

fn dump_aborted(path: &Path, out: &mut dyn Write) -> Result<(), Thrown> {
    base_offset(path)?;
    // An index of aborted transactions that is not there is one without entries.
    if !path.exists() {
        return Ok(());
    }
    let entries = inspect::aborted_transactions(&read(path)?);
    if let Some((version, _)) = entries.iter().find(|(version, _)| *version > 0) {
        let file = absolute(path);
        let text = format!(
            "Unexpected aborted transaction version {version} in transaction index {}, current version is 0",
            file.display()
        );
        return Err(Thrown::new("org.apache.kafka.common.KafkaException", text));
    }
    for (version, aborted) in entries {
        written(writeln!(
            out,
            "version: {version} producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
            aborted.producer_id, aborted.first_offset, aborted.last_offset, aborted.last_stable_offset
        ))?;
    }
    Ok(())
}

/// A file that cannot be opened or read.
fn unreadable(path: &Path, error: &io::Error) -> Thrown {
    let path = path.display().to_string();
    match error.kind() {
        io::ErrorKind::NotFound => Thrown::new("java.nio.file.NoSuchFileException", path),
        io::ErrorKind::PermissionDenied => Thrown::new("java.nio.file.AccessDeniedException", path),
        _ => Thrown::new("java.io.IOException", format!("{path}: {error}")),
    }
}

/// A text that should be a number.
fn not_a_number(text: &str) -> Thrown {
    Thrown::new("java.lang.NumberFormatException", format!("For input string: \"{text}\""))
}

/// The whole of a small file.
fn read(path: &Path) -> Result<Vec<u8>, Thrown> {
    std::fs::read(path).map_err(|error| unreadable(path, &error))
}

/// The offset that a segment's file names begin with.
fn base_offset(path: &Path) -> Result<i64, Thrown> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digits = name.split('.').next().unwrap_or_default();
    digits.parse().map_err(|_| not_a_number(digits))
}

/// A path as `java.io.File` writes it: one slash between names, none at the end.
fn java_path(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    if out.len() > 1 && out.ends_with('/') {
        out.pop();
    }
    out
}

fn absolute(path: &Path) -> PathBuf {
    match std::env::current_dir() {
        Ok(here) if path.is_relative() => here.join(path),
        _ => path.to_path_buf(),
    }
}

/// A reader that went away (`… | head`) ends the tool.
fn written(done: io::Result<()>) -> Result<(), Thrown> {
    done.map_err(|error| Thrown::new("java.io.IOException", error.to_string()))
}

#[cfg(test)]
#[path = "dump_log_tests.rs"]
mod tests;
