//! `andiron serve`: one node from a properties file, until it is told to stop.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use andiron_server::BrokerConfig;

/// Start a Kafka-compatible broker
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Kafka's own server.properties; without one, a single node on localhost:9092 with its data in ./andiron-data
    file: Option<PathBuf>,
    /// Set one property over the file, as Kafka's own start script does
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

impl Serve {
    /// Runs until SIGTERM or Ctrl-C.
    pub(crate) fn run(self, log: crate::logging::Control) -> anyhow::Result<()> {
        let config = self.config()?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("andiron-net").build()?;
        runtime.block_on(async {
            let mut stop = Signals::listen()?;
            let running = andiron_server::start(config)?;
            log.hand_to(running.node().loggers());
            for address in &running.addresses {
                println!("{} listens on {}:{}", address.listener, address.host, address.port);
            }
            stop.wait().await;
            tracing::info!("stopping");
            running.shutdown().await;
            Ok(())
        })
    }

    fn config(&self) -> anyhow::Result<BrokerConfig> {
        let text = match &self.file {
            Some(file) => {
                Some(std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?)
            }
            None => None,
        };
        let mut overrides = Vec::new();
        for pair in &self.overrides {
            let (key, value) =
                pair.split_once('=').with_context(|| format!("--override {pair}: expected key=value"))?;
            overrides.push((key.trim().to_owned(), value.trim().to_owned()));
        }
        Ok(BrokerConfig::from_properties(text.as_deref(), overrides)?)
    }
}

/// What ends a server: SIGTERM, or Ctrl-C at a terminal.
struct Signals {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
