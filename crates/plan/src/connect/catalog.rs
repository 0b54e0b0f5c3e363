//! Questions to the catalog on the wire of Spark Connect.

use spark_connect_proto::{self as proto, catalog::CatType};

use super::{options, required, types::data_type_from_proto};
use crate::{
    PlanError,
    spec::{CatalogOperation as Op, DataType, NameParts, StructType},
    sql::name_parts,
};

pub(super) fn catalog(message: &proto::Catalog) -> Result<Op, PlanError> {
    let other = |name| Ok(Op::Other { name });
    Ok(match required(message.cat_type.as_ref(), "a catalog operation")? {
        CatType::CurrentDatabase(_) => Op::CurrentDatabase,
        CatType::SetCurrentDatabase(m) => Op::SetCurrentDatabase { database: m.db_name.clone() },
        CatType::ListDatabases(m) => Op::ListDatabases { pattern: m.pattern.clone() },
        CatType::ListTables(m) => Op::ListTables { database: m.db_name.clone(), pattern: m.pattern.clone() },
        CatType::ListFunctions(m) => Op::ListFunctions { database: m.db_name.clone(), pattern: m.pattern.clone() },
        CatType::ListColumns(m) => Op::ListColumns { table: name_parts(&m.table_name)?, database: m.db_name.clone() },
        CatType::GetDatabase(m) => Op::GetDatabase { database: m.db_name.clone() },
        CatType::GetTable(m) => Op::GetTable { table: name_parts(&m.table_name)?, database: m.db_name.clone() },
        CatType::GetFunction(m) => {
            Op::GetFunction { function: name_parts(&m.function_name)?, database: m.db_name.clone() }
        }
        CatType::DatabaseExists(m) => Op::DatabaseExists { database: m.db_name.clone() },
        CatType::TableExists(m) => Op::TableExists { table: name_parts(&m.table_name)?, database: m.db_name.clone() },
        CatType::FunctionExists(m) => {
            Op::FunctionExists { function: name_parts(&m.function_name)?, database: m.db_name.clone() }
        }
        CatType::CreateExternalTable(m) => Op::CreateTable {
            table: name_parts(&m.table_name)?,
            path: m.path.clone(),
            source: m.source.clone(),
            description: None,
            schema: schema(m.schema.as_ref())?,
            options: options(&m.options),
        },
        CatType::CreateTable(m) => Op::CreateTable {
            table: name_parts(&m.table_name)?,
            path: m.path.clone(),
            source: m.source.clone(),
            description: m.description.clone(),
            schema: schema(m.schema.as_ref())?,
            options: options(&m.options),
        },
        CatType::DropTempView(m) => Op::DropTempView { view: m.view_name.clone() },
        CatType::DropGlobalTempView(m) => Op::DropGlobalTempView { view: m.view_name.clone() },
        CatType::RecoverPartitions(m) => Op::RecoverPartitions { table: table(&m.table_name)? },
        CatType::IsCached(m) => Op::IsCached { table: table(&m.table_name)? },
        CatType::CacheTable(m) => Op::CacheTable { table: table(&m.table_name)? },
        CatType::UncacheTable(m) => Op::UncacheTable { table: table(&m.table_name)? },
        CatType::ClearCache(_) => Op::ClearCache,
        CatType::RefreshTable(m) => Op::RefreshTable { table: table(&m.table_name)? },
        CatType::RefreshByPath(m) => Op::RefreshByPath { path: m.path.clone() },
        CatType::CurrentCatalog(_) => Op::CurrentCatalog,
        CatType::SetCurrentCatalog(m) => Op::SetCurrentCatalog { catalog: m.catalog_name.clone() },
        CatType::ListCatalogs(m) => Op::ListCatalogs { pattern: m.pattern.clone() },
        CatType::DropTable(_) => return other("DropTable"),
        CatType::DropView(_) => return other("DropView"),
        CatType::CreateDatabase(_) => return other("CreateDatabase"),
        CatType::DropDatabase(_) => return other("DropDatabase"),
        CatType::ListPartitions(_) => return other("ListPartitions"),
        CatType::ListViews(_) => return other("ListViews"),
        CatType::GetTableProperties(_) => return other("GetTableProperties"),
        CatType::GetCreateTableString(_) => return other("GetCreateTableString"),
        CatType::TruncateTable(_) => return other("TruncateTable"),
        CatType::AnalyzeTable(_) => return other("AnalyzeTable"),
    })
}

fn table(name: &str) -> Result<NameParts, PlanError> {
    name_parts(name)
}

fn schema(message: Option<&proto::DataType>) -> Result<Option<StructType>, PlanError> {
    match message.map(data_type_from_proto).transpose()? {
        None => Ok(None),
        Some(DataType::Struct(schema)) => Ok(Some(schema)),
        Some(_) => Err(PlanError::invalid("a table's schema must be a struct")),
    }
}
