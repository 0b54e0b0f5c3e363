//! Commands on the wire of Spark Connect.

use spark_connect_proto::{
    self as proto, command::CommandType, streaming_foreach_function, write_operation, write_stream_operation_start,
};

use super::{Lower, expression::python_function, options, required};
use crate::{
    PlanError,
    spec::{
        Command, Extension, MergeIntoTable, PythonUdf, QueryInstanceId, Relation, RelationNode, SaveMode, Statement,
        StreamTarget, StreamingQueryAct, StreamingQueryCommand, StreamingQueryManagerCommand, Trigger, Write,
        WriteStreamStart, WriteTarget, WriteV2, WriteV2Mode,
    },
    sql::{self, Parameters},
};

impl Lower<'_> {
    pub(super) fn command(&mut self, message: &proto::Command) -> Result<Command, PlanError> {
        let other = |name| Ok(Command::Other { name });
        match required(message.command_type.as_ref(), "a command")? {
            CommandType::RegisterFunction(udf) => Ok(Command::RegisterFunction(self.python_udf(udf)?)),
            CommandType::WriteOperation(write) => Ok(Command::Write(self.write(write)?)),
            CommandType::CreateDataframeView(view) => Ok(Command::CreateView {
                input: self.relation(required(view.input.as_ref(), "a view's relation")?)?,
                name: view.name.clone(),
                is_global: view.is_global,
                replace: view.replace,
            }),
            CommandType::WriteOperationV2(write) => Ok(Command::WriteV2(self.write_v2(write)?)),
            CommandType::SqlCommand(command) => Ok(Command::Sql(Box::new(self.sql_command(command)?))),
            CommandType::WriteStreamOperationStart(start) => {
                Ok(Command::WriteStreamStart(Box::new(self.write_stream_start(start)?)))
            }
            CommandType::StreamingQueryCommand(command) => Ok(Command::StreamingQuery(streaming_query(command)?)),
            CommandType::StreamingQueryManagerCommand(command) => {
                Ok(Command::StreamingQueryManager(streaming_query_manager(command)?))
            }
            CommandType::StreamingQueryListenerBusCommand(command) => {
                use proto::streaming_query_listener_bus_command::Command as Bus;
                let command = required(command.command.as_ref(), "a listener bus command")?;
                Ok(Command::StreamingListenerBus { add: matches!(command, Bus::AddListenerBusListener(_)) })
            }
            CommandType::GetResourcesCommand(_) => Ok(Command::GetResources),
            CommandType::CheckpointCommand(checkpoint) => Ok(Command::Checkpoint {
                input: self.relation(required(checkpoint.relation.as_ref(), "what is checkpointed")?)?,
                local: checkpoint.local,
                eager: checkpoint.eager,
            }),
            CommandType::RemoveCachedRemoteRelationCommand(remove) => Ok(Command::RemoveCachedRemoteRelation {
                relation_id: required(remove.relation.as_ref(), "which relation is removed")?.relation_id.clone(),
            }),
            CommandType::MergeIntoTableCommand(merge) => Ok(Command::MergeIntoTable(Box::new(MergeIntoTable {
                target: sql::name_parts(&merge.target_table_name)?,
                source: self.relation(required(merge.source_table_plan.as_ref(), "a merge's source")?)?,
                condition: self.expression(required(merge.merge_condition.as_ref(), "a merge's condition")?)?,
                matched: self.merge_actions(&merge.match_actions)?,
                not_matched: self.merge_actions(&merge.not_matched_actions)?,
                not_matched_by_source: self.merge_actions(&merge.not_matched_by_source_actions)?,
                with_schema_evolution: merge.with_schema_evolution,
            }))),
            CommandType::MlCommand(ml) => match ml.command {
                Some(proto::ml_command::Command::CleanCache(_)) => Ok(Command::MlCleanCache),
                _ => other("MlCommand"),
            },
            CommandType::Extension(any) => {
                Ok(Command::Extension(Extension { type_url: any.type_url.clone(), value: any.value.clone().into() }))
            }
            CommandType::RegisterTableFunction(_) => other("RegisterTableFunction"),
            CommandType::RegisterDataSource(_) => other("RegisterDataSource"),
            CommandType::CreateResourceProfileCommand(_) => other("CreateResourceProfileCommand"),
            CommandType::ExecuteExternalCommand(_) => other("ExecuteExternalCommand"),
            CommandType::PipelineCommand(_) => other("PipelineCommand"),
        }
    }

    #[allow(deprecated, reason = "clients before 4.0 send the text in fields that are now deprecated")]
    fn sql_command(&mut self, command: &proto::SqlCommand) -> Result<Statement, PlanError> {
        if let Some(input) = &command.input {
            if let Some(proto::relation::RelType::Sql(sql)) = &input.rel_type {
                return self.sql_statement(sql);
            }
            return Ok(Statement::Query(Box::new(self.relation(input)?)));
        }
        self.sql_statement(&proto::Sql {
            query: command.sql.clone(),
            args: command.args.clone(),
            pos_args: command.pos_args.clone(),
            named_arguments: command.named_arguments.clone(),
            pos_arguments: command.pos_arguments.clone(),
        })
    }

    #[allow(deprecated, reason = "clients before 4.0 send the arguments in fields that are now deprecated")]
    pub(super) fn sql_statement(&mut self, message: &proto::Sql) -> Result<Statement, PlanError> {
        use crate::spec::Expr;
        let mut parameters = Parameters::default();
        for (name, literal) in &message.args {
            parameters.named.push((name.clone(), Expr::Literal(self.literal(literal)?)));
        }
        for (name, expr) in &message.named_arguments {
            parameters.named.push((name.clone(), self.expression(expr)?));
        }
        for literal in &message.pos_args {
            parameters.positional.push(Expr::Literal(self.literal(literal)?));
        }
        for expr in &message.pos_arguments {
            parameters.positional.push(self.expression(expr)?);
        }
        sql::statement(&message.query, &parameters)
    }

    fn write(&mut self, write: &proto::WriteOperation) -> Result<Write, PlanError> {
        use write_operation::{SaveMode as Mode, SaveType, save_table::TableSaveMethod};
        Ok(Write {
            input: self.relation(required(write.input.as_ref(), "what is written")?)?,
            source: write.source.clone().filter(|source| !source.is_empty()),
            target: match &write.save_type {
                None => WriteTarget::None,
                Some(SaveType::Path(path)) => WriteTarget::Path(path.clone()),
                Some(SaveType::Table(table)) => {
                    let name = sql::name_parts(&table.table_name)?;
                    match TableSaveMethod::try_from(table.save_method) {
                        Ok(TableSaveMethod::InsertInto) => WriteTarget::InsertInto(name),
                        _ => WriteTarget::SaveAsTable(name),
                    }
                }
            },
            mode: match Mode::try_from(write.mode) {
                Ok(Mode::Append) => SaveMode::Append,
                Ok(Mode::Overwrite) => SaveMode::Overwrite,
                Ok(Mode::Ignore) => SaveMode::Ignore,
                _ => SaveMode::ErrorIfExists,
            },
            sort_columns: write.sort_column_names.clone(),
            partitioning_columns: write.partitioning_columns.clone(),
            bucket_by: write.bucket_by.as_ref().map(|by| (by.bucket_column_names.clone(), by.num_buckets)),
            options: options(&write.options),
            clustering_columns: write.clustering_columns.clone(),
        })
    }

    fn write_v2(&mut self, write: &proto::WriteOperationV2) -> Result<WriteV2, PlanError> {
        use proto::write_operation_v2::Mode;
        Ok(WriteV2 {
            input: self.relation(required(write.input.as_ref(), "what is written")?)?,
            table: sql::name_parts(&write.table_name)?,
            provider: write.provider.clone(),
            partitioning: self.expressions(&write.partitioning_columns)?,
            options: options(&write.options),
            properties: options(&write.table_properties),
            mode: match Mode::try_from(write.mode) {
                Ok(Mode::Create) => WriteV2Mode::Create,
                Ok(Mode::Overwrite) => {
                    let condition = required(write.overwrite_condition.as_ref(), "the condition of what is replaced")?;
                    WriteV2Mode::Overwrite(self.expression(condition)?)
                }
                Ok(Mode::OverwritePartitions) => WriteV2Mode::OverwritePartitions,
                Ok(Mode::Append) => WriteV2Mode::Append,
                Ok(Mode::Replace) => WriteV2Mode::Replace,
                Ok(Mode::CreateOrReplace) => WriteV2Mode::CreateOrReplace,
                _ => return Err(PlanError::invalid("a write of an unknown mode")),
            },
            clustering_columns: write.clustering_columns.clone(),
        })
    }

    fn write_stream_start(&mut self, start: &proto::WriteStreamOperationStart) -> Result<WriteStreamStart, PlanError> {
        use write_stream_operation_start::{SinkDestination, Trigger as Wire};
        Ok(WriteStreamStart {
            input: self.relation(required(start.input.as_ref(), "what is written")?)?,
            format: start.format.clone(),
            options: options(&start.options),
            partitioning_columns: start.partitioning_column_names.clone(),
            trigger: match &start.trigger {
                None | Some(Wire::AvailableNow(false) | Wire::Once(false)) => Trigger::Default,
                Some(Wire::ProcessingTimeInterval(interval)) => Trigger::ProcessingTime(interval.clone()),
                Some(Wire::AvailableNow(true)) => Trigger::AvailableNow,
                Some(Wire::Once(true)) => Trigger::Once,
                Some(Wire::ContinuousCheckpointInterval(interval)) => Trigger::Continuous(interval.clone()),
                Some(Wire::RealTimeBatchDuration(duration)) => Trigger::RealTime(duration.clone()),
            },
            output_mode: start.output_mode.clone(),
            query_name: start.query_name.clone(),
            target: match &start.sink_destination {
                None => StreamTarget::None,
                Some(SinkDestination::Path(path)) => StreamTarget::Path(path.clone()),
                Some(SinkDestination::TableName(name)) => StreamTarget::Table(sql::name_parts(name)?),
            },
            foreach_writer: foreach(start.foreach_writer.as_ref())?,
            foreach_batch: foreach(start.foreach_batch.as_ref())?,
            clustering_columns: start.clustering_column_names.clone(),
        })
    }

    /// A SQL text where a relation is wanted.
    pub(super) fn sql_relation(&mut self, message: &proto::Sql) -> Result<RelationNode, PlanError> {
        match self.sql_statement(message)? {
            Statement::Query(query) => match *query {
                Relation { plan_id: None, node } => Ok(node),
                // A WITH above keeps the inner number apart from the one that the client gives to the text as a whole.
                numbered => Ok(RelationNode::With { definitions: Vec::new(), input: Box::new(numbered) }),
            },
            _ => Err(PlanError::unsupported("a SQL command as a relation")),
        }
    }
}

