//! What can be wrong with a plan before anything is resolved, under the error classes that Spark's clients and users know.

use std::collections::BTreeMap;

use thiserror::Error;

/// Why a message or a text is not a plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// Spark knows it, Andiron does not yet; `what` names it as the user would.
    #[error("[UNSUPPORTED_FEATURE] The feature is not supported: {what}.")]
    Unsupported {
        /// The relation, expression, command, option or clause.
        what: String,
    },
    /// A message that no client of Spark Connect sends: a required part is missing or contradicts another.
    #[error("[CONNECT_INVALID_PLAN] The Spark Connect plan is invalid: {what}.")]
    Invalid {
        /// What is wrong.
        what: String,
    },
    /// SQL text, a column expression or a DDL schema that is not in the grammar.
    #[error("[PARSE_SYNTAX_ERROR] Syntax error at or near {near}{hint}. SQLSTATE: 42601 {context}")]
    Syntax {
        /// The token at which the parser stopped, quoted as Spark quotes it, or `end of input`.
        near: String,
        /// More about what was expected, beginning with `: `; empty when there is nothing to say.
        hint: String,
        /// The position and the text, in Spark's form `(line 1, pos 7)\n\n== SQL ==\n...`.
        context: String,
    },
    /// A name in a schema is no data type.
    #[error("[UNSUPPORTED_DATATYPE] Unsupported data type {name}. SQLSTATE: 0A000")]
    DataType {
        /// The type, as Spark quotes it: upper case within double quotes.
        name: String,
    },
    /// A schema in JSON form is not one.
    #[error(
        "[INVALID_JSON_DATA_TYPE] Failed to convert the JSON string '{json}' to a data type. Please enter a valid data type. SQLSTATE: 2203G"
    )]
    JsonDataType {
        /// The text, cut to a readable length.
        json: String,
    },
    /// A literal that does not denote a value of its type.
    #[error("[INVALID_TYPED_LITERAL] The value of the typed literal {type_name} is invalid: {value}. SQLSTATE: 42604")]
    TypedLiteral {
        /// The type, as Spark quotes it.
        type_name: String,
        /// The text of the literal, quoted.
        value: String,
    },
    /// The plan nests deeper than [`crate::limits::PLAN_DEPTH_MAX`] or the schema than its own limit.
    #[error("[PLAN_TOO_DEEP] The plan nests more than {depth_max} levels deep.")]
    TooDeep {
        /// The limit.
        depth_max: usize,
    },
    /// A column's name is not one.
    #[error(
        "[INVALID_ATTRIBUTE_NAME_SYNTAX] Syntax error in the attribute name: {name}. Check that backticks appear in pairs, a quoted string is a complete name part and use a backtick only inside quoted name parts. SQLSTATE: 42604"
    )]
    AttributeName {
        /// The text.
        name: String,
    },
    /// A parameter marker of a SQL text has no value.
    #[error(
        "[UNBOUND_SQL_PARAMETER] Found the unbound parameter: {name}. Please, fix `args` and provide a mapping of the parameter to either a SQL literal or collection constructor functions such as `map()`, `array()`, `struct()`. SQLSTATE: 42P02"
    )]
    UnboundParameter {
        /// The marker's name, or its position for `?`.
        name: String,
    },
}

