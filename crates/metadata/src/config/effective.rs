//! What holds when the dynamic configs of the image lie over those with which the broker started, and how
//! DescribeConfigs tells it: the value, where it comes from, and what would hold were it not set there.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::broker::{BrokerConfig, known};
use super::definition::{self, Definition, Kind, Update};
use crate::image::{Configs, Image, Resource, ResourceKind};

/// Where a value comes from. The number is the one in DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is Kafka's source of its name
pub enum Source {
    Topic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
    DynamicBrokerLogger = 6,
    ClientMetrics = 7,
    Group = 8,
}

/// One of the places in which a config is set.
#[derive(Clone, Debug, PartialEq)]
pub struct Synonym {
    /// The name it has there.
    pub name: String,
    /// The value it has there; none if it is a secret.
    pub value: Option<String>,
    /// The place.
    pub source: Source,
}

/// A config of a resource, as DescribeConfigs answers it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What holds; none if it is null or a secret.
    pub value: Option<String>,
    /// Where that comes from.
    pub source: Source,
    /// Whether it can only change with a restart.
    pub read_only: bool,
    /// Whether it is a secret.
    pub sensitive: bool,
    /// Where it is set, the place that counts first.
    pub synonyms: Vec<Synonym>,
    /// Its type.
    pub kind: Kind,
    /// What it is for.
    pub doc: &'static str,
}

/// All layers.
#[derive(Clone, Copy, Debug)]
pub struct Effective<'a> {
    config: &'a BrokerConfig,
    image: &'a Image,
}

impl<'a> Effective<'a> {
    /// The image's dynamic configs over the broker's.
    pub fn new(config: &'a BrokerConfig, image: &'a Image) -> Self {
        Self { config, image }
    }

    fn dynamic(&self, name: &str) -> Option<(&'a str, Source)> {
        let of = |resource: &str| self.image.config(&Resource::new(ResourceKind::BROKER, resource), name);
        let own = of(&self.config.node_id().to_string()).map(|value| (value, Source::DynamicBroker));
        own.or_else(|| of("").map(|value| (value, Source::DynamicDefaultBroker)))
    }

    /// A config of this broker; none if it is null.
    pub fn broker(&self, name: &str) -> Option<String> {
        match (self.dynamic(name), known(name)) {
            (Some((value, _)), Some(definition)) => definition.parse(value).ok(),
            (Some((value, _)), None) => Some(value.to_string()),
            (None, _) => self.config.get(name),
        }
    }

    /// This broker's number.
    pub fn node_id(&self) -> i32 {
        self.config.node_id()
    }

    /// The directories of its log.
    pub fn log_dirs(&self) -> Vec<String> {
        self.config.log_dirs()
    }

    /// Whether the config was set on this broker while it runs, not only on all of them.
    pub fn is_set_on_this_broker(&self, name: &str) -> bool {
        matches!(self.dynamic(name), Some((_, Source::DynamicBroker)))
    }