fn foreach(message: Option<&proto::StreamingForeachFunction>) -> Result<Option<PythonUdf>, PlanError> {
    use streaming_foreach_function::Function;
    match message.and_then(|message| message.function.as_ref()) {
        None => Ok(None),
        Some(Function::PythonFunction(python)) => python_function(python).map(Some),
        Some(Function::ScalaFunction(_)) => Err(PlanError::unsupported("foreach and foreachBatch in Scala")),
    }
}

fn streaming_query(message: &proto::StreamingQueryCommand) -> Result<StreamingQueryCommand, PlanError> {
    use proto::streaming_query_command::Command as Act;
    let query = required(message.query_id.as_ref(), "a streaming query's id")?;
    Ok(StreamingQueryCommand {
        query: QueryInstanceId { id: query.id.clone(), run_id: query.run_id.clone() },
        act: match required(message.command.as_ref(), "a streaming query command")? {
            Act::Status(_) => StreamingQueryAct::Status,
            Act::LastProgress(_) => StreamingQueryAct::LastProgress,
            Act::RecentProgress(_) => StreamingQueryAct::RecentProgress,
            Act::Stop(_) => StreamingQueryAct::Stop,
            Act::ProcessAllAvailable(_) => StreamingQueryAct::ProcessAllAvailable,
            Act::Explain(explain) => StreamingQueryAct::Explain { extended: explain.extended },
            Act::Exception(_) => StreamingQueryAct::Exception,
            Act::AwaitTermination(wait) => StreamingQueryAct::AwaitTermination { timeout_ms: wait.timeout_ms },
        },
    })
}

fn streaming_query_manager(
    message: &proto::StreamingQueryManagerCommand,
) -> Result<StreamingQueryManagerCommand, PlanError> {
    use proto::streaming_query_manager_command::Command as Act;
    Ok(match required(message.command.as_ref(), "a streaming query manager command")? {
        Act::Active(_) => StreamingQueryManagerCommand::Active,
        Act::GetQuery(id) => StreamingQueryManagerCommand::Get { id: id.clone() },
        Act::AwaitAnyTermination(wait) => {
            StreamingQueryManagerCommand::AwaitAnyTermination { timeout_ms: wait.timeout_ms }
        }
        Act::ResetTerminated(_) => StreamingQueryManagerCommand::ResetTerminated,
        Act::AddListener(listener) => StreamingQueryManagerCommand::AddListener {
            id: listener.id.clone(),
            payload: match &listener.python_listener_payload {
                Some(python) => python.command.clone(),
                None => listener.listener_payload.clone(),
            },
        },
        Act::RemoveListener(listener) => StreamingQueryManagerCommand::RemoveListener { id: listener.id.clone() },
        Act::ListListeners(_) => StreamingQueryManagerCommand::ListListeners,
    })
}
