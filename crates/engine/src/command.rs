//! Commands that change something: views, writes, SQL statements. Streaming queries are the query driver's matter.

use andiron_plan::spec::{
    Command, CreateTable, DropKind, Relation, RelationNode, SaveMode, Statement, ViewScope, Write, WriteTarget,
    WriteV2, WriteV2Mode,
};

use crate::formats::SinkWrite;
use crate::{CommandOutcome, Options, Session, SparkError};

/// Runs a command.
pub(crate) async fn run(session: &Session, command: &Command) -> Result<CommandOutcome, SparkError> {
    match command {
        Command::Write(write) => save(session, write).await,
        Command::WriteV2(write) => save_v2(session, write).await,
        Command::CreateView { input, name, is_global, replace } => {
            create_view(session, input, name, *is_global, *replace).await
        }
        Command::Sql(statement) => run_statement(session, statement).await,
        Command::RemoveCachedRemoteRelation { relation_id } => {
            session.catalog().forget(relation_id);
            Ok(CommandOutcome::Done)
        }
        Command::MlCleanCache => Ok(CommandOutcome::Done),
        Command::GetResources => Ok(CommandOutcome::Done),
        Command::Checkpoint { input, .. } => {
            // A plan over fixed inputs can be run again, as a checkpoint can be read again.
            let rows = session.resolve(input).await?;
            let relation_id = uuid::Uuid::new_v4().to_string();
            session.catalog().remember(&relation_id, rows)?;
            Ok(CommandOutcome::Remembered { relation_id })
        }
        Command::WriteStreamStart(_)
        | Command::StreamingQuery(_)
        | Command::StreamingQueryManager(_)
        | Command::StreamingListenerBus { .. } => {
            Err(SparkError::internal("a streaming command is the query driver's and came to the session"))
        }
        Command::RegisterFunction(udf) => Err(SparkError::unsupported(format!("the Python function {}", udf.name))),
        Command::MergeIntoTable(_) => Err(SparkError::unsupported("MERGE INTO")),
        Command::Extension(extension) => Err(SparkError::unsupported(format!("the extension {}", extension.type_url))),
        Command::Other { name } => Err(SparkError::unsupported(format!("the command {name}"))),
    }
}

async fn create_view(
    session: &Session,
    input: &Relation,
    name: &str,
    global: bool,
    replace: bool,
) -> Result<CommandOutcome, SparkError> {
    let rows = session.resolve(input).await?;
    if global {
        let mut views = session.engine().global_views().write();
        if !replace && views.contains_key(&name.to_lowercase()) {
            return Err(crate::catalog::view_exists(name));
        }
        views.insert(name.to_lowercase(), rows);
    } else {
        session.catalog().create_view(name, rows, replace)?;
    }
    Ok(CommandOutcome::Done)
}

async fn save(session: &Session, write: &Write) -> Result<CommandOutcome, SparkError> {
    if write.bucket_by.is_some() || !write.sort_columns.is_empty() {
        return Err(SparkError::unsupported("bucketBy and sortBy"));
    }
    let mut options = Options::new(write.options.iter().cloned());
    let mut format = write.source.clone().filter(|f| !f.is_empty());
    let mut mode = write.mode;
    match &write.target {
        WriteTarget::None => {}
        WriteTarget::Path(path) => options.set("path", path),
        WriteTarget::SaveAsTable(name) | WriteTarget::InsertInto(name) => {
            let table = name.last().ok_or_else(|| SparkError::table_not_found(""))?;
            if let [named, path] = name.as_slice()
                && session.engine().sink(named).is_ok()
            {
                format = Some(named.clone());
                options.set("path", path);
            } else {
                format.get_or_insert_with(|| "delta".to_owned());
                options.set("path", session.table_path(table));
                if matches!(write.target, WriteTarget::InsertInto(_)) && mode == SaveMode::ErrorIfExists {
                    mode = SaveMode::Append;
                }
            }
        }
    }
    let format = format.unwrap_or_else(|| session.conf().default_format());
    let sink = session.engine().sink(&format)?;
    let rows = session.resolve(&write.input).await?;
    if rows.is_streaming() {
        return Err(SparkError::analysis(
            "CALL_ON_STREAMING_DATASET_UNSUPPORTED",
            "42KDE",
            "The method `write` can not be called on streaming Dataset/DataFrame.",
        )
        .with("methodName", "`write`"));
    }
    let request = SinkWrite { options, mode, partition_by: write.partitioning_columns.clone() };
    sink.write(session, &rows, &request).await?;
    Ok(CommandOutcome::Done)
}

