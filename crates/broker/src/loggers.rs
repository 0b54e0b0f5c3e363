//! The levels at which the parts of this program log, told and set as Kafka's broker loggers are. What they are set to is
//! forgotten with the end of the process, as it is there.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use andiron_protocol::ErrorCode;

/// The logger that stands for all the others.
pub const ROOT: &str = "root";

/// The logger of all rooms that has none of its own.
const ALL_ROOMS: &str = "andiron";

/// The loggers besides the root: all rooms, and those that speak up while a broker runs.
const ROOMS: [&str; 4] = [ALL_ROOMS, "andiron_broker", "andiron_server", "andiron_storage"];

/// How much is logged, from the least on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // each is Kafka's level of its name
pub enum Level {
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The levels in the order in which Kafka lists them.
const LEVELS: [Level; 6] = [Level::Debug, Level::Error, Level::Fatal, Level::Info, Level::Trace, Level::Warn];

impl Level {
    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Fatal => "FATAL",
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
            Level::Trace => "TRACE",
        }
    }
}

/// Takes the levels over, by logger.
type Apply = Box<dyn Fn(&BTreeMap<&'static str, Level>) + Send + Sync>;

/// The loggers of a node.
#[derive(Default)]
pub struct Loggers {
    set: Mutex<BTreeMap<&'static str, Level>>,
    apply: std::sync::OnceLock<Apply>,
}

/// A change of one logger: a level, or none to follow the root again.
pub(crate) type Change<'a> = (&'a str, Option<&'a str>);

type Refused = (ErrorCode, Option<String>);

impl Loggers {
    /// Whoever logs is told of every change by `apply`; `before` are the levels that hold until somebody says otherwise,
    /// the root's among them.
    pub fn control(&self, before: BTreeMap<&'static str, Level>, apply: Apply) {
        *self.set.lock() = before;
        let _ = self.apply.set(apply);
    }

    /// The loggers and what holds for each. None if nobody can set them.
    pub(crate) fn levels(&self) -> Vec<(&'static str, Level)> {
        let set = self.set.lock();
        let Some(root) = set.get(ROOT).copied() else { return Vec::new() };
        let all = set.get(ALL_ROOMS).copied().unwrap_or(root);
        let room = |name: &'static str| (name, set.get(name).copied().unwrap_or(all));
        ROOMS.into_iter().map(room).chain([(ROOT, root)]).collect()
    }

    /// Makes all of the changes or none.
    pub(crate) fn change(&self, changes: &[Change<'_>], validate_only: bool) -> Result<(), Refused> {
        let mut set = self.set.lock();
        let mut after = set.clone();
        for (name, level) in changes {
            let known = ROOMS.into_iter().chain([ROOT]).find(|known| known == name);
            let known = known
                .filter(|_| set.contains_key(ROOT))
                .ok_or_else(|| (ErrorCode::InvalidConfig, Some(format!("Logger {name} does not exist!"))))?;
            match level {
                None if known == ROOT => {
                    let message = "Removing the log level of the root logger is not allowed".to_owned();
                    return Err((ErrorCode::InvalidRequest, Some(message)));
                }
                None => _ = after.remove(known),
                Some(level) => {
                    let level = LEVELS.into_iter().find(|known| known.name() == *level).ok_or_else(|| {
                        let all = LEVELS.map(Level::name).join(", ");
                        let message = format!(
                            "Cannot set the log level of {name} to {level} as it is not a supported log level. Valid log levels are {all}"
                        );
                        (ErrorCode::InvalidConfig, Some(message))
                    })?;
                    after.insert(known, level);
                }
            }
        }
        if !validate_only {
            *set = after;
            if let Some(apply) = self.apply.get() {
                apply(&set);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "loggers_tests.rs"]
mod tests;
