//! From SQL text, by sqlparser's Spark dialect, to the unresolved plan.

mod expression;
mod interval;
mod names;
mod parse;
mod query;
mod statement;

use crate::{
    PlanError,
    depth::Depth,
    spec::{Expr, Statement},
};

pub use interval::day_time_text;
pub use names::name_parts;

/// Values for the parameter markers of a text, `:name` and `?`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    /// By name.
    pub named: Vec<(String, Expr)>,
    /// By position.
    pub positional: Vec<Expr>,
}

/// The text of `expr(..)`, `selectExpr(..)`, `filter("..")`: an expression, a star, or either with an alias.
pub fn expression(text: &str) -> Result<Expr, PlanError> {
    parse::on_deep_stack(text, |tokens| {
        let item = parse::one(text, tokens, |parser| parser.parse_select_item())?;
        Lower::new(&Parameters::default()).select_item(&item)
    })
}

/// The text of `spark.sql(..)`.
pub fn statement(text: &str, parameters: &Parameters) -> Result<Statement, PlanError> {
    parse::on_deep_stack(text, |tokens| {
        if let Some(statement) = statement::without_parser(text, &tokens) {
            return statement;
        }
        let provider = statement::provider(&tokens);
        let (tokens, global) = parse::without_global(tokens);
        let parsed = parse::one(text, tokens, |parser| parser.parse_statement())?;
        let mut statement = Lower::new(parameters).statement(&parsed, global)?;
        if let Statement::CreateTable(table) = &mut statement {
            table.provider = provider;
        }
        Ok(statement)
    })
}

/// One walk over one parsed text.
struct Lower<'a> {
    depth: Depth,
    parameters: &'a Parameters,
    /// How many `?` were met.
    positions: usize,
    /// The names bound by the lambdas around an expression.
    lambda_names: Vec<String>,
    /// `WINDOW name AS (..)` of the SELECT around an expression.
    windows: Vec<(String, sqlparser::ast::WindowSpec)>,
}

impl<'a> Lower<'a> {
    fn new(parameters: &'a Parameters) -> Self {
        Self { depth: Depth::default(), parameters, positions: 0, lambda_names: Vec::new(), windows: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