    /// A number of this broker's; 0 if it is null.
    pub fn broker_long(&self, name: &str) -> i64 {
        self.broker(name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// A config of a topic; none for a name that topics do not have.
    pub fn topic(&self, topic: &str, name: &str) -> Option<String> {
        let definition = definition::topic().get(name)?;
        match self.image.config(&Resource::new(ResourceKind::TOPIC, topic), name) {
            Some(value) => definition.parse(value).ok(),
            None => self.inherited(definition),
        }
    }

    /// A number of a topic's config.
    pub fn topic_long(&self, topic: &str, name: &str) -> i64 {
        self.topic(topic, name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// A yes or no of a topic's config.
    pub fn topic_bool(&self, topic: &str, name: &str) -> bool {
        self.topic(topic, name).as_deref() == Some("true")
    }

    /// A config of a group; none for a name that groups do not have.
    pub fn group(&self, group: &str, name: &str) -> Option<String> {
        let definition = definition::group().get(name)?;
        match self.image.config(&Resource::new(ResourceKind::GROUP, group), name) {
            Some(value) => definition.parse(value).ok(),
            None => self.inherited(definition),
        }
    }

    /// What the broker says where a topic or group does not: the first of the synonyms that is set, in its unit.
    fn inherited(&self, definition: &Definition) -> Option<String> {
        for (name, factor) in &definition.synonyms {
            // `log.retention.hours` has a default; it counts only after the others, and it is the topic's default too.
            let given = self.dynamic(name).is_some() || self.config.given(name).is_some();
            let Some(value) = self.broker(name).filter(|_| given || definition.synonyms.len() == 1) else { continue };
            return match (factor, value.parse::<i64>()) {
                (1, _) | (_, Err(_)) => Some(value),
                (factor, Ok(number)) => Some(if number < 0 { -1 } else { number.saturating_mul(*factor) }.to_string()),
            };
        }
        definition.default.map(str::to_string)
    }

    /// Where the broker has this config, the place that counts first. Empty if only a synonym of it is set: then clients
    /// are told nothing, as by Kafka.
    fn broker_synonyms(&self, name: &str, family: &[&str], sensitive: bool) -> Vec<Synonym> {
        let hide = |value: &str| (!sensitive).then(|| value.to_string());
        let mut all = Vec::new();
        let mut add = |name: &str, value: Option<&str>, source: Source| {
            if let Some(value) = value {
                all.push(Synonym { name: name.to_string(), value: hide(value), source });
            }
        };
        let node = self.config.node_id().to_string();
        for (resource, source) in [(node.as_str(), Source::DynamicBroker), ("", Source::DynamicDefaultBroker)] {
            let resource = Resource::new(ResourceKind::BROKER, resource);
            family.iter().for_each(|name| add(name, self.image.config(&resource, name), source));
        }
        family.iter().for_each(|name| add(name, self.config.given(name), Source::StaticBroker));
        family.iter().for_each(|name| add(name, known(name).and_then(|d| d.default), Source::Default));
        all.into_iter().skip_while(|synonym| synonym.name != name).collect()
    }

    /// All configs of a resource, as DescribeConfigs answers them; none for a kind of resource that has none.
    pub fn describe(&self, resource: &Resource) -> Option<Vec<Entry>> {
        let nothing = Configs::new();
        let set = self.image.configs(resource).map_or(&nothing, |configs| configs.as_ref());
        Some(match resource.kind {
            ResourceKind::TOPIC | ResourceKind::GROUP | ResourceKind::CLIENT_METRICS => {
                self.describe_with(resource, set)
            }
            ResourceKind::BROKER if resource.name.is_empty() => describe_cluster_default(set),
            ResourceKind::BROKER => self.describe_broker(),
            _ => return None,
        })
    }

    /// The configs of a topic or group on which these are set, whether it exists or not.
    pub fn describe_with(&self, resource: &Resource, set: &Configs) -> Vec<Entry> {
        let (table, source) = match resource.kind {
            ResourceKind::GROUP => (definition::group(), Source::Group),
            ResourceKind::CLIENT_METRICS => (definition::client_metrics(), Source::ClientMetrics),
            _ => (definition::topic(), Source::Topic),
        };
        let entry = |definition: &'static Definition| {
            let family: Vec<&str> = definition.synonyms.iter().map(|(name, _)| *name).collect();
            let mut synonyms = Vec::new();
            let own = set.get(definition.name);
            if let Some(value) = own {
                synonyms.push(Synonym { name: definition.name.into(), value: Some(value.clone()), source });
            }
            match (family.first(), source) {
                (Some(first), _) => synonyms.extend(self.broker_synonyms(first, &family, false)),
                (None, Source::Group) => synonyms.extend(definition.default.map(|value| Synonym {
                    name: definition.name.into(),
                    value: Some(value.into()),
                    source: Source::Default,
                })),
                (None, _) => {}
            }
            Entry {
                name: definition.name.into(),
                value: match own {
                    Some(value) => definition.parse(value).ok(),
                    None => self.inherited(definition),
                },
                source: synonyms.first().map_or(Source::Default, |first| first.source),
                read_only: false,
                sensitive: false,
                synonyms,
                kind: definition.kind,
                doc: definition.doc,
            }
        };
        table.iter().filter(|definition| !definition.internal).map(entry).collect()
    }

    fn describe_broker(&self) -> Vec<Entry> {
        let entry = |definition: &'static Definition| {
            let sensitive = definition.kind.is_sensitive();
            let synonyms = self.broker_synonyms(definition.name, &family(definition.name), sensitive);
            Entry {
                name: definition.name.into(),
                value: self.broker(definition.name).filter(|_| !sensitive),
                source: synonyms.first().map_or(Source::Default, |first| first.source),
                read_only: definition.update == Update::ReadOnly,
                sensitive,
                synonyms,
                kind: definition.kind,
                doc: definition.doc,
            }
        };
        let known = definition::broker().iter().filter(|definition| !definition.internal).map(entry);
        known.chain(self.unknown_to_a_broker()).collect()
    }

    /// What is only ever set while a broker runs, and what no broker knows: a plug-in's matter, and perhaps a secret.
    fn unknown_to_a_broker(&self) -> impl Iterator<Item = Entry> {
        let node = self.config.node_id().to_string();
        let set = [node.as_str(), ""].map(|name| self.image.configs(&Resource::new(ResourceKind::BROKER, name)));
        let names: BTreeSet<&String> = set.into_iter().flatten().flat_map(|configs| configs.keys()).collect();
        names.into_iter().filter(|name| definition::broker().get(name).is_none()).map(|name| {
            let definition = known(name);
            let synonyms = self.broker_synonyms(name, &[name], definition.is_none());
            let source = synonyms.first().map_or(Source::Default, |first| first.source);
            let entry = unknown(name, source, synonyms);
            match definition {
                Some(definition) => Entry {
                    value: self.broker(name),
                    read_only: definition.update == Update::ReadOnly,
                    sensitive: false,
                    kind: definition.kind,
                    doc: definition.doc,
                    ..entry
                },
                None => entry,
            }
        })
    }
}

/// The names under which a broker looks for a config, the one that counts first.
fn family(name: &'static str) -> Vec<&'static str> {
    let families: [&[&str]; 4] = [
        &["log.roll.ms", "log.roll.hours"],
        &["log.roll.jitter.ms", "log.roll.jitter.hours"],
        &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
        &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
    ];
    match families.iter().find(|family| family.contains(&name)) {
        // Asking for the scheduler's interval does not ask for the other.
        Some(_) if name == "log.flush.scheduler.interval.ms" => vec![name],
        Some(family) => family.to_vec(),
        None => vec![name],
    }
}

/// What is set for all brokers, and nothing else.
fn describe_cluster_default(set: &Configs) -> Vec<Entry> {
    let entry = |(name, value): (&String, &String)| {
        let Some(definition) = known(name) else {
            let source = Source::DynamicDefaultBroker;
            return unknown(name, source, vec![Synonym { name: name.clone(), value: None, source }]);
        };
        let sensitive = definition.kind.is_sensitive();
        let value = (!sensitive).then(|| value.clone());
        let synonym = Synonym { name: name.clone(), value: value.clone(), source: Source::DynamicDefaultBroker };
        Entry {
            name: definition.name.into(),
            value,
            source: Source::DynamicDefaultBroker,
            read_only: definition.update == Update::ReadOnly,
            sensitive,
            synonyms: vec![synonym],
            kind: definition.kind,
            doc: definition.doc,
        }
    };
    set.iter().map(entry).collect()
}

fn unknown(name: &str, source: Source, synonyms: Vec<Synonym>) -> Entry {
    Entry {
        name: name.to_string().into(),
        value: None,
        source,
        read_only: true,
        sensitive: true,
        synonyms,
        kind: Kind::Unknown,
        doc: "",
    }
}
