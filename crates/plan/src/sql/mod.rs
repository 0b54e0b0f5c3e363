//! From SQL text, by sqlparser's Spark dialect, to the unresolved plan.

use crate::{
    PlanError,
    spec::{Expr, NameParts, Statement},
};

/// Values for the parameter markers of a text, `:name` and `?`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    /// By name.
    pub named: Vec<(String, Expr)>,
    /// By position.
    pub positional: Vec<Expr>,
}

/// The text of `expr(..)`, `selectExpr(..)`, `filter("..")`.
pub fn expression(_text: &str) -> Result<Expr, PlanError> {
    Err(PlanError::unsupported("SQL expression"))
}

/// The text of `spark.sql(..)`.
pub fn statement(_text: &str, _parameters: &Parameters) -> Result<Statement, PlanError> {
    Err(PlanError::unsupported("SQL statement"))
}

/// A dotted name: ``a.`b.c`.d`` is `a`, `b.c`, `d`.
pub fn name_parts(_text: &str) -> Result<NameParts, PlanError> {
    Err(PlanError::unsupported("name"))
}
