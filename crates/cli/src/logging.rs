//! What the program says of its work on stderr, and how a running broker says more or less of it.

use std::collections::BTreeMap;

use andiron_server::{Level, Loggers, ROOT_LOGGER};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// What is asked for by nobody: libraries warn, our own rooms inform.
const DEFAULT: &str = "warn,andiron=info";
/// The logger of all our own rooms.
const ANDIRON: &str = "andiron";

/// Changes how much is logged.
pub(crate) struct Control {
    handle: reload::Handle<EnvFilter, Registry>,
    before: BTreeMap<&'static str, Level>,
}

/// Logs to stderr from now on, as much as `ANDIRON_LOG` asks for.
pub(crate) fn begin() -> Control {
    let asked = EnvFilter::try_from_env("ANDIRON_LOG").ok();
    let before = match asked.as_ref().map(EnvFilter::max_level_hint) {
        None => BTreeMap::from([(ROOT_LOGGER, Level::Warn), (ANDIRON, Level::Info)]),
        // A filter of one's own is told by the most that it lets through.
        Some(most) => BTreeMap::from([(ROOT_LOGGER, level(most.unwrap_or(LevelFilter::INFO)))]),
    };
    let (filter, handle) = reload::Layer::new(asked.unwrap_or_else(|| EnvFilter::new(DEFAULT)));
    tracing_subscriber::registry().with(filter).with(fmt::layer().with_writer(std::io::stderr)).init();
    Control { handle, before }
}

impl Control {
    /// Lets a node's loggers say how much is logged.
    pub(crate) fn hand_to(self, loggers: &Loggers) {
        let handle = self.handle;
        let apply = move |levels: &BTreeMap<&'static str, Level>| {
            if let Err(error) = handle.reload(EnvFilter::new(directives(levels))) {
                tracing::error!(%error, "cannot change how much is logged");
            }
        };
        loggers.control(self.before, Box::new(apply));
    }
}

/// The levels as a filter has them: the root without a name, the others by theirs.
fn directives(levels: &BTreeMap<&'static str, Level>) -> String {
    let one = |(name, level): (&&str, &Level)| {
        // Nothing is fatal here: whoever wants only that wants errors.
        let level = match level {
            Level::Fatal | Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        if *name == ROOT_LOGGER { level.to_owned() } else { format!("{name}={level}") }
    };
    levels.iter().map(one).collect::<Vec<_>>().join(",")
}

fn level(filter: LevelFilter) -> Level {
    match filter {
        LevelFilter::OFF => Level::Fatal,
        LevelFilter::ERROR => Level::Error,
        LevelFilter::WARN => Level::Warn,
        LevelFilter::INFO => Level::Info,
        LevelFilter::DEBUG => Level::Debug,
        LevelFilter::TRACE => Level::Trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_become_a_filter() {
        let levels =
            BTreeMap::from([(ROOT_LOGGER, Level::Warn), ("andiron_broker", Level::Trace), (ANDIRON, Level::Fatal)]);
        assert_eq!(directives(&levels), "andiron=error,andiron_broker=trace,warn");
    }
}