async fn save_v2(session: &Session, write: &WriteV2) -> Result<CommandOutcome, SparkError> {
    let mode = match write.mode {
        WriteV2Mode::Create => SaveMode::ErrorIfExists,
        WriteV2Mode::Append => SaveMode::Append,
        WriteV2Mode::Replace | WriteV2Mode::CreateOrReplace => SaveMode::Overwrite,
        WriteV2Mode::Overwrite(_) | WriteV2Mode::OverwritePartitions => {
            return Err(SparkError::unsupported("writeTo with a condition"));
        }
    };
    let mut options = write.options.clone();
    if mode == SaveMode::Overwrite {
        options.push(("overwriteSchema".to_owned(), "true".to_owned()));
    }
    let write = Write {
        input: write.input.clone(),
        source: write.provider.clone(),
        target: WriteTarget::SaveAsTable(write.table.clone()),
        mode,
        sort_columns: Vec::new(),
        partitioning_columns: Vec::new(),
        bucket_by: None,
        options,
        clustering_columns: Vec::new(),
    };
    save(session, &write).await
}

async fn run_statement(session: &Session, statement: &Statement) -> Result<CommandOutcome, SparkError> {
    match statement {
        Statement::Query(relation) => Ok(CommandOutcome::Query(relation.clone())),
        Statement::CreateView { name, columns, query, replace, if_not_exists, temporary } => {
            let view = name.last().ok_or_else(|| SparkError::table_not_found(""))?;
            if *temporary == ViewScope::Permanent {
                return Err(SparkError::unsupported("permanent views"));
            }
            if *if_not_exists && session.catalog().view(view).is_some() {
                return Ok(CommandOutcome::Done);
            }
            let query = if columns.is_empty() {
                (**query).clone()
            } else {
                Relation::new(RelationNode::ToDf { input: query.clone(), columns: columns.clone() })
            };
            create_view(session, &query, view, *temporary == ViewScope::Global, *replace).await
        }
        Statement::CreateTable(create) => create_table(session, create).await,
        Statement::Drop { kind: DropKind::View, name, if_exists, .. } => {
            let view = name.last().ok_or_else(|| SparkError::table_not_found(""))?;
            if !session.catalog().drop_view(view) && !if_exists {
                return Err(SparkError::table_not_found(&name.join(".")));
            }
            Ok(CommandOutcome::Done)
        }
        Statement::Drop { kind: DropKind::Table, name, if_exists, .. } => {
            let table = name.last().ok_or_else(|| SparkError::table_not_found(""))?;
            let path = std::path::PathBuf::from(session.table_path(table));
            if path.join("_delta_log").is_dir() {
                tokio::fs::remove_dir_all(&path).await?;
            } else if !if_exists {
                return Err(SparkError::table_not_found(&name.join(".")));
            }
            Ok(CommandOutcome::Done)
        }
        Statement::Insert { table, columns, query, overwrite } => {
            if !columns.is_empty() {
                return Err(SparkError::unsupported("INSERT with a list of columns"));
            }
            // INSERT goes by position: the rows take the table's names.
            let target = session
                .analyze_schema(&Relation::new(RelationNode::ReadTable {
                    name: table.clone(),
                    options: Vec::new(),
                    is_streaming: false,
                }))
                .await?;
            let names = target.fields.iter().map(|f| f.name.clone()).collect();
            let write = Write {
                input: Relation::new(RelationNode::ToDf { input: query.clone(), columns: names }),
                source: None,
                target: WriteTarget::InsertInto(table.clone()),
                mode: if *overwrite { SaveMode::Overwrite } else { SaveMode::Append },
                sort_columns: Vec::new(),
                partitioning_columns: Vec::new(),
                bucket_by: None,
                options: Vec::new(),
                clustering_columns: Vec::new(),
            };
            save(session, &write).await
        }
        Statement::ShowTables { .. } => {
            let operation = andiron_plan::spec::CatalogOperation::ListTables { database: None, pattern: None };
            Ok(CommandOutcome::Rows(Box::new(RelationNode::Catalog(operation).into())))
        }
        Statement::Set { key: Some(key), value: Some(value) } => {
            session.conf().set(key, value);
            Ok(CommandOutcome::Done)
        }
        Statement::Reset { key: Some(key) } => {
            session.conf().unset(key);
            Ok(CommandOutcome::Done)
        }
        Statement::Use { .. } => Ok(CommandOutcome::Done),
        Statement::Explain { query, extended } => {
            let mode = if *extended { crate::ExplainMode::Extended } else { crate::ExplainMode::Simple };
            let text = session.explain(query, mode).await?;
            let literal = andiron_plan::spec::Expr::Literal(andiron_plan::spec::Literal::String(text)).alias("plan");
            let project =
                RelationNode::Project { input: Box::new(RelationNode::OneRow.into()), expressions: vec![literal] };
            Ok(CommandOutcome::Rows(Box::new(project.into())))
        }
        Statement::Truncate { .. } => Err(SparkError::unsupported("TRUNCATE TABLE")),
        Statement::Delete { .. } => Err(SparkError::unsupported("DELETE FROM")),
        Statement::Drop { kind: DropKind::Database, .. } => Err(SparkError::unsupported("DROP DATABASE")),
        Statement::CreateDatabase { .. } => Err(SparkError::unsupported("CREATE DATABASE")),
        Statement::ShowDatabases { .. } => Err(SparkError::unsupported("SHOW DATABASES")),
        Statement::ShowColumns { .. } => Err(SparkError::unsupported("SHOW COLUMNS")),
        Statement::DescribeTable { .. } | Statement::DescribeQuery { .. } => Err(SparkError::unsupported("DESCRIBE")),
        Statement::Set { .. } | Statement::Reset { .. } => Err(SparkError::unsupported("SET without a value")),
        Statement::Other { name } => Err(SparkError::unsupported(format!("the statement {name}"))),
    }
}

async fn create_table(session: &Session, create: &CreateTable) -> Result<CommandOutcome, SparkError> {
    let input = match (&create.query, &create.schema) {
        (Some(query), _) => (**query).clone(),
        (None, Some(schema)) => {
            let local = andiron_plan::spec::LocalRelation { data: None, schema: Some(schema.clone()) };
            RelationNode::LocalRelation(local).into()
        }
        (None, None) => return Err(SparkError::unsupported("CREATE TABLE without columns")),
    };
    let mut options = create.options.clone();
    let target = match &create.location {
        Some(path) => WriteTarget::Path(path.clone()),
        None => WriteTarget::SaveAsTable(create.name.clone()),
    };
    if create.mode == SaveMode::Overwrite {
        options.push(("overwriteSchema".to_owned(), "true".to_owned()));
    }
    let write = Write {
        input,
        source: create.provider.clone().or_else(|| Some("delta".to_owned())),
        target,
        mode: create.mode,
        sort_columns: Vec::new(),
        partitioning_columns: create.partitioning.clone(),
        bucket_by: None,
        options,
        clustering_columns: Vec::new(),
    };
    save(session, &write).await
}
