//! Every bound of this crate, by name.

/// How deep relations and expressions may nest, counted together from the root. Spark's own clients cannot build deeper
/// plans than some hundreds of levels, and all code that walks a plan recursively relies on this.
pub const PLAN_DEPTH_MAX: usize = 1_000;

/// How deep a data type may nest: every form of a schema (JSON, DDL, protobuf) is refused beyond it.
pub const TYPE_DEPTH_MAX: usize = 200;

/// The longest SQL text that is parsed, in bytes.
pub const SQL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is left of a stack, in bytes, before a recursive walk continues on a new segment.
pub const STACK_RED_ZONE_BYTES: usize = 256 * 1024;

/// The size, in bytes, of such a new segment.
pub const STACK_SEGMENT_BYTES: usize = 4 * 1024 * 1024;

/// How deep parentheses, subqueries and the like of a SQL text may nest.
pub const SQL_NESTING_MAX: usize = 300;

/// How many operators and keywords a SQL text may have: sqlparser makes a tree of a chain of them, and drops it recursively.
pub const SQL_OPERATORS_MAX: usize = 50_000;

/// The stack, in bytes, on which such a tree lives; it is touched only as deep as the text goes.
pub const SQL_STACK_BYTES: usize = 128 * 1024 * 1024;

/// How deep the messages within one message may nest. One level of a plan is up to four messages.
pub const MESSAGE_DEPTH_MAX: usize = 4 * PLAN_DEPTH_MAX;

/// The stack, in bytes, that decoding one such level may take.
pub const MESSAGE_LEVEL_STACK_BYTES: usize = 16 * 1024;
