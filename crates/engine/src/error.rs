//! One error for everything that goes back to a Spark program: its class, its text and its place among Java's exceptions.
//! Clients choose the Python exception by the Java class names, and programs match on the error class, so both are data here.

use std::collections::BTreeMap;
use std::fmt;

use datafusion::common::DataFusionError;

/// Which of Spark's exceptions the client raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exception {
    /// The plan cannot be resolved: unknown columns, tables, functions, types that do not fit.
    Analysis,
    /// Text that is not SQL, not a schema, not JSON.
    Parse,
    /// A wrong option or argument.
    IllegalArgument,
    /// Division by zero, overflow.
    Arithmetic,
    /// Text that is not a number, in ANSI mode.
    NumberFormat,
    /// Text that is not a date or a timestamp, in ANSI mode.
    DateTime,
    /// A value that made the running query fail.
    Runtime,
    /// An index outside an array, in ANSI mode.
    ArrayIndex,
    /// A key or a setting that is not there.
    NoSuchElement,
    /// Something that is not offered.
    Unsupported,
    /// The protobuf plan is not one Spark would make.
    InvalidPlan,
    /// A streaming query ended with an error.
    StreamingQuery,
    /// The user's Python function failed.
    Python,
    /// Everything else, the storage and Kafka included.
    Spark,
}

impl Exception {
    /// Java's class names, the most specific one first, as Spark sends them.
    pub fn java_classes(self) -> &'static [&'static str] {
        const END: [&str; 3] = ["java.lang.Exception", "java.lang.Throwable", "java.lang.Object"];
        match self {
            Self::Analysis => &["org.apache.spark.sql.AnalysisException", END[0], END[1], END[2]],
            Self::Parse => &[
                "org.apache.spark.sql.catalyst.parser.ParseException",
                "org.apache.spark.sql.AnalysisException",
                END[0],
                END[1],
                END[2],
            ],
            Self::IllegalArgument => &[
                "org.apache.spark.SparkIllegalArgumentException",
                "java.lang.IllegalArgumentException",
                "java.lang.RuntimeException",
                END[0],
                END[1],
                END[2],
            ],
            Self::Arithmetic => &[
                "org.apache.spark.SparkArithmeticException",
                "java.lang.ArithmeticException",
                "java.lang.RuntimeException",
                END[0],
                END[1],
                END[2],
            ],
            Self::NumberFormat => &[
                "org.apache.spark.SparkNumberFormatException",
                "java.lang.NumberFormatException",
                "java.lang.IllegalArgumentException",
                "java.lang.RuntimeException",
                END[0],
                END[1],
                END[2],
            ],
            Self::DateTime => &[
                "org.apache.spark.SparkDateTimeException",
                "java.time.DateTimeException",
                "java.lang.RuntimeException",
                END[0],
                END[1],
                END[2],
            ],
            Self::Runtime => {
                &["org.apache.spark.SparkRuntimeException", "java.lang.RuntimeException", END[0], END[1], END[2]]
            }
            Self::ArrayIndex => &[
                "org.apache.spark.SparkArrayIndexOutOfBoundsException",
                "java.lang.ArrayIndexOutOfBoundsException",
                "java.lang.IndexOutOfBoundsException",
                "java.lang.RuntimeException",
                END[0],
                END[1],
                END[2],
            ],
            Self::NoSuchElement => &[
                "org.apache.spark.SparkNoSuchElementException",
                "java.util.NoSuchElementException",
                "java.lang.RuntimeException",
                END[0],
                END[1],
                END[2],
            ],
            Self::Unsupported => &[
                "org.apache.spark.SparkUnsupportedOperationException",
                "java.lang.UnsupportedOperationException",
                "java.lang.RuntimeException",
                END[0],
                END[1],
                END[2],
            ],
            Self::InvalidPlan => &[
                "org.apache.spark.sql.connect.common.InvalidPlanInput",
                "java.lang.RuntimeException",
                END[0],
                END[1],
                END[2],
            ],
            Self::StreamingQuery => &["org.apache.spark.sql.streaming.StreamingQueryException", END[0], END[1], END[2]],
            Self::Python => {
                &["org.apache.spark.api.python.PythonException", "java.lang.RuntimeException", END[0], END[1], END[2]]
            }
            Self::Spark => &["org.apache.spark.SparkException", END[0], END[1], END[2]],
        }
    }
}

