//! Kafka's shell tools: one binary under many names. `andiron kafka-topics …`, or a link named `kafka-topics` or
//! `kafka-topics.sh` to this binary. What they take, print and return is Apache Kafka's; the help is ours.
//!
//! A tool is a file of its own with a [`Spec`] or a parser of its own and a function from words to an exit code.

#![allow(dead_code, reason = "the tools share one kit; some of it waits for the next of them")]

mod arguments;
mod clock;
mod completions;
mod console_consumer;
mod console_producer;
mod consumer_perf;
mod consuming;
mod dump_log;
mod end_to_end;
mod exceptions;
mod failure;
mod java;
mod java_format;
mod java_random;
mod lines;
mod links;
mod options;
mod pairs;
mod print;
mod producer_perf;
mod properties;
mod sending;
mod session;
mod signals;
mod simple_date;
mod splittable_random;
mod storage;
mod throttle;
mod topic_filter;
mod topics;
mod verifiable;

use std::process::ExitCode;

pub(crate) use completions::Completions;
pub(crate) use links::Links;
use options::Spec;

/// The release of Apache Kafka whose tools these are like; what `--version` prints.
const KAFKA_VERSION: &str = "4.3.1";

/// What a tool can be asked on its command line, for completions.
enum Words {
    /// joptsimple's kind.
    Options(&'static Spec),
    /// argparse4j's kind.
    Arguments(&'static arguments::Parser),
}

/// One tool.
struct Tool {
    /// Its name without `.sh`.
    name: &'static str,
    /// From its words to its exit code.
    run: fn(&[String]) -> u8,
    words: Words,
}

/// Every tool, by name.
const TOOLS: &[Tool] = &[
    Tool { name: "kafka-console-consumer", run: console_consumer::run, words: Words::Options(&console_consumer::SPEC) },
    Tool { name: "kafka-console-producer", run: console_producer::run, words: Words::Options(&console_producer::SPEC) },
    Tool { name: "kafka-consumer-perf-test", run: consumer_perf::run, words: Words::Options(&consumer_perf::SPEC) },
    Tool { name: "kafka-dump-log", run: dump_log::run, words: Words::Options(&dump_log::SPEC) },
    Tool { name: "kafka-e2e-latency", run: end_to_end::run, words: Words::Options(&end_to_end::SPEC) },
    Tool { name: "kafka-producer-perf-test", run: producer_perf::run, words: Words::Arguments(&producer_perf::PARSER) },
    Tool { name: "kafka-storage", run: storage::run, words: Words::Arguments(&storage::PARSER) },
    Tool { name: "kafka-topics", run: topics::run, words: Words::Options(&topics::SPEC) },
    Tool {
        name: "kafka-verifiable-consumer",
        run: verifiable::run_consumer,
        words: Words::Arguments(&verifiable::CONSUMER),
    },
    Tool {
        name: "kafka-verifiable-producer",
        run: verifiable::run_producer,
        words: Words::Arguments(&verifiable::PRODUCER),
    },
];

/// Runs the tool of this name; `None` if there is none. `program` may be a path and may end with `.sh`.
pub(crate) fn run(program: &str, args: &[String]) -> Option<ExitCode> {
    Some(ExitCode::from((find(program)?.run)(args)))
}

/// Whether the program or its first word names a tool.
pub(crate) fn is_tool(program: &str, rest: &[String]) -> bool {
    find(program).is_some() || rest.first().is_some_and(|name| find(name).is_some())
}

fn find(program: &str) -> Option<&'static Tool> {
    let name = program.rsplit('/').next().unwrap_or(program);
    let name = name.strip_suffix(".sh").unwrap_or(name);
    TOOLS.iter().find(|tool| tool.name == name)
}

/// The tool that was perhaps meant by a name that is none.
pub(crate) fn near(name: &str) -> Option<&'static str> {
    let near = TOOLS.iter().map(|tool| (options::distance(name, tool.name), tool.name)).min()?;
    (near.0 <= 3).then_some(near.1)
}
