//! Checks the crash tests: mistakes are made on purpose in a copy of the tree, one after the other, and each must be found by the
//! test that is there for it. See docs/crashes.md.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use clap::Args;

/// The first seed of the power story, so that the same crashes find a mistake again.
const SEED: &str = "1";

struct Mistake {
    name: &'static str,
    file: &'static str,
    /// Stands exactly once in the file.
    right: &'static str,
    wrong: &'static str,
    /// The tests of the simulator that must fail, by the begin of their names.
    found_by: &'static str,
}

const POWER: &str = "kills::power_lost";
const LOG: &str = "storage_crash";
const CLEANER: &str = "cleaning_crash";
const DELETION: &str = "deletion_crash";
const JOURNAL: &str = "journal_crash";

const MISTAKES: [Mistake; 30] = [
    Mistake {
        name: "what is not durable is acknowledged",
        file: "crates/replication/src/partition.rs",
        right: "Durability::Synced => self.durable,",
        wrong: "Durability::Synced => self.log_end,",
        found_by: POWER,
    },
    Mistake {
        name: "a batch that comes again is not known again",
        file: "crates/storage/src/producer_state.rs",
        right: "b.first_sequence() == first && b.last_sequence == last)",
        wrong: "b.first_sequence() == first && b.last_sequence == last && first > last)",
        found_by: POWER,
    },
    Mistake {
        name: "open transactions hold nothing back",
        file: "crates/storage/src/producer_state.rs",
        right: "let open = self.ongoing.keys().next().copied();",
        wrong: "let open: Option<i64> = None;",
        found_by: POWER,
    },
    Mistake {
        name: "producers are not read from the log",
        file: "crates/storage/src/log/recover.rs",
        right: "            rebuilt |= self.replay_producers(at, from, txn_from)?;\n",
        wrong: "            _ = (at, txn_from);\n",
        found_by: POWER,
    },
    Mistake {
        name: "aborted transactions are not indexed again",
        file: "crates/storage/src/log/recover.rs",
        right: "                && rebuild\n",
        wrong: "                && !rebuild\n",
        found_by: POWER,
    },
    Mistake {
        name: "what is indexed again is not synced",
        file: "crates/storage/src/log/recover.rs",
        right: "index.as_ref().map_or(Ok(()), |file| file.sync_data());",
        wrong: "index.as_ref().map_or(Ok(()), |_| Ok(()));",
        found_by: POWER,
    },
    Mistake {
        name: "the end is told before it is known",
        file: "crates/broker/src/shard.rs",
        right: "lags: self.replica.epoch_start().is_some_and(|start| high_watermark < start),",
        wrong: "lags: false,",
        found_by: POWER,
    },
    Mistake {
        name: "producer ids are given again",
        file: "crates/metadata/src/image/apply.rs",
        right: "self.next_producer_id = record.next_producer_id;",
        wrong: "self.next_producer_id = record.next_producer_id.min(0);",
        found_by: POWER,
    },
    Mistake {
        name: "only the active segment is synced",
        file: "crates/storage/src/log.rs",
        right: "            names |= !segment.names_synced;\n            if let Err(error)",
        wrong: "            if inactive {\n                break;\n            }\n            names |= !segment.names_synced;\n            if let Err(error)",
        found_by: LOG,
    },
    Mistake {
        name: "new names are not synced",
        file: "crates/storage/src/log.rs",
        right: "if names && !dirs.contains(&self.dir) {",
        wrong: "dirs.clear();\n        if names && self.end < 0 {",
        found_by: LOG,
    },
    Mistake {
        name: "a torn batch is taken for whole",
        file: "crates/storage/src/log/recover.rs",
        right: "header.last_offset_delta < 0 || batch.check_crc().is_err()",
        wrong: "header.last_offset_delta < 0",
        found_by: LOG,
    },
    Mistake {
        name: "a hole in the log is passed over",
        file: "crates/storage/src/log/recover.rs",
        right: "if torn || (hole && !self.config.compact) {",
        wrong: "if torn || (hole && self.config.compact) {",
        found_by: LOG,
    },
    Mistake {
        name: "small files are written in place",
        file: "crates/storage/src/disk.rs",
        right: "    disk.rename(tmp, path)?;\n",
        wrong: "    disk.open(path, OpenMode::Truncate)?.write_at(&[IoSlice::new(bytes)], 0)?;\n",
        found_by: LOG,
    },
    Mistake {
        name: "a clean end leaves the log unsynced",
        file: "crates/storage/src/log/maintain.rs",
        right: "files.iter().try_for_each(|file| unless_gone(file.sync_data()));",
        wrong: "files.iter().take(0).try_for_each(|file| unless_gone(file.sync_data()));",
        found_by: LOG,
    },
    Mistake {
        name: "sources of a clean go before what replaces them is whole",
        file: "crates/storage/src/log/clean.rs",
        right: "        let staged = segment.restage(SWAP);\n        self.fail(\"swapping in a cleaned segment\", staged)?;\n",
        wrong: "",
        found_by: CLEANER,
    },
    Mistake {
        name: "a cleaned segment is not synced",
        file: "crates/storage/src/cleaner.rs",
        right: "files.iter().try_for_each(|file| file.sync_data())?;",
        wrong: "files.clear();",
        found_by: CLEANER,
    },
    Mistake {
        name: "the cleaner's checkpoint goes before the names it speaks of",
        file: "crates/storage/src/cleaner.rs",
        right: "self.io(\"syncing\", unless_gone(self.disk.sync_dir(&self.dir)))",
        wrong: "self.io(\"syncing\", unless_gone(Ok(())))",
        found_by: CLEANER,
    },
    Mistake {
        name: "a swap that was cut off leaves what it replaces",
        file: "crates/storage/src/log/open.rs",
        right: "        remove_files(disk, dir, old)?;\n        found.logs.remove(&old);\n",
        wrong: "        _ = old;\n",
        found_by: CLEANER,
    },
    Mistake {
        name: "a segment of a compacted log is rolled over before it is durable",
        file: "crates/storage/src/log/maintain.rs",
        right: "let synced = active.log().and_then(|log| log.sync_data());\n            active.synced",
        wrong: "let synced = active.log().map(|_| ());\n            active.synced",
        found_by: CLEANER,
    },
    Mistake {
        name: "a deleted topic's directory keeps its name",
        file: "crates/storage/src/log/maintain.rs",
        right: "self.io(\"deleting\", self.disk.rename(&self.dir, &to))?;",
        wrong: "self.io(\"deleting\", self.disk.create_dir_all(&to))?;",
        found_by: DELETION,
    },
    Mistake {
        name: "the journal is not synced",
        file: "crates/storage/src/journal.rs",
        right: "            current.file.sync_data()?;\n",
        wrong: "",
        found_by: JOURNAL,
    },
    Mistake {
        name: "the name of a new journal is not synced",
        file: "crates/storage/src/journal.rs",
        right: "            self.disk.sync_dir(&self.dir)?;\n            self.current = Some(Written { file,",
        wrong: "            self.current = Some(Written { file,",
        found_by: JOURNAL,
    },
    Mistake {
        name: "what only the journal has is not put back",
        file: "crates/storage/src/log/open.rs",
        right: ".filter(|_| !open.clean_shutdown);",
        wrong: ".filter(|_| open.clean_shutdown);",
        found_by: JOURNAL,
    },
    Mistake {
        name: "what the journal had is put back and not synced",
        file: "crates/storage/src/log/recover.rs",
        right: "let cut = file.set_len(whole).and_then(|()| file.sync_data());",
        wrong: "let cut = file.set_len(whole);",
        found_by: JOURNAL,
    },
    Mistake {
        name: "the journal is written again before its records are in the logs",
        file: "crates/broker/src/journal.rs",
        right: "            settled();\n",
        wrong: "            _ = settled;\n",
        found_by: POWER,
    },
    Mistake {
        name: "the journals of two directories count alike",
        file: "crates/broker/src/journal.rs",
        right: "let file = (u64::from(place) << 32) + 1;",
        wrong: "let file = u64::from(place.min(0)) + 1;",
        found_by: POWER,
    },
    Mistake {
        name: "a log that has moved is not synced",
        file: "crates/storage/src/disk.rs",
        right: "        target.sync_data()?;\n        source.close();\n",
        wrong: "        source.close();\n",
        found_by: POWER,
    },
    Mistake {
        name: "the name of a log that has moved is not synced",
        file: "crates/broker/src/node/dirs.rs",
        right: ".and_then(|()| self.disk.sync_dir(target.path())).map_err(io)?;",
        wrong: ".map_err(io)?;",
        found_by: POWER,
    },
    Mistake {
        name: "of two places of a partition both stay",
        file: "crates/broker/src/node/open.rs",
        right: "let aside = dir.set_aside(&partition, Uuid::new_v4())?;",
        wrong: "let aside = dir.partition_dir(&partition);",
        found_by: POWER,
    },
    Mistake {
        name: "the journal is written again where a log cannot be synced",
        file: "crates/broker/src/journal.rs",
        right: "            if safe {\n",
        wrong: "            if safe || *file > 0 {\n",
        found_by: POWER,
    },
];