/// An error as Spark reports it. `Display` is the text that clients show: `[CLASS] text SQLSTATE: state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkError {
    exception: Exception,
    class: Option<String>,
    message: String,
    sql_state: Option<&'static str>,
    parameters: BTreeMap<String, String>,
}

impl SparkError {
    /// An error with an error class, for instance `TABLE_OR_VIEW_NOT_FOUND`, and its state.
    pub fn new(exception: Exception, class: &str, sql_state: &'static str, message: impl Into<String>) -> Self {
        Self {
            exception,
            class: Some(class.to_owned()),
            message: message.into(),
            sql_state: Some(sql_state),
            parameters: BTreeMap::new(),
        }
    }

    /// An error for which Spark has no class.
    pub fn plain(exception: Exception, message: impl Into<String>) -> Self {
        Self { exception, class: None, message: message.into(), sql_state: None, parameters: BTreeMap::new() }
    }

    /// An analysis error with a class.
    pub fn analysis(class: &str, sql_state: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exception::Analysis, class, sql_state, message)
    }

    /// A wrong option or argument, in Java's words an `IllegalArgumentException`.
    pub fn illegal_argument(message: impl Into<String>) -> Self {
        Self::plain(Exception::IllegalArgument, message)
    }

    /// Something that Spark has and Andiron does not have yet; `what` names it.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(
            Exception::Unsupported,
            "UNSUPPORTED_FEATURE.ANDIRON",
            "0A000",
            format!("The feature is not supported: {what}."),
        )
    }

    /// A fault of ours; `what` says what was being done.
    pub fn internal(what: impl fmt::Display) -> Self {
        Self::new(Exception::Spark, "INTERNAL_ERROR", "XX000", what.to_string())
    }

    /// Adds one of the class's message parameters.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// Which exception the client raises.
    pub fn exception(&self) -> Exception {
        self.exception
    }

    /// The error class, if Spark has one for it.
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    /// The text without class and state.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The SQLSTATE, if there is a class.
    pub fn sql_state(&self) -> Option<&'static str> {
        self.sql_state
    }

    /// The class's message parameters by name.
    pub fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    /// Java's class names, the most specific one first.
    pub fn java_classes(&self) -> &'static [&'static str] {
        self.exception.java_classes()
    }

    /// Wraps the error so that it passes through DataFusion and comes out again by [`SparkError::from`].
    pub fn into_datafusion(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }
}

impl fmt::Display for SparkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(class) = &self.class {
            write!(f, "[{class}] ")?;
        }
        f.write_str(&self.message)?;
        if let Some(state) = self.sql_state {
            write!(f, " SQLSTATE: {state}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SparkError {}

/// Looks for an error of ours inside DataFusion's wrappings.
fn carried<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a SparkError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<SparkError>() {
            return Some(ours);
        }
        // The boxes are looked into by hand: `source()` of a wrapper may already be the source of what it wraps.
        let inner = match error.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => carried(inner.as_ref()),
            Some(DataFusionError::ArrowError(inner, _)) => carried(inner.as_ref()),
            Some(DataFusionError::Shared(inner)) => carried(inner.as_ref()),
            Some(DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner)) => carried(inner.as_ref()),
            _ => match error.downcast_ref::<arrow::error::ArrowError>() {
                Some(arrow::error::ArrowError::ExternalError(inner)) => carried(inner.as_ref()),
                _ => None,
            },
        };
        if inner.is_some() {
            return inner;
        }
        next = error.source();
    }
    None
}

