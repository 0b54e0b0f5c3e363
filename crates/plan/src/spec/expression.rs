//! Expressions: what computes a value from a row or a group.

use bytes::Bytes;

use super::{DataType, Literal, NameParts, Relation};

/// An unresolved expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Literal),
    /// A column, or a field of one: which parts are which is for the resolver to find out.
    Attribute {
        /// `a.b.c` in parts.
        name: NameParts,
        /// The relation the client means.
        plan_id: Option<i64>,
        /// A column of the source's metadata (`_metadata`).
        is_metadata: bool,
    },
    /// `*` or `t.*`.
    Star {
        /// Of what; empty for everything.
        target: NameParts,
        /// The relation the client means.
        plan_id: Option<i64>,
        /// Databricks' and Spark 4's `* EXCEPT (..)`.
        except: Vec<NameParts>,
    },
    /// Columns whose name matches a regular expression: ``df.colRegex("`a.*`")``.
    Regex {
        /// The expression, without the back quotes.
        pattern: String,
        /// The relation the client means.
        plan_id: Option<i64>,
    },
    /// A function, operators included: `+` is `Function{name: "+"}`, as Spark's clients send it.
    Function(Function),
    /// A type conversion.
    Cast {
        /// The value.
        expr: Box<Expr>,
        /// The type.
        data_type: DataType,
        /// What happens when it fails.
        mode: CastMode,
    },
    /// A name, or several for a generator with several columns.
    Alias {
        /// The value.
        expr: Box<Expr>,
        /// The names.
        names: Vec<String>,
        /// Metadata as JSON text.
        metadata: Option<String>,
    },
    /// An order, where an order is asked for.
    SortOrder(Box<SortOrder>),
    /// A function over a window of rows.
    Window(Box<Window>),
    /// A field of a struct, an element of an array, a value of a map.
    ExtractValue {
        /// The struct, array or map.
        child: Box<Expr>,
        /// The name, index or key.
        extraction: Box<Expr>,
    },
    /// A struct with a field set or, without a value, dropped.
    UpdateFields {
        /// The struct.
        child: Box<Expr>,
        /// The field, dotted.
        field: String,
        /// The value.
        value: Option<Box<Expr>>,
    },
    /// `x -> ..`.
    Lambda {
        /// The body.
        body: Box<Expr>,
        /// The names.
        arguments: Vec<String>,
    },
    /// A name bound by a lambda.
    LambdaVariable {
        /// The name.
        name: String,
    },
    /// `name => value`.
    NamedArgument {
        /// The name.
        name: String,
        /// The value.
        value: Box<Expr>,
    },
    /// A Python function.
    PythonUdf(Box<PythonUdf>),
    /// CASE, with the branches in order; also what Connect sends as the function `when`.
    Case {
        /// CASE operand WHEN ..; absent for conditions.
        operand: Option<Box<Expr>>,
        /// Condition (or value) and result.
        branches: Vec<(Expr, Expr)>,
        /// ELSE.
        otherwise: Option<Box<Expr>>,
    },
    /// A subquery.
    Subquery {
        /// Which use.
        kind: SubqueryKind,
        /// The query.
        query: SubqueryRef,
    },
    /// A message of an extension.
    Extension(super::Extension),
}

/// Which use of a subquery.
#[derive(Debug, Clone, PartialEq)]
pub enum SubqueryKind {
    /// One value.
    Scalar,
    /// Whether there is a row.
    Exists {
        /// NOT EXISTS.
        negated: bool,
    },
    /// Whether a row has these values.
    In {
        /// The values.
        values: Vec<Expr>,
        /// NOT IN.
        negated: bool,
    },
    /// A table as an argument.
    TableArgument,
}

/// Where the query of a subquery is.
#[derive(Debug, Clone, PartialEq)]
pub enum SubqueryRef {
    /// Here.
    Relation(Box<Relation>),
    /// In the references of the enclosing [`super::RelationNode::WithRelations`].
    PlanId(i64),
}

/// A function call.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// The name, lower case unless the user wrote it otherwise; may be dotted for a user's function.
    pub name: String,
    /// The arguments.
    pub arguments: Vec<Expr>,
    /// `count(DISTINCT x)`.
    pub is_distinct: bool,
    /// Only functions registered by users are meant.
    pub is_user_defined: bool,
    /// One of Spark's internal functions, not visible to SQL.
    pub is_internal: bool,
    /// SQL's `FILTER (WHERE ..)`.
    pub filter: Option<Box<Expr>>,
    /// SQL's `IGNORE NULLS`.
    pub ignore_nulls: bool,
}

