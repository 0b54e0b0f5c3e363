//! Measured paths, each beside its peer in the same run: scripts under `benches/`, run against the release build in an
//! environment that has the peers' clients. See docs/benchmarks.md for the figures.

use std::process::Command;

use clap::Subcommand;

/// What to measure.
#[derive(Subcommand)]
pub enum Bench {
    /// From exec to answers on both doors, memory idle and after a first query; beside Apache Kafka and Spark Connect
    Start,
    /// Three times the flights from Kafka to Delta, beside Apache Spark 3.5 on the same topic
    Flights,
    /// producer-perf-test and consumer-perf-test, in turns with Apache Kafka
    Produce,
    /// Records of three sizes, latency at steady rates, memory and recovery, in turns with Apache Kafka
    Broker,
    /// 10,000 connections, 10,000 partitions, 500 members of a group, a reader that hardly reads: the broker's memory
    Crowd,
}

/// Runs one benchmark and prints its table.
pub fn run(what: Bench) -> anyhow::Result<()> {
    let script = match what {
        Bench::Start => "start.py",
        Bench::Flights => "flights.py",
        Bench::Produce => "produce.py",
        Bench::Broker => "broker.py",
        Bench::Crowd => "crowd.py",
    };
    let binary = crate::python::andiron(true)?;
    let python = crate::python::environment("spark-3.5")?;
    let script = crate::tidy::root()?.join("benches").join(script);
    crate::python::run(Command::new(python).arg(script).arg(binary).env("ANDIRON_CACHE", crate::python::cache()?))
}
