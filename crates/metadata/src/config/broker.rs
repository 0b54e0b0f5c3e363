//! What a broker is started with: the file and what stands over it on the command line.

use std::collections::BTreeMap;

use super::definition::{self, Definition, elements};

/// Why a broker cannot be started with these settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value that is not allowed; the text names key, value and what is.
    #[error("{0}")]
    Value(String),
    /// A key that must be given and is not.
    #[error("Missing required configuration \"{0}\" which has no default value.")]
    Missing(&'static str),
    /// Settings that do not go together.
    #[error("{0}")]
    Conflict(String),
}

/// The settings with which the broker started. What was set while it runs lies over them (`Effective`).
#[derive(Clone, Debug, Default)]
pub struct BrokerConfig {
    given: BTreeMap<String, String>,
    node_id: i32,
}

/// With no file: one node that is broker and controller, on loopback.
const WITHOUT_FILE: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
    ("advertised.listeners", "PLAINTEXT://localhost:9092"),
    ("controller.listener.names", "CONTROLLER"),
    ("controller.quorum.bootstrap.servers", "localhost:9093"),
    ("log.dirs", "./andiron-data/log"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
];

impl BrokerConfig {
    /// Lays `--override` over the file over what holds without one. The second result warns of keys that nobody knows.
    pub fn new(
        file: Option<Vec<(String, String)>>,
        overrides: Vec<(String, String)>,
    ) -> Result<(Self, Vec<String>), ConfigError> {
        let without = || WITHOUT_FILE.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let has_file = file.is_some();
        let mut given: BTreeMap<String, String> = file.unwrap_or_else(without).into_iter().collect();
        let moved = overrides.iter().any(|(key, _)| key == "listeners");
        if moved && !has_file {
            // The advertised address belongs to the listeners that are no more.
            given.remove("advertised.listeners");
        }
        given.extend(overrides);
        // The old name and the new one stand for each other.
        for (here, there) in [("node.id", "broker.id"), ("broker.id", "node.id")] {
            if let Some(id) = given.get(here).cloned() {
                given.entry(there.into()).or_insert(id);
            }
        }
        let mut warnings = Vec::new();
        for (key, value) in &given {
            match known(key) {
                Some(definition) => {
                    definition.parse(value).map_err(ConfigError::Value)?;
                }
                None if has_meaning_elsewhere(key) => {}
                None => warnings.push(format!("unknown config {key} is ignored")),
            }
        }
        let missing = definition::broker().iter().find(|d| d.required && !given.contains_key(d.name));
        if let Some(missing) = missing {
            return Err(ConfigError::Missing(missing.name));
        }
        let mut config = Self { given, node_id: 0 };
        config.node_id = config.int("node.id");
        config.check()?;
        Ok((config, warnings))
    }

    /// The settings that hold without a file, for tests and tools.
    pub fn without_file() -> Self {
        Self::new(None, Vec::new()).map(|(config, _)| config).unwrap_or_default()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let conflict = |text: String| Err(ConfigError::Conflict(text));
        if self.node_id < 0 {
            return conflict(format!(
                "Invalid value {} for configuration node.id: Value must be at least 0",
                self.node_id
            ));
        }
        if self.given.get("broker.id").is_some_and(|id| id.trim() != self.node_id.to_string()) {
            return conflict(format!(
                "You must set `node.id` to the same value as `broker.id`: node.id is {}, broker.id is {}",
                self.node_id,
                self.get("broker.id").unwrap_or_default()
            ));
        }
        if self.log_dirs().is_empty() {
            return conflict("At least one log directory must be defined via log.dirs or log.dir.".into());
        }
        let listeners = self.list("listeners");
        let is_url = |url: &String| {
            url.split_once("://")
                .and_then(|(_, address)| address.rsplit_once(':'))
                .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        };
        if let Some(wrong) = listeners.iter().find(|url| !is_url(url)) {
            return conflict(format!(
                "Invalid value {wrong} for configuration listeners: expected NAME://host:port with a port from 0 to 65535"
            ));
        }
        let names: Vec<&str> = listeners.iter().filter_map(|url| url.split("://").next()).collect();
        let controllers = self.list("controller.listener.names");
        let is_controller = self.list("process.roles").iter().any(|role| role == "controller");
        if is_controller && !controllers.iter().any(|name| names.contains(&name.as_str())) {
            return conflict(format!(
                "controller.listener.names must contain at least one value appearing in the 'listeners' configuration when running the KRaft controller role: controller.listener.names is {}, listeners is {}",
                controllers.join(","),
                listeners.join(",")
            ));
        }
        let mut twice = names.clone();
        twice.sort_unstable();
        if let Some(pair) = twice.windows(2).find(|pair| pair[0] == pair[1]) {
            return conflict(format!(
                "Invalid value {} for configuration listeners: each listener must have a different name, and {} comes twice",
                listeners.join(","),
                pair[0]
            ));
        }
        Ok(())
    }

    /// What was given for this key, if it was.
    pub fn given(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(String::as_str)
    }

    /// All that was given.
    pub fn all_given(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What holds for this key: what was given, else the default; none for null.
    pub fn get(&self, key: &str) -> Option<String> {
        let definition = known(key);
        match (self.given.get(key), definition) {
            (Some(value), Some(definition)) => definition.parse(value).ok(),
            (Some(value), None) => Some(value.clone()),
            (None, Some(definition)) => definition.default.map(str::to_string),
            (None, None) => None,
        }
    }

    /// A number; 0 if it is null.
    pub fn long(&self, key: &str) -> i64 {
        self.get(key).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// A number that fits into 32 bits.
    pub fn int(&self, key: &str) -> i32 {
        i32::try_from(self.long(key)).unwrap_or(i32::MAX)
    }

    /// Yes or no.
    pub fn bool(&self, key: &str) -> bool {
        self.get(key).as_deref() == Some("true")
    }

    /// A list; empty if it is null.
    pub fn list(&self, key: &str) -> Vec<String> {
        let text = self.get(key).unwrap_or_default();
        elements(&text).map(str::to_string).collect()
    }

    /// This node's number.
    pub fn node_id(&self) -> i32 {
        self.node_id
    }

    /// The directories of the log.
    pub fn log_dirs(&self) -> Vec<String> {
        let dirs = self.list("log.dirs");
        if self.given.contains_key("log.dirs") { dirs } else { self.list("log.dir") }
    }

    /// The directory of the metadata log.
    pub fn metadata_log_dir(&self) -> String {
        self.get("metadata.log.dir").or_else(|| self.log_dirs().into_iter().next()).unwrap_or_default()
    }

    /// Where clients are told to connect.
    pub fn advertised_listeners(&self) -> Vec<String> {
        if self.given.contains_key("advertised.listeners") {
            return self.list("advertised.listeners");
        }
        let controllers = self.list("controller.listener.names");
        let is_controllers = |url: &String| controllers.iter().any(|name| url.split("://").next() == Some(name));
        self.list("listeners").into_iter().filter(|url| !is_controllers(url)).collect()
    }
}

pub(super) fn known(key: &str) -> Option<&'static Definition> {
    definition::broker().get(key).or_else(|| definition::throttle().get(key)).or_else(|| definition::own().get(key))
}

/// Keys that are no configs of a broker by themselves but of what it may load: settings of one listener or mechanism,
/// and of plug-ins.
fn has_meaning_elsewhere(key: &str) -> bool {
    key.starts_with("listener.name.") || key.starts_with("config.providers.")
}