/// What happens when a conversion fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CastMode {
    /// As `spark.sql.ansi.enabled` says.
    Session,
    /// Null, wrap-around: Spark's old way.
    Legacy,
    /// An error.
    Ansi,
    /// Null: `try_cast`.
    Try,
}

/// By what and in which direction.
#[derive(Debug, Clone, PartialEq)]
pub struct SortOrder {
    /// By what.
    pub child: Expr,
    /// Smallest first.
    pub ascending: bool,
    /// Nulls before all values.
    pub nulls_first: bool,
}

/// A function over a window of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The function.
    pub function: Expr,
    /// PARTITION BY.
    pub partition_by: Vec<Expr>,
    /// ORDER BY.
    pub order_by: Vec<SortOrder>,
    /// ROWS or RANGE.
    pub frame: Option<WindowFrame>,
}

/// The rows around one.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowFrame {
    /// By count of rows; otherwise by the value of the order.
    pub is_rows: bool,
    /// From.
    pub lower: FrameBound,
    /// To.
    pub upper: FrameBound,
}

/// One end of a window.
#[derive(Debug, Clone, PartialEq)]
pub enum FrameBound {
    /// The row itself.
    CurrentRow,
    /// The partition's end.
    Unbounded,
    /// So far away; negative is before.
    Value(Expr),
}

/// A Python function as the client pickled it.
#[derive(Debug, Clone, PartialEq)]
pub struct PythonUdf {
    /// Its name.
    pub name: String,
    /// Same input, same output.
    pub deterministic: bool,
    /// Its arguments.
    pub arguments: Vec<Expr>,
    /// What it returns; absent for streaming functions.
    pub output_type: Option<DataType>,
    /// PySpark's number for the kind of function.
    pub eval_type: i32,
    /// The pickled function.
    pub command: Bytes,
    /// `3.11`: the worker must have the same.
    pub python_version: String,
    /// Folders for `sys.path`.
    pub additional_includes: Vec<String>,
    /// Over distinct values.
    pub is_distinct: bool,
}

impl Expr {
    /// A function call without any of SQL's extras.
    #[must_use]
    pub fn function(name: impl Into<String>, arguments: Vec<Expr>) -> Self {
        Self::Function(Function {
            name: name.into(),
            arguments,
            is_distinct: false,
            is_user_defined: false,
            is_internal: false,
            filter: None,
            ignore_nulls: false,
        })
    }

    /// A column by the parts of its name.
    #[must_use]
    pub fn attribute<S: Into<String>>(name: impl IntoIterator<Item = S>) -> Self {
        Self::Attribute { name: name.into_iter().map(Into::into).collect(), plan_id: None, is_metadata: false }
    }

    /// A value under a name.
    #[must_use]
    pub fn alias(self, name: impl Into<String>) -> Self {
        Self::Alias { expr: Box::new(self), names: vec![name.into()], metadata: None }
    }

    /// The name of the expression's kind in Spark Connect, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Literal(_) => "Literal",
            Self::Attribute { .. } => "UnresolvedAttribute",
            Self::Star { .. } => "UnresolvedStar",
            Self::Regex { .. } => "UnresolvedRegex",
            Self::Function(_) => "UnresolvedFunction",
            Self::Cast { .. } => "Cast",
            Self::Alias { .. } => "Alias",
            Self::SortOrder(_) => "SortOrder",
            Self::Window(_) => "Window",
            Self::ExtractValue { .. } => "UnresolvedExtractValue",
            Self::UpdateFields { .. } => "UpdateFields",
            Self::Lambda { .. } => "LambdaFunction",
            Self::LambdaVariable { .. } => "UnresolvedNamedLambdaVariable",
            Self::NamedArgument { .. } => "NamedArgumentExpression",
            Self::PythonUdf(_) => "PythonUDF",
            Self::Case { .. } => "CaseWhen",
            Self::Subquery { .. } => "SubqueryExpression",
            Self::Extension(_) => "Extension",
        }
    }
}