/// Which mistakes to make.
#[derive(Args)]
pub struct Mistakes {
    /// Those whose names have this in them; else all
    only: Option<String>,
}

/// Makes each mistake in a copy of the tree and prints how it is found. Fails when one is not.
pub fn run(what: &Mistakes) -> anyhow::Result<()> {
    let chosen: Vec<&Mistake> =
        MISTAKES.iter().filter(|m| what.only.as_deref().is_none_or(|only| m.name.contains(only))).collect();
    ensure!(!chosen.is_empty(), "no mistake has that in its name");
    let folder = crate::python::cache()?.join("mistakes");
    let tree = folder.join("tree");
    copy_tree(&crate::tidy::root()?, &tree)?;
    for found_by in [POWER, LOG, CLEANER, DELETION, JOURNAL] {
        if chosen.iter().any(|m| m.found_by == found_by) {
            let right = test(&tree, &folder, found_by)?;
            ensure!(right.status.success(), "{found_by} fails without a mistake:\n{}", words(&right));
        }
    }
    let mut missed = Vec::new();
    for mistake in &chosen {
        let begun = Instant::now();
        let found = make(mistake, &tree, &folder);
        let how = match &found {
            Ok(Some(how)) => how.clone(),
            Ok(None) => "NOT FOUND".to_owned(),
            Err(why) => format!("NOT TRIED: {why}"),
        };
        println!("{} ({}, {:.0} s): {how}", mistake.name, mistake.found_by, begun.elapsed().as_secs_f64());
        if !matches!(found, Ok(Some(_))) {
            missed.push(mistake.name);
        }
    }
    if !missed.is_empty() {
        bail!("{} of {} mistakes were not found: {}", missed.len(), chosen.len(), missed.join("; "));
    }
    println!("mistakes: all {} were found", chosen.len());
    Ok(())
}

