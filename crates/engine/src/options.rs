//! Reader and writer options: Spark compares their keys without regard to case and keeps their values as text.

use std::collections::BTreeMap;

use crate::SparkError;

/// Options of a source or a sink, by lower-case key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    by_key: BTreeMap<String, (String, String)>,
}

impl Options {
    /// Options from pairs; the last one of a key wins.
    pub fn new<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut options = Self::default();
        for (key, value) in pairs {
            options.set(key, value);
        }
        options
    }

    /// Sets one option.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let key = key.into();
        self.by_key.insert(key.to_lowercase(), (key, value.into()));
    }

    /// The value of a key in any case.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.by_key.get(&key.to_lowercase()).map(|(_, value)| value.as_str())
    }

    /// Keys as they were given, with their values, in the order of their lower-case form.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_key.values().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// `true`, `True`, `FALSE` and so on; anything else is refused by name.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, SparkError> {
        match self.get(key).map(|text| (text, text.to_ascii_lowercase())) {
            None => Ok(None),
            Some((_, lower)) if lower == "true" => Ok(Some(true)),
            Some((_, lower)) if lower == "false" => Ok(Some(false)),
            Some((text, _)) => Err(SparkError::illegal_argument(format!(
                "For input string: \"{text}\": option `{key}` is true or false"
            ))),
        }
    }

    /// A whole number; anything else is refused by name.
    pub fn integer(&self, key: &str) -> Result<Option<i64>, SparkError> {
        self.get(key)
            .map(|text| {
                text.trim().parse::<i64>().map_err(|_| {
                    SparkError::illegal_argument(format!(
                        "Invalid value '{text}' for option '{key}', must be an integer"
                    ))
                })
            })
            .transpose()
    }
}