impl From<DataFusionError> for SparkError {
    fn from(error: DataFusionError) -> Self {
        if let Some(ours) = carried(&error) {
            return ours.clone();
        }
        match error.find_root() {
            DataFusionError::ArrowError(inner, _) if matches!(**inner, arrow::error::ArrowError::DivideByZero) => {
                Self::divide_by_zero()
            }
            DataFusionError::ResourcesExhausted(text) => Self::plain(Exception::Spark, text.clone()),
            DataFusionError::NotImplemented(text) => Self::unsupported(text),
            DataFusionError::Plan(text) => Self::plain(Exception::Analysis, text.clone()),
            other => Self::plain(Exception::Spark, other.strip_backtrace()),
        }
    }
}

impl From<arrow::error::ArrowError> for SparkError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::from(DataFusionError::from(error))
    }
}

impl From<std::io::Error> for SparkError {
    fn from(error: std::io::Error) -> Self {
        Self::plain(Exception::Spark, error.to_string())
    }
}

/// The errors that more than one room of the engine reports, in Spark's words.
impl SparkError {
    /// A name that no column has; `known` are the names in reach, best guess first.
    pub fn unresolved_column(name: &str, known: &[String]) -> Self {
        let quoted = quote_name(name);
        if known.is_empty() {
            return Self::analysis(
                "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
                "42703",
                format!("A column, variable, or function parameter with name {quoted} cannot be resolved."),
            )
            .with("objectName", quoted);
        }
        let proposal = known.iter().take(5).map(|k| quote_name(k)).collect::<Vec<_>>().join(", ");
        Self::analysis(
            "UNRESOLVED_COLUMN.WITH_SUGGESTION",
            "42703",
            format!(
                "A column, variable, or function parameter with name {quoted} cannot be resolved. \
                 Did you mean one of the following? [{proposal}]."
            ),
        )
        .with("objectName", quoted)
        .with("proposal", proposal)
    }

    /// A field that a struct has not.
    pub fn field_not_found(field: &str, fields: &[String]) -> Self {
        let quoted = fields.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
        Self::analysis("FIELD_NOT_FOUND", "42704", format!("No such struct field `{field}` in {quoted}."))
            .with("fieldName", format!("`{field}`"))
            .with("fields", quoted)
    }

    /// More than one column has the name.
    pub fn ambiguous_reference(name: &str, candidates: &[String]) -> Self {
        let quoted = quote_name(name);
        let candidates = candidates.iter().map(|c| quote_name(c)).collect::<Vec<_>>().join(", ");
        Self::analysis(
            "AMBIGUOUS_REFERENCE",
            "42704",
            format!("Reference {quoted} is ambiguous, could be: [{candidates}]."),
        )
        .with("name", quoted)
        .with("referenceNames", format!("[{candidates}]"))
    }

    /// A table or view that is not there.
    pub fn table_not_found(name: &str) -> Self {
        let quoted = quote_name(name);
        Self::analysis(
            "TABLE_OR_VIEW_NOT_FOUND",
            "42P01",
            format!(
                "The table or view {quoted} cannot be found. Verify the spelling and correctness of the schema and catalog.\n\
                 If you did not qualify the name with a schema, verify the current_schema() output, or qualify the name with the correct schema and catalog.\n\
                 To tolerate the error on drop use DROP VIEW IF EXISTS or DROP TABLE IF EXISTS."
            ),
        )
        .with("relationName", quoted)
    }

    /// A function that is neither built in nor registered.
    pub fn unresolved_routine(name: &str) -> Self {
        let quoted = format!("`{name}`");
        Self::analysis(
            "UNRESOLVED_ROUTINE",
            "42883",
            format!("Cannot resolve routine {quoted} on search path [`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]."),
        )
        .with("routineName", quoted)
        .with("searchPath", "[`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]")
    }

    /// A function called with a number of arguments that it does not take.
    pub fn wrong_num_args(name: &str, expected: &str, actual: usize) -> Self {
        Self::analysis(
            "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            "42605",
            format!("The `{name}` requires {expected} parameters but the actual number is {actual}."),
        )
        .with("functionName", format!("`{name}`"))
        .with("expectedNum", expected)
        .with("actualNum", actual.to_string())
    }

