//! What can be asked of the catalog.

use super::{NameParts, Options, StructType};

/// One question to the catalog, or one change of it. Names are as the user wrote them, split into parts.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "names and fields are those of Spark's Catalog interface")]
pub enum CatalogOperation {
    CurrentDatabase,
    SetCurrentDatabase {
        database: String,
    },
    ListDatabases {
        pattern: Option<String>,
    },
    ListTables {
        database: Option<String>,
        pattern: Option<String>,
    },
    ListFunctions {
        database: Option<String>,
        pattern: Option<String>,
    },
    ListColumns {
        table: NameParts,
        database: Option<String>,
    },
    GetDatabase {
        database: String,
    },
    GetTable {
        table: NameParts,
        database: Option<String>,
    },
    GetFunction {
        function: NameParts,
        database: Option<String>,
    },
    DatabaseExists {
        database: String,
    },
    TableExists {
        table: NameParts,
        database: Option<String>,
    },
    FunctionExists {
        function: NameParts,
        database: Option<String>,
    },
    CreateTable {
        table: NameParts,
        path: Option<String>,
        source: Option<String>,
        description: Option<String>,
        schema: Option<StructType>,
        options: Options,
    },
    DropTempView {
        view: String,
    },
    DropGlobalTempView {
        view: String,
    },
    RecoverPartitions {
        table: NameParts,
    },
    IsCached {
        table: NameParts,
    },
    CacheTable {
        table: NameParts,
    },
    UncacheTable {
        table: NameParts,
    },
    ClearCache,
    RefreshTable {
        table: NameParts,
    },
    RefreshByPath {
        path: String,
    },
    CurrentCatalog,
    SetCurrentCatalog {
        catalog: String,
    },
    ListCatalogs {
        pattern: Option<String>,
    },
    Other {
        name: &'static str,
    },
}
