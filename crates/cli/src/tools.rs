//! Kafka's shell tools: one binary under many names. `andiron kafka-topics …`, or a link named `kafka-topics` or
//! `kafka-topics.sh` to this binary. What they take, print and return is Apache Kafka's; the help is ours.
//!
//! A tool is a file of its own with a [`Spec`] or a parser of its own and a function from words to an exit code.

#![allow(dead_code, reason = "the tools share one kit; some of it waits for the next of them")]

mod acls;
mod arguments;
mod broker_api_versions;
mod clock;
mod cluster;
mod completions;
mod configs;
mod console_consumer;
mod console_producer;
mod consumer_groups;
mod consumer_perf;
mod consuming;
mod delete_records;
mod dump_log;
mod end_to_end;
mod exceptions;
mod failure;
mod features;
mod get_offsets;
mod groups;
mod java;
mod java_base64;
mod java_format;
mod java_random;
mod json;
mod leader_election;
mod lines;
mod links;
mod log_dirs;
mod metadata_quorum;
mod options;
mod pairs;
mod print;
mod producer_perf;
mod properties;
mod reassign_partitions;
mod sending;
mod session;
mod signals;
mod simple_date;
mod splittable_random;
mod storage;
mod throttle;
mod topic_filter;
mod topics;
mod transactions;
mod verifiable;

use std::process::ExitCode;

use arguments::Parser;
pub(crate) use completions::Completions;
pub(crate) use links::Links;
use options::Spec;

/// The release of Apache Kafka whose tools these are like; what `--version` prints.
const KAFKA_VERSION: &str = "4.3.1";

/// The commit that this release was made of, which those tools tell that use argparse4j.
const KAFKA_COMMIT: &str = "26b251a451ce941d";

/// What a tool can be asked on its command line, for completions.
enum Words {
    /// joptsimple's kind.
    Options(&'static Spec),
    /// argparse4j's kind.
    Arguments(&'static Parser),
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
    of_arguments(&cluster::PARSER, cluster::run),
    of_arguments(&features::PARSER, features::run),
    of_arguments(&metadata_quorum::PARSER, metadata_quorum::run),
    of_arguments(&producer_perf::PARSER, producer_perf::run),
    of_arguments(&storage::PARSER, storage::run),
    of_arguments(&transactions::PARSER, transactions::run),
    of_arguments(&verifiable::CONSUMER, verifiable::run_consumer),
    of_arguments(&verifiable::PRODUCER, verifiable::run_producer),
    of_options(&acls::SPEC, acls::run),
    of_options(&broker_api_versions::SPEC, broker_api_versions::run),
    of_options(&configs::SPEC, configs::run),
    of_options(&console_consumer::SPEC, console_consumer::run),
    of_options(&console_producer::SPEC, console_producer::run),
    of_options(&consumer_groups::SPEC, consumer_groups::run),
    of_options(&consumer_perf::SPEC, consumer_perf::run),
    of_options(&delete_records::SPEC, delete_records::run),
    of_options(&dump_log::SPEC, dump_log::run),
    of_options(&end_to_end::SPEC, end_to_end::run),
    of_options(&get_offsets::SPEC, get_offsets::run),
    of_options(&groups::SPEC, groups::run),
    of_options(&leader_election::SPEC, leader_election::run),
    of_options(&log_dirs::SPEC, log_dirs::run),
    of_options(&reassign_partitions::SPEC, reassign_partitions::run),
    of_options(&topics::SPEC, topics::run),
];

const fn of_options(spec: &'static Spec, run: fn(&[String]) -> u8) -> Tool {
    Tool { name: spec.tool, run, words: Words::Options(spec) }
}

const fn of_arguments(parser: &'static Parser, run: fn(&[String]) -> u8) -> Tool {
    Tool { name: parser.tool, run, words: Words::Arguments(parser) }
}

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
