//! From `--bootstrap-server` and `--command-config` to an admin client, with the complaints of Java's.

use andiron_client::{Admin, Client, ClientConfig, ConfigError};

use super::failure::Thrown;
use super::options::Given;

/// Runs a tool's asynchronous part on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Thrown> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Thrown::new("java.io.IOException", error.to_string()))?;
    Ok(runtime.block_on(work))
}

/// `Utils.loadProps`: a properties file.
pub(crate) fn load_properties(file: &str) -> Result<Vec<(String, String)>, Thrown> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(super::properties::parse(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Thrown::new("java.nio.file.NoSuchFileException", file))
        }
        Err(error) => Err(Thrown::new("java.io.IOException", format!("{file}: {error}"))),
    }
}

/// The properties of `--command-config`, none without it.
pub(crate) fn command_config(given: &Given) -> Result<Vec<(String, String)>, Thrown> {
    given.one("command-config")?.map_or_else(|| Ok(Vec::new()), load_properties)
}

/// The properties with one of them set.
pub(crate) fn with(mut properties: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    properties.retain(|(known, _)| known != name);
    properties.push((name.to_owned(), value.to_owned()));
    properties
}

/// `Admin.create`: wrong addresses are wrapped, wrong values are not.
pub(crate) fn admin(properties: Vec<(String, String)>) -> Result<Admin, Thrown> {
    let wrapped = |cause: Thrown| Thrown {
        class: "org.apache.kafka.common.KafkaException".to_owned(),
        message: Some("Failed to create new KafkaAdminClient".to_owned()),
        cause: Some(Box::new(cause)),
    };
    match ClientConfig::from_properties(properties) {
        Ok(config) => {
            if !config.bootstrap.iter().any(resolves) {
                let cause = "No resolvable bootstrap urls given in bootstrap.servers";
                return Err(wrapped(Thrown::new("org.apache.kafka.common.config.ConfigException", cause)));
            }
            Ok(Client::new(config).admin())
        }
        Err(error @ (ConfigError::Bootstrap { .. } | ConfigError::Missing(_))) => Err(wrapped(error.into())),
        Err(error) => Err(error.into()),
    }
}

/// The admin client that `--bootstrap-server` and `--command-config` describe.
pub(crate) fn admin_of(given: &Given) -> Result<Admin, Thrown> {
    let servers = given.one("bootstrap-server")?.unwrap_or_default();
    admin(with(command_config(given)?, "bootstrap.servers", servers))
}

fn resolves(address: &andiron_client::Address) -> bool {
    use std::net::ToSocketAddrs as _;
    (address.host.as_str(), address.port).to_socket_addrs().is_ok_and(|mut found| found.next().is_some())
}