/// Makes one mistake, runs its tests, takes it back. Says what the tests said, if they failed.
fn make(mistake: &Mistake, tree: &Path, folder: &Path) -> anyhow::Result<Option<String>> {
    let path = tree.join(mistake.file);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let places = text.matches(mistake.right).count();
    ensure!(places == 1, "{}: {} has {places} places of {:?}", mistake.name, mistake.file, mistake.right);
    fs::write(&path, text.replace(mistake.right, mistake.wrong))?;
    let tried = test(tree, folder, mistake.found_by);
    fs::write(&path, text)?;
    let tried = tried?;
    if tried.status.success() {
        return Ok(None);
    }
    let words = words(&tried);
    let said = words.lines().skip_while(|line| !line.contains("panicked at")).nth(1);
    let said = said.with_context(|| format!("{}: the tests did not run:\n{words}", mistake.name))?;
    let at = words.lines().find(|line| line.contains("failed after"));
    Ok(Some([at, Some(said)].into_iter().flatten().collect::<Vec<_>>().join(": ")))
}

/// Runs tests of the simulator in the copy.
fn test(tree: &Path, folder: &Path, which: &str) -> anyhow::Result<Output> {
    let arguments = ["test", "--quiet", "--package", "andiron-simulator", "--test", "it", "--", "--nocapture", which];
    let mut cargo = crate::verify::command(&arguments)?;
    cargo.current_dir(tree).env("CARGO_TARGET_DIR", folder.join("target"));
    cargo.env("ANDIRON_SEED", SEED).env("RUST_BACKTRACE", "0").env("RUSTFLAGS", "--cap-lints warn");
    cargo.output().context("starting cargo")
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// Copies what git knows of, and what is new, into a folder; unchanged files keep their times, so that little is built again.
fn copy_tree(root: &Path, to: &Path) -> anyhow::Result<()> {
    let listed = crate::python::output(Command::new("git").current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root.join(name), to.join(name));
        let Ok(bytes) = fs::read(&from) else { continue };
        if fs::read(&to).ok().as_ref() != Some(&bytes) {
            fs::create_dir_all(to.parent().context("a file has a folder")?)?;
            fs::write(&to, bytes)?;
        }
    }
    Ok(())
}
