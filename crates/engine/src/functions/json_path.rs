//! `get_json_object` with a constant path: `$.a.b[0]`.

use arrow::array::{Array, StringViewArray, StringViewBuilder};

use crate::json::extract;

/// A step into a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Field(String),
    Index(usize),
}

/// A path without wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct JsonPath {
    steps: Vec<Step>,
}

impl JsonPath {
    /// Reads `$.a['b'][0]`; none for a path that Spark refuses too, or one with wildcards.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(name) = rest.strip_prefix('.') {
                let end = name.find(['.', '[']).unwrap_or(name.len());
                if end == 0 || &name[..end] == "*" {
                    return None;
                }
                steps.push(Step::Field(name[..end].to_owned()));
                rest = &name[end..];
            } else {
                let inner = rest.strip_prefix('[')?;
                let end = inner.find(']')?;
                let key = &inner[..end];
                steps.push(match key.strip_prefix('\'').and_then(|k| k.strip_suffix('\'')) {
                    Some(name) => Step::Field(name.to_owned()),
                    None => Step::Index(key.parse().ok()?),
                });
                rest = &inner[end + 1..];
            }
        }
        Some(Self { steps })
    }

    pub(crate) fn read(&self, input: &StringViewArray) -> StringViewArray {
        let mut out = StringViewBuilder::with_capacity(input.len());
        for text in input {
            out.append_option(text.and_then(|text| extract(text, &self.steps)));
        }
        out.finish()
    }
}