    /// An argument whose type the expression does not take.
    pub fn unexpected_input_type(sql: &str, ordinal: &str, required: &str, input_sql: &str, input: &str) -> Self {
        Self::analysis(
            "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            "42K09",
            format!(
                "Cannot resolve \"{sql}\" due to data type mismatch: The {ordinal} parameter requires the {required} type, \
                 however \"{input_sql}\" has the type \"{input}\"."
            ),
        )
        .with("sqlExpr", format!("\"{sql}\""))
        .with("paramIndex", ordinal)
        .with("requiredType", required)
        .with("inputSql", format!("\"{input_sql}\""))
        .with("inputType", format!("\"{input}\""))
    }

    /// A path that holds nothing.
    pub fn path_not_found(path: &str) -> Self {
        Self::analysis("PATH_NOT_FOUND", "42K03", format!("Path does not exist: {path}.")).with("path", path)
    }

    /// A format that nobody registered.
    pub fn data_source_not_found(name: &str) -> Self {
        Self::new(
            Exception::Analysis,
            "DATA_SOURCE_NOT_FOUND",
            "42K02",
            format!("Failed to find the data source: {name}. Make sure the provider name is correct and the package is properly registered and compatible with your Spark version."),
        )
        .with("provider", name)
    }

    /// Division by zero in ANSI mode.
    pub fn divide_by_zero() -> Self {
        Self::new(
            Exception::Arithmetic,
            "DIVIDE_BY_ZERO",
            "22012",
            "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead. \
             If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error.",
        )
        .with("config", "\"spark.sql.ansi.enabled\"")
    }

    /// A value that a cast cannot take, in ANSI mode.
    pub fn cast_invalid_input(value: &str, from: &str, to: &str) -> Self {
        let exception = match to {
            "DATE" | "TIMESTAMP" | "TIMESTAMP_NTZ" => Exception::DateTime,
            _ => Exception::NumberFormat,
        };
        Self::new(
            exception,
            "CAST_INVALID_INPUT",
            "22018",
            format!(
                "The value '{value}' of the type \"{from}\" cannot be cast to \"{to}\" because it is malformed. \
                 Correct the value as per the syntax, or change its target type. Use `try_cast` to tolerate malformed input and return NULL instead."
            ),
        )
        .with("expression", format!("'{value}'"))
        .with("sourceType", format!("\"{from}\""))
        .with("targetType", format!("\"{to}\""))
        .with("ansiConfig", "\"spark.sql.ansi.enabled\"")
    }
}

/// A dotted name with every part in backticks, as Spark's messages print it.
pub fn quote_name(name: &str) -> String {
    name.split('.').map(|part| format!("`{}`", part.trim_matches('`'))).collect::<Vec<_>>().join(".")
}

impl From<andiron_plan::PlanError> for SparkError {
    fn from(error: andiron_plan::PlanError) -> Self {
        use andiron_plan::PlanError;
        let exception = match &error {
            PlanError::Unsupported { .. } => Exception::Unsupported,
            PlanError::Invalid { .. } | PlanError::TooDeep { .. } => Exception::InvalidPlan,
            PlanError::Syntax { .. } | PlanError::DataType { .. } | PlanError::TypedLiteral { .. } => Exception::Parse,
            PlanError::JsonDataType { .. } | PlanError::AttributeName { .. } | PlanError::UnboundParameter { .. } => {
                Exception::Analysis
            }
        };
        let class = error.error_class();
        // `Display` of a plan's error carries class and state, which are fields here.
        let text = error.to_string();
        let text = text.strip_prefix(&format!("[{class}] ")).unwrap_or(&text);
        let message = text.replace(&format!(" SQLSTATE: {}", error.sql_state()), "");
        Self {
            exception,
            class: Some(class.to_owned()),
            message,
            sql_state: Some(error.sql_state()),
            parameters: error.parameters(),
        }
    }
}
