//! The tables: what each config is called, what it may be, and what it is when nobody says.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The type of a config. The number is the one in DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is Kafka's type of its name
pub enum Kind {
    /// Of a config that nobody knows.
    Unknown = 0,
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

impl Kind {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "BOOLEAN" => Self::Boolean,
            "STRING" => Self::String,
            "INT" => Self::Int,
            "SHORT" => Self::Short,
            "LONG" => Self::Long,
            "DOUBLE" => Self::Double,
            "LIST" => Self::List,
            "CLASS" => Self::Class,
            "PASSWORD" => Self::Password,
            _ => return None,
        })
    }

    /// Whether values are kept from the eyes of clients.
    pub fn is_sensitive(self) -> bool {
        self == Self::Password
    }
}

/// When a broker's config may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Only with a restart.
    ReadOnly,
    /// On one broker.
    PerBroker,
    /// On one broker, or on all at once.
    ClusterWide,
}

/// What a value must satisfy besides its type.
#[derive(Clone, Debug, PartialEq)]
enum Check {
    Anything,
    Range {
        min: f64,
        max: Option<f64>,
        text: (String, String),
    },
    /// Gzip's levels are a range and a value outside it.
    OneToNineOrMinusOne,
    OneOf(Vec<&'static str>),
    OneOfAnyCase(Vec<&'static str>),
    NonEmpty,
    ThrottledReplicas,
}

/// A config.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its default, if it has one and it is not null.
    pub default: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
    /// Kafka's word on how much it matters: HIGH, MEDIUM or LOW.
    pub importance: &'static str,
    /// When it may change, for a broker's config.
    pub update: Update,
    /// Whether it is shown to nobody.
    pub internal: bool,
    /// The broker's configs that stand behind a topic's or group's, and the factor to its unit. The first that is set counts.
    pub synonyms: Vec<(&'static str, i64)>,
    /// What it is for.
    pub doc: &'static str,
    check: Check,
}

impl Definition {
    /// The value as Kafka prints it, or Kafka's complaint.
    pub fn parse(&self, value: &str) -> Result<String, String> {
        let complain =
            |value: &str, why: &str| Err(format!("Invalid value {value} for configuration {}: {why}", self.name));
        let text = value.trim();
        let parsed = match self.kind {
            Kind::Boolean => match text.to_ascii_lowercase().as_str() {
                known @ ("true" | "false") => known.to_string(),
                _ => return complain(value, "Expected value to be either true or false"),
            },
            Kind::Int => match text.parse::<i32>() {
                Ok(number) => number.to_string(),
                Err(_) => return complain(value, "Not a number of type INT"),
            },
            Kind::Short => match text.parse::<i16>() {
                Ok(number) => number.to_string(),
                Err(_) => return complain(value, "Not a number of type SHORT"),
            },
            Kind::Long => match text.parse::<i64>() {
                Ok(number) => number.to_string(),
                Err(_) => return complain(value, "Not a number of type LONG"),
            },
            Kind::Double => match text.parse::<f64>() {
                Ok(number) => java_double(number),
                Err(_) => return complain(value, "Not a number of type DOUBLE"),
            },
            Kind::List => elements(text).collect::<Vec<_>>().join(","),
            Kind::Password => value.to_string(),
            Kind::String | Kind::Class | Kind::Unknown => text.to_string(),
        };
        match &self.check {
            Check::Anything => {}
            Check::Range { min, max, text } => {
                let number: f64 = parsed.parse().unwrap_or(f64::NAN);
                if number < *min {
                    return complain(&parsed, &format!("Value must be at least {}", text.0));
                }
                if max.is_some_and(|max| number > max) {
                    return complain(&parsed, &format!("Value must be no more than {}", text.1));
                }
            }
            Check::OneToNineOrMinusOne => {
                if !matches!(parsed.parse(), Ok(-1 | 1..=9)) {
                    return complain(&parsed, "Value must be between 1 and 9 or equal to -1");
                }
            }
            Check::OneOf(allowed) => {
                if self.kind == Kind::List && parsed.is_empty() && self.required {
                    return Err(format!(
                        "Configuration '{}' must not be empty. Valid values include: [{}]",
                        self.name,
                        allowed.join(", ")
                    ));
                }
                let one_by_one: Vec<&str> =
                    if self.kind == Kind::List { elements(&parsed).collect() } else { vec![&parsed] };
                if let Some(wrong) = one_by_one.iter().find(|element| !allowed.contains(element)) {
                    return complain(wrong, &format!("String must be one of: {}", allowed.join(", ")));
                }
            }
            Check::OneOfAnyCase(allowed) => {
                if !allowed.iter().any(|known| known.eq_ignore_ascii_case(&parsed)) {
                    let allowed = allowed.join(", ");
                    return complain(&parsed, &format!("String must be one of (case insensitive): {allowed}"));
                }
            }
            Check::NonEmpty => {
                if parsed.is_empty() {
                    return complain(
                        "",
                        if self.kind == Kind::List { "List must not be empty" } else { "String must be non-empty" },
                    );
                }
            }
            Check::ThrottledReplicas => {
                let pair = |element: &str| {
                    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                    element.split_once(':').is_some_and(|(partition, broker)| digits(partition) && digits(broker))
                };
                if parsed != "*" && !elements(&parsed).all(pair) {
                    let list = elements(&parsed).collect::<Vec<_>>().join(", ");
                    let why = format!(
                        "{} must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                        self.name
                    );
                    return complain(&format!("[{list}]"), &why);
                }
            }
        }
        Ok(parsed)
    }
}

/// The elements of a list.
pub(crate) fn elements(list: &str) -> impl Iterator<Item = &str> {
    let list = list.trim();
    list.split(',').map(str::trim).filter(move |_| !list.is_empty())
}

/// A double as Java prints it: with a fraction always, and with an exponent outside a thousandth to ten millions.
fn java_double(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) || !number.is_finite() {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

/// A table of configs by name.
#[derive(Debug)]
pub struct Table(BTreeMap<&'static str, Definition>);

impl Table {
    /// The config of this name.
    pub fn get(&self, name: &str) -> Option<&Definition> {
        self.0.get(name)
    }

    /// All of them by name.
    pub fn iter(&self) -> impl Iterator<Item = &Definition> {
        self.0.values()
    }

    fn read(text: &'static str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(definition).map(|definition| (definition.name, definition)).collect())
    }
}

/// A line of a table. The tables are part of the program, and a test reads each line of them.
fn definition(line: &'static str) -> Option<Definition> {
    let [name, kind, default, importance, allowed, more, doc] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
    let update = match more.as_bytes().first() {
        Some(b'b') => Update::PerBroker,
        Some(b'c') => Update::ClusterWide,
        _ => Update::ReadOnly,
    };
    let synonyms = if more.contains('.') { more.split(',').map(synonym).collect() } else { Vec::new() };
    Some(Definition {
        name,
        kind: Kind::from_name(kind)?,
        default: (default != "~" && default != "!").then_some(default),
        required: default == "!",
        importance,
        update,
        internal: more.ends_with('i') && more.len() == 2,
        synonyms,
        doc,
        check: check(allowed)?,
    })
}

fn synonym(text: &'static str) -> (&'static str, i64) {
    match text.split_once(':') {
        Some((name, factor)) => (name, factor.parse().unwrap_or(1)),
        None => (text, 1),
    }
}

fn check(allowed: &'static str) -> Option<Check> {
    let list = |text: &'static str| text.trim_matches(['[', ']']).split(", ").collect();
    Some(match allowed {
        "" => Check::Anything,
        "nonempty" => Check::NonEmpty,
        "replicas" => Check::ThrottledReplicas,
        "[1,...,9] or -1" => Check::OneToNineOrMinusOne,
        _ if allowed.contains(",...") => {
            let mut bounds = allowed.trim_matches(['[', ']']).split(",...");
            let min = bounds.next()?;
            let max = bounds.next().map(|max| max.trim_start_matches(',')).filter(|max| !max.is_empty());
            let number = |text: &str| text.parse::<f64>().ok();
            let text = (min.to_string(), max.unwrap_or_default().to_string());
            Check::Range { min: number(min)?, max: max.and_then(number), text }
        }
        _ => match allowed.strip_prefix('i') {
            Some(rest) => Check::OneOfAnyCase(list(rest)),
            None => Check::OneOf(list(allowed)),
        },
    })
}

macro_rules! tables {
    ($($(#[$meta:meta])* $name:ident $file:literal)*) => {$(
        $(#[$meta])*
        pub fn $name() -> &'static Table {
            static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!($file)));
            &TABLE
        }
    )*};
}

tables! {
    /// The configs of a topic.
    topic "topic.tsv"
    /// The configs of a broker.
    broker "broker.tsv"
    /// The configs of a group.
    group "group.tsv"
    /// The configs of a broker that are only ever set while it runs.
    throttle "throttle.tsv"
    /// The configs of a subscription to client metrics.
    client_metrics "client_metrics.tsv"
    /// The keys that only Andiron has.
    own "own.tsv"
}
