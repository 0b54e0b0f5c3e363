//! From `--bootstrap-server` and `--command-config` to an admin client, with the complaints of Java's.

use andiron_client::{Admin, Client, ClientConfig, ConfigError};

use super::failure::{Stop, Thrown};
use super::options::Given;

/// Runs a tool's asynchronous part on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Thrown> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Thrown::new("java.io.IOException", error.to_string()))?;
    Ok(runtime.block_on(work))
}

/// `Utils.loadProps`: a properties file.
pub(crate) fn load_properties(file: &str) -> Result<Vec<(String, String)>, Thrown> {
    Ok(super::properties::parse(&bytes(file)?))
}

/// `Utils.readFileAsString`.
pub(crate) fn read_file(file: &str) -> Result<String, Thrown> {
    match bytes(file) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(cause) => Err(Thrown {
            cause: Some(Box::new(cause)),
            ..Thrown::new("java.io.IOException", format!("Unable to read file {file}"))
        }),
    }
}

fn bytes(file: &str) -> Result<Vec<u8>, Thrown> {
    std::fs::read(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Thrown::new("java.nio.file.NoSuchFileException", file),
        _ => Thrown::new("java.io.IOException", error.to_string()),
    })
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
        cause: Some(Box::new(cause)),
        ..Thrown::new("org.apache.kafka.common.KafkaException", "Failed to create new KafkaAdminClient")
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

/// `CommandLineUtils.initializeBootstrapProperties`: the addresses of brokers or of controllers, not of both.
pub(crate) fn bootstrap(given: &Given, properties: Vec<(String, String)>) -> Result<Vec<(String, String)>, Stop> {
    let (server, controller) = (given.one("bootstrap-server")?, given.one("bootstrap-controller")?);
    bootstrap_of(properties, server, controller).map_err(Stop::Usage)
}

/// The same from words that were read otherwise; the complaint if there is none of both, or both.
pub(crate) fn bootstrap_of(
    properties: Vec<(String, String)>,
    server: Option<&str>,
    controller: Option<&str>,
) -> Result<Vec<(String, String)>, String> {
    match (server, controller) {
        (Some(_), Some(_)) => Err("You cannot specify both --bootstrap-controller and --bootstrap-server.".to_owned()),
        (None, None) => Err("You must specify either --bootstrap-controller or --bootstrap-server.".to_owned()),
        (Some(servers), None) => Ok(with(properties, "bootstrap.servers", servers)),
        // Controllers are asked as brokers are; what kind of nodes is meant, only DescribeCluster is told.
        (None, Some(controllers)) => Ok(with(properties, "bootstrap.servers", controllers)),
    }
}

/// `ToolsUtils.validateBootstrapServer`: whether each address looks like one (`Utils.getPort`); whether its host is one, the
/// client says.
pub(crate) fn valid_servers(servers: &str) -> Result<(), Stop> {
    if servers.trim().is_empty() {
        return Err(Stop::Usage("Error while validating the bootstrap address\n".to_owned()));
    }
    let has_port = |entry: &str| {
        let address = entry.split_once("://").map_or(entry, |(_, address)| address);
        address.rsplit_once(':').is_some_and(|(host, port)| {
            let sane = |c: char| c.is_ascii_alphanumeric() || "-%._:[]".contains(c);
            host.chars().all(sane) && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
        })
    };
    // Java's split leaves out what is empty at the end.
    if servers.trim_end_matches(',').split(',').all(has_port) {
        Ok(())
    } else {
        Err(Stop::Usage("Please provide valid host:port like host1:9091,host2:9092\n".to_owned()))
    }
}

fn resolves(address: &andiron_client::Address) -> bool {
    use std::net::ToSocketAddrs as _;
    (address.host.as_str(), address.port).to_socket_addrs().is_ok_and(|mut found| found.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_look_like_some() {
        for good in ["a:1", "a:1,b:2", "a:1,", ":9092", "PLAINTEXT://localhost:1", "[::1]:1", "a-b.c:9092"] {
            assert_eq!(valid_servers(good), Ok(()), "{good}");
        }
        let wrong = Err(Stop::Usage("Please provide valid host:port like host1:9091,host2:9092\n".to_owned()));
        for bad in [",", "a", "a:1, b:2", "ho/st:1", "a:1x", "a:", "a:1,,b:2"] {
            assert_eq!(valid_servers(bad), wrong, "{bad}");
        }
        let empty = Err(Stop::Usage("Error while validating the bootstrap address\n".to_owned()));
        assert_eq!((valid_servers(""), valid_servers(" ")), (empty.clone(), empty));
    }
}
