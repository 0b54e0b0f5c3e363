//! The one unresolved plan. The vocabulary is that of Spark Connect's messages, with their accidents removed: required parts
//! are not optional, enumerations are closed, names are split into their parts, text in SQL's syntax is already parsed.

mod catalog;
mod command;
mod expression;
mod literal;
mod relation;
mod statement;

pub use catalog::CatalogOperation;
pub use command::*;
pub use expression::*;
pub use literal::Literal;
pub use relation::*;
pub use statement::*;

pub use crate::types::{DataType, StructField, StructType};

/// A dotted name in its parts: `a.b` is `["a", "b"]`.
pub type NameParts = Vec<String>;

/// Options of a reader, a writer or a function in the order given; keys keep their case and are compared without it.
pub type Options = Vec<(String, String)>;