impl PlanError {
    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into() }
    }

    /// A syntax error at a byte offset of a text, shown as Spark shows it.
    pub(crate) fn syntax(text: &str, offset: usize, near: impl Into<String>, hint: impl Into<String>) -> Self {
        let offset = (0..=offset.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        let before = &text[..offset];
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line_end = text[offset..].find('\n').map_or(text.len(), |i| offset + i);
        let position = before[line_start..].chars().count();
        let context = format!(
            "(line {line}, pos {position})\n\n== SQL ==\n{}\n{}^^^{}",
            &text[..line_end],
            "-".repeat(position),
            &text[line_end..]
        );
        Self::Syntax { near: near.into(), hint: hint.into(), context }
    }

    /// Spark's error class.
    #[must_use]
    pub fn error_class(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } => "UNSUPPORTED_FEATURE",
            Self::Invalid { .. } => "CONNECT_INVALID_PLAN",
            Self::Syntax { .. } => "PARSE_SYNTAX_ERROR",
            Self::DataType { .. } => "UNSUPPORTED_DATATYPE",
            Self::JsonDataType { .. } => "INVALID_JSON_DATA_TYPE",
            Self::TypedLiteral { .. } => "INVALID_TYPED_LITERAL",
            Self::TooDeep { .. } => "PLAN_TOO_DEEP",
            Self::AttributeName { .. } => "INVALID_ATTRIBUTE_NAME_SYNTAX",
            Self::UnboundParameter { .. } => "UNBOUND_SQL_PARAMETER",
        }
    }

    /// The SQLSTATE that Spark gives to the class.
    #[must_use]
    pub fn sql_state(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } => "0A000",
            Self::Invalid { .. } => "56K00",
            Self::Syntax { .. } => "42601",
            Self::DataType { .. } => "0A000",
            Self::JsonDataType { .. } => "2203G",
            Self::TypedLiteral { .. } => "42604",
            Self::TooDeep { .. } => "54000",
            Self::AttributeName { .. } => "42604",
            Self::UnboundParameter { .. } => "42P02",
        }
    }

    /// The Java classes a client maps to its own exceptions, most specific first.
    #[must_use]
    pub fn java_classes(&self) -> &'static [&'static str] {
        const PARSE: &[&str] = &[
            "org.apache.spark.sql.catalyst.parser.ParseException",
            "org.apache.spark.sql.AnalysisException",
            "java.lang.Exception",
            "java.lang.Throwable",
            "java.lang.Object",
        ];
        const ANALYSIS: &[&str] = &[
            "org.apache.spark.sql.AnalysisException",
            "java.lang.Exception",
            "java.lang.Throwable",
            "java.lang.Object",
        ];
        const UNSUPPORTED: &[&str] = &[
            "org.apache.spark.SparkUnsupportedOperationException",
            "java.lang.UnsupportedOperationException",
            "java.lang.RuntimeException",
            "java.lang.Exception",
            "java.lang.Throwable",
            "java.lang.Object",
        ];
        const INVALID: &[&str] = &[
            "org.apache.spark.sql.connect.common.InvalidPlanInput",
            "java.lang.RuntimeException",
            "java.lang.Exception",
            "java.lang.Throwable",
            "java.lang.Object",
        ];
        match self {
            Self::Unsupported { .. } => UNSUPPORTED,
            Self::Invalid { .. } | Self::TooDeep { .. } => INVALID,
            Self::Syntax { .. } | Self::DataType { .. } | Self::TypedLiteral { .. } => PARSE,
            Self::JsonDataType { .. } | Self::AttributeName { .. } | Self::UnboundParameter { .. } => ANALYSIS,
        }
    }

    /// The named parts of the message.
    #[must_use]
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let pairs: Vec<(&str, String)> = match self {
            Self::Unsupported { what } => vec![("feature", what.clone())],
            Self::Invalid { what } => vec![("reason", what.clone())],
            Self::Syntax { near, hint, .. } => {
                vec![("error", near.clone()), ("hint", hint.clone())]
            }
            Self::DataType { name } => vec![("typeName", name.clone())],
            Self::JsonDataType { json } => vec![("invalidType", json.clone())],
            Self::TypedLiteral { type_name, value } => {
                vec![("valueType", type_name.clone()), ("value", value.clone())]
            }
            Self::TooDeep { depth_max } => vec![("depthMax", depth_max.to_string())],
            Self::AttributeName { name } | Self::UnboundParameter { name } => vec![("name", name.clone())],
        };
        pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
    }
}
