//! `spark.conf` as clients ask for it: what was set, else Spark's own default for the release the client belongs to.

use andiron_engine::{Exception, SparkError};
use spark_connect_proto::{self as proto, config_request::operation::OpType};

use super::{
    defaults::{self, Setting},
    limits::SETTINGS_MAX,
    session::DoorSession,
};

type Answer = (Vec<proto::KeyValue>, Vec<String>);

/// Answers one request: pairs and warnings.
pub(super) fn answer(session: &DoorSession, operation: OpType) -> Result<Answer, SparkError> {
    let mut pairs = Vec::new();
    let mut warnings = Vec::new();
    let mut pair = |key: String, value: Option<String>| pairs.push(proto::KeyValue { key, value });
    match operation {
        OpType::Set(set) => {
            for setting in set.pairs {
                match self::set(session, &setting.key, setting.value.as_deref()) {
                    Ok(()) => {}
                    Err(error) if set.silent == Some(true) => warnings.push(error.to_string()),
                    Err(error) => return Err(error),
                }
                pair(setting.key, None);
            }
        }
        OpType::Get(get) => {
            for key in get.keys {
                let value = value(session, &key).ok_or_else(|| not_found(&key))?;
                pair(key, Some(value));
            }
        }
        OpType::GetWithDefault(get) => {
            for wanted in get.pairs {
                let value = session.session.conf().get(&wanted.key).or(wanted.value);
                pair(wanted.key, value);
            }
        }
        OpType::GetOption(get) => {
            for key in get.keys {
                let value = value(session, &key);
                pair(key, value);
            }
        }
        OpType::GetAll(get) => {
            let prefix = get.prefix.unwrap_or_default();
            for (key, value) in session.session.conf().all() {
                if let Some(rest) = key.strip_prefix(&prefix) {
                    pair(rest.to_owned(), Some(value));
                }
            }
        }
        OpType::Unset(unset) => {
            for key in unset.keys {
                modifiable(&key)?;
                session.session.conf().unset(&key);
                pair(key, None);
            }
        }
        OpType::IsModifiable(wanted) => {
            for key in wanted.keys {
                let modifiable = defaults::find(&key).is_some_and(|setting| !setting.is_static);
                pair(key, Some(modifiable.to_string()));
            }
        }
    }
    Ok((pairs, warnings))
}

/// A setting's value, set or by default.
pub(super) fn value(session: &DoorSession, key: &str) -> Option<String> {
    let conf = session.session.conf();
    conf.get(key).or_else(|| match key {
        "spark.sql.session.timeZone" => Some(conf.time_zone_name()),
        key => defaults::find(key).and_then(|setting| default(setting, session.is_version_4())).map(str::to_owned),
    })
}

fn default(setting: &Setting, is_version_4: bool) -> Option<&'static str> {
    if is_version_4 { setting.default_4 } else { setting.default_3 }
}

fn set(session: &DoorSession, key: &str, value: Option<&str>) -> Result<(), SparkError> {
    modifiable(key)?;
    let Some(value) = value else {
        return Err(SparkError::illegal_argument(format!("the value of {key} is missing")));
    };
    let conf = session.session.conf();
    if let Some(setting) = defaults::find(key)
        && setting.default_4.is_some_and(|default| default == "true" || default == "false")
        && !matches!(value.trim().to_ascii_lowercase().as_str(), "true" | "false")
    {
        return Err(SparkError::new(
            Exception::IllegalArgument,
            "INVALID_CONF_VALUE.TYPE_MISMATCH",
            "22022",
            format!("The value '{value}' in the config \"{key}\" is invalid. The value should be boolean."),
        )
        .with("confName", key)
        .with("confValue", value));
    }
    if key == "spark.sql.session.timeZone" && !is_time_zone(value) {
        return Err(SparkError::new(
            Exception::IllegalArgument,
            "INVALID_CONF_VALUE.TIME_ZONE",
            "22022",
            format!("The value '{value}' in the config \"{key}\" is invalid. Cannot resolve the given timezone."),
        )
        .with("confName", key)
        .with("confValue", value));
    }
    if conf.get(key).is_none() && conf.all().len() >= SETTINGS_MAX {
        return Err(SparkError::unsupported(format!("more than {SETTINGS_MAX} settings in one session")));
    }
    conf.set(key, value);
    Ok(())
}

/// A zone by name or by offset; which names there are is for the engine to know when it uses one.
fn is_time_zone(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+' | ':'))
}

fn modifiable(key: &str) -> Result<(), SparkError> {
    match defaults::find(key) {
        Some(setting) if setting.is_static => Err(SparkError::analysis(
            "CANNOT_MODIFY_STATIC_CONFIG",
            "46110",
            format!("Cannot modify the value of the static Spark config: \"{key}\"."),
        )
        .with("key", format!("\"{key}\""))),
        _ => Ok(()),
    }
}

fn not_found(key: &str) -> SparkError {
    SparkError::new(
        Exception::NoSuchElement,
        "SQL_CONF_NOT_FOUND",
        "42K0I",
        format!("The SQL config \"{key}\" cannot be found. Please verify that the config exists."),
    )
    .with("sqlConf", format!("\"{key}\""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn time_zones_by_name_and_offset() {
        for (text, is) in [("UTC", true), ("Europe/Berlin", true), ("+02:00", true), ("", false), ("a b", false)] {
            assert_eq!(super::is_time_zone(text), is, "{text}");
        }
    }
}
