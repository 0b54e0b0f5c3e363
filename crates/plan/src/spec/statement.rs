//! SQL statements that are not queries.

use super::{Expr, NameParts, Options, Relation, SaveMode, StructType};

/// What a SQL text says.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// SELECT, VALUES, WITH: rows, computed when asked for.
    Query(Box<Relation>),
    /// CREATE [OR REPLACE] [GLOBAL] [TEMPORARY] VIEW.
    CreateView {
        /// Its name.
        name: NameParts,
        /// New names of the columns.
        columns: Vec<String>,
        /// What it shows.
        query: Box<Relation>,
        /// An old one goes.
        replace: bool,
        /// An old one stays.
        if_not_exists: bool,
        /// Only for this session, or for all of this server.
        temporary: ViewScope,
    },
    /// CREATE TABLE, with or without AS SELECT.
    CreateTable(Box<CreateTable>),
    /// CREATE DATABASE or SCHEMA.
    CreateDatabase {
        /// Its name.
        name: NameParts,
        /// An old one stays.
        if_not_exists: bool,
    },
    /// DROP TABLE, VIEW or DATABASE.
    Drop {
        /// What kind.
        kind: DropKind,
        /// Its name.
        name: NameParts,
        /// No error when there is none.
        if_exists: bool,
        /// With all it holds.
        cascade: bool,
    },
    /// INSERT INTO or OVERWRITE.
    Insert {
        /// The table.
        table: NameParts,
        /// Its columns, in the order of the query; empty for all.
        columns: Vec<String>,
        /// The rows.
        query: Box<Relation>,
        /// Old rows go.
        overwrite: bool,
    },
    /// DELETE FROM.
    Delete {
        /// The table.
        table: NameParts,
        /// Which rows; all when absent.
        condition: Option<Expr>,
    },
    /// TRUNCATE TABLE.
    Truncate {
        /// The table.
        table: NameParts,
    },
    /// SHOW TABLES.
    ShowTables {
        /// Of which database.
        database: Option<NameParts>,
        /// `*` and `|` pattern.
        pattern: Option<String>,
    },
    /// SHOW DATABASES.
    ShowDatabases {
        /// `*` and `|` pattern.
        pattern: Option<String>,
    },
    /// SHOW COLUMNS.
    ShowColumns {
        /// The table.
        table: NameParts,
    },
    /// DESCRIBE TABLE.
    DescribeTable {
        /// The table.
        table: NameParts,
        /// With details.
        extended: bool,
    },
    /// DESCRIBE of a query.
    DescribeQuery {
        /// The query.
        query: Box<Relation>,
    },
    /// EXPLAIN.
    Explain {
        /// The query.
        query: Box<Relation>,
        /// With all plans.
        extended: bool,
    },
    /// SET key = value; SET key; SET.
    Set {
        /// The key; all when absent.
        key: Option<String>,
        /// The value; asked for when absent.
        value: Option<String>,
    },
    /// RESET [key].
    Reset {
        /// The key; all when absent.
        key: Option<String>,
    },
    /// USE database.
    Use {
        /// The database.
        name: NameParts,
    },
    /// Anything else that the grammar knows: refused by name.
    Other {
        /// The statement's first words.
        name: String,
    },
}

/// Who sees a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewScope {
    /// Everybody, for good.
    Permanent,
    /// This session.
    Session,
    /// All sessions of this server, under `global_temp`.
    Global,
}

/// What a DROP drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropKind {
    /// DROP TABLE.
    Table,
    /// DROP VIEW.
    View,
    /// DROP DATABASE.
    Database,
}

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// Its name.
    pub name: NameParts,
    /// Columns, when given.
    pub schema: Option<StructType>,
    /// USING format.
    pub provider: Option<String>,
    /// LOCATION.
    pub location: Option<String>,
    /// OPTIONS.
    pub options: Options,
    /// TBLPROPERTIES.
    pub properties: Options,
    /// PARTITIONED BY.
    pub partitioning: Vec<String>,
    /// COMMENT.
    pub comment: Option<String>,
    /// AS SELECT.
    pub query: Option<Box<Relation>>,
    /// IF NOT EXISTS is `Ignore`, OR REPLACE is `Overwrite`.
    pub mode: SaveMode,
}
