//! Relations on the wire of Spark Connect.

use spark_connect_proto::{self as proto, read::ReadType, relation::RelType};

use super::{Lower, catalog::catalog, options, required, types::data_type_from_proto};
use crate::{
    PlanError,
    spec::{
        Aggregate, DataType, Expr, Extension, GroupKind, Join, JoinCriteria, JoinKind, Literal, LocalRelation,
        ReadSource, Relation, RelationNode, SetOperationKind, Statistic, StructType,
    },
    sql, types,
};

/// The input of a relation, as prost makes it.
type Input = Option<Box<proto::Relation>>;

impl Lower<'_> {
    pub(super) fn relation(&mut self, message: &proto::Relation) -> Result<Relation, PlanError> {
        self.depth.enter()?;
        let node = crate::with_stack(|| self.node(message))?;
        self.depth.leave();
        Ok(Relation { plan_id: message.common.as_ref().and_then(|common| common.plan_id), node })
    }

    fn input(&mut self, input: &Input) -> Result<Box<Relation>, PlanError> {
        Ok(Box::new(self.relation(required(input.as_deref(), "a relation's input")?)?))
    }

    fn node(&mut self, message: &proto::Relation) -> Result<RelationNode, PlanError> {
        let other = |name| Ok(RelationNode::Other { name });
        Ok(match required(message.rel_type.as_ref(), "a relation's kind")? {
            RelType::Read(m) => read(m)?,
            RelType::Project(m) => RelationNode::Project {
                input: match &m.input {
                    Some(_) => self.input(&m.input)?,
                    None => Box::new(RelationNode::OneRow.into()),
                },
                expressions: self.expressions(&m.expressions)?,
            },
            RelType::Filter(m) => RelationNode::Filter {
                input: self.input(&m.input)?,
                condition: self.expression(required(m.condition.as_ref(), "a filter's condition")?)?,
            },
            RelType::Join(m) => {
                let kind = join_kind(m.join_type)?;
                self.join(&m.left, &m.right, kind, m.join_condition.as_ref(), &m.using_columns)?
            }
            RelType::LateralJoin(m) => {
                let kind = join_kind(m.join_type)?;
                match self.join(&m.left, &m.right, kind, m.join_condition.as_ref(), &[])? {
                    RelationNode::Join(join) => RelationNode::Join(Join { is_lateral: true, ..join }),
                    node => node,
                }
            }
            RelType::SetOp(m) => self.set_operation(m)?,
            RelType::Sort(m) => RelationNode::Sort {
                input: self.input(&m.input)?,
                order: self.sort_orders(&m.order)?,
                is_global: m.is_global.unwrap_or(true),
            },
            RelType::Limit(m) => RelationNode::Limit { input: self.input(&m.input)?, limit: number(m.limit) },
            RelType::Offset(m) => RelationNode::Offset { input: self.input(&m.input)?, offset: number(m.offset) },
            RelType::Tail(m) => RelationNode::Tail { input: self.input(&m.input)?, limit: m.limit },
            RelType::Aggregate(m) => self.aggregate(m)?,
            RelType::Sql(m) => self.sql_relation(m)?,
            RelType::LocalRelation(m) => RelationNode::LocalRelation(local_relation(m)?),
            RelType::CachedLocalRelation(m) => self.cached_local_relation(m)?,
            RelType::ChunkedCachedLocalRelation(m) => self.chunked_local_relation(m)?,
            RelType::CachedRemoteRelation(m) => {
                RelationNode::CachedRemoteRelation { relation_id: m.relation_id.clone() }
            }
            RelType::Sample(m) => RelationNode::Sample {
                input: self.input(&m.input)?,
                lower_bound: m.lower_bound,
                upper_bound: m.upper_bound,
                with_replacement: m.with_replacement.unwrap_or(false),
                seed: m.seed,
                deterministic_order: m.deterministic_order,
            },
            RelType::Deduplicate(m) => RelationNode::Deduplicate {
                input: self.input(&m.input)?,
                columns: m.column_names.clone(),
                all_columns: m.all_columns_as_keys.unwrap_or(false),
                within_watermark: m.within_watermark.unwrap_or(false),
            },
            RelType::Range(m) => RelationNode::Range {
                start: m.start.unwrap_or(0),
                end: m.end,
                step: m.step,
                num_partitions: m.num_partitions,
            },
            RelType::SubqueryAlias(m) => RelationNode::SubqueryAlias {
                input: self.input(&m.input)?,
                alias: m.alias.clone(),
                columns: Vec::new(),
            },
            RelType::Repartition(m) => RelationNode::Repartition {
                input: self.input(&m.input)?,
                num_partitions: m.num_partitions,
                shuffle: m.shuffle.unwrap_or(false),
            },
            RelType::RepartitionByExpression(m) => RelationNode::RepartitionByExpression {
                input: self.input(&m.input)?,
                expressions: self.expressions(&m.partition_exprs)?,
                num_partitions: m.num_partitions,
            },
            RelType::ToDf(m) => RelationNode::ToDf { input: self.input(&m.input)?, columns: m.column_names.clone() },
            RelType::ToSchema(m) => RelationNode::ToSchema {
                input: self.input(&m.input)?,
                schema: data_type_from_proto(required(m.schema.as_ref(), "a schema")?)?,
            },
            RelType::WithColumns(m) => {
                let input = self.input(&m.input)?;
                let columns = m.aliases.iter().map(|alias| self.named(alias)).collect::<Result<_, _>>()?;
                RelationNode::WithColumns { input, columns }
            }
            RelType::WithColumnsRenamed(m) => {
                RelationNode::WithColumnsRenamed { input: self.input(&m.input)?, renames: renames(m) }
            }
            RelType::Drop(m) => RelationNode::Drop {
                input: self.input(&m.input)?,
                columns: self.expressions(&m.columns)?,
                column_names: m.column_names.clone(),
            },
            RelType::ShowString(m) => RelationNode::ShowString {
                input: self.input(&m.input)?,
                num_rows: m.num_rows,
                truncate: m.truncate,
                vertical: m.vertical,
            },
            RelType::HtmlString(m) => {
                RelationNode::HtmlString { input: self.input(&m.input)?, num_rows: m.num_rows, truncate: m.truncate }
            }
            RelType::Hint(m) => RelationNode::Hint {
                input: self.input(&m.input)?,
                name: m.name.clone(),
                parameters: self.expressions(&m.parameters)?,
            },
            RelType::Unpivot(m) => RelationNode::Unpivot {
                input: self.input(&m.input)?,
                ids: self.expressions(&m.ids)?,
                values: match &m.values {
                    Some(values) => Some(self.expressions(&values.values)?),
                    None => None,
                },
                variable_column: m.variable_column_name.clone(),
                value_column: m.value_column_name.clone(),
            },
            RelType::Transpose(m) => RelationNode::Transpose {
                input: self.input(&m.input)?,
                index_columns: self.expressions(&m.index_columns)?,
            },
            RelType::WithWatermark(m) => RelationNode::WithWatermark {
                input: self.input(&m.input)?,
                event_time: m.event_time.clone(),
                delay_threshold: m.delay_threshold.clone(),
            },
            RelType::CollectMetrics(m) => RelationNode::CollectMetrics {
                input: self.input(&m.input)?,
                name: m.name.clone(),
                metrics: self.expressions(&m.metrics)?,
            },
            RelType::Parse(m) => self.parse(m)?,
            RelType::MapPartitions(m) => RelationNode::MapPartitions {
                input: self.input(&m.input)?,
                function: self.python_udf(required(m.func.as_ref(), "a function")?)?,
                is_barrier: m.is_barrier.unwrap_or(false),
            },
            RelType::GroupMap(m) if m.is_map_groups_with_state.is_none() && m.transform_with_state_info.is_none() => {
                RelationNode::GroupMap {
                    input: self.input(&m.input)?,
                    grouping: self.expressions(&m.grouping_expressions)?,
                    function: self.python_udf(required(m.func.as_ref(), "a function")?)?,
                }
            }
            RelType::WithRelations(m) => {
                let root = self.input(&m.root)?;
                let references = m.references.iter().map(|r| self.relation(r)).collect::<Result<_, _>>()?;
                RelationNode::WithRelations { root, references }
            }
            RelType::UnresolvedTableValuedFunction(m) => RelationNode::TableFunction {
                name: m.function_name.to_lowercase(),
                arguments: self.expressions(&m.arguments)?,
            },
            RelType::FillNa(m) => RelationNode::FillNa {
                input: self.input(&m.input)?,
                columns: m.cols.clone(),
                values: m.values.iter().map(|value| self.literal(value)).collect::<Result<_, _>>()?,
            },
            RelType::DropNa(m) => RelationNode::DropNa {
                input: self.input(&m.input)?,
                columns: m.cols.clone(),
                min_non_nulls: m.min_non_nulls,
            },
            RelType::Replace(m) => self.replace(m)?,
            RelType::Summary(m) => self.statistic(&m.input, Statistic::Summary { statistics: m.statistics.clone() })?,
            RelType::Describe(m) => self.statistic(&m.input, Statistic::Describe { columns: m.cols.clone() })?,
            RelType::Crosstab(m) => {
                let kind = Statistic::Crosstab { column_1: m.col1.clone(), column_2: m.col2.clone() };
                self.statistic(&m.input, kind)?
            }
            RelType::Cov(m) => {
                let kind = Statistic::Covariance { column_1: m.col1.clone(), column_2: m.col2.clone() };
                self.statistic(&m.input, kind)?
            }
            RelType::Corr(m) => {
                let method = m.method.clone();
                let kind = Statistic::Correlation { column_1: m.col1.clone(), column_2: m.col2.clone(), method };
                self.statistic(&m.input, kind)?
            }
            RelType::ApproxQuantile(m) => {
                let kind = Statistic::ApproxQuantile {
                    columns: m.cols.clone(),
                    probabilities: m.probabilities.clone(),
                    relative_error: m.relative_error,
                };
                self.statistic(&m.input, kind)?
            }
            RelType::FreqItems(m) => {
                self.statistic(&m.input, Statistic::FreqItems { columns: m.cols.clone(), support: m.support })?
            }
            RelType::SampleBy(m) => self.sample_by(m)?,
            RelType::Catalog(m) => RelationNode::Catalog(catalog(m)?),
            RelType::Extension(any) => {
                RelationNode::Extension(Extension { type_url: any.type_url.clone(), value: any.value.clone().into() })
            }
            RelType::GroupMap(_) => return other("GroupMap"),
            RelType::CoGroupMap(_) => return other("CoGroupMap"),
            RelType::ApplyInPandasWithState(_) => return other("ApplyInPandasWithState"),
            RelType::CommonInlineUserDefinedTableFunction(_) => return other("CommonInlineUserDefinedTableFunction"),
            RelType::CommonInlineUserDefinedDataSource(_) => return other("CommonInlineUserDefinedDataSource"),
            RelType::AsOfJoin(_) => return other("AsOfJoin"),
            RelType::RelationChanges(_) => return other("RelationChanges"),
            RelType::NearestByJoin(_) => return other("NearestByJoin"),
            RelType::Zip(_) => return other("Zip"),
            RelType::MlRelation(_) => return other("MlRelation"),
            RelType::Unknown(_) => return Err(PlanError::invalid("a relation of an unknown kind")),
        })
    }

    /// Rows that were uploaded as a serialized LocalRelation.
    fn cached_local_relation(&mut self, m: &proto::CachedLocalRelation) -> Result<RelationNode, PlanError> {
        let Some(artifacts) = self.artifacts else {
            let data_hashes = vec![m.hash.clone()];
            return Ok(RelationNode::CachedLocalRelation { data_hashes, schema_hash: None, is_chunked: false });
        };
        let message = super::decode::<proto::LocalRelation>(uploaded(artifacts, &m.hash)?)?;
        Ok(RelationNode::LocalRelation(local_relation(&message)?))
    }

    /// Rows that were uploaded as Arrow streams, and perhaps their schema.
    fn chunked_local_relation(&mut self, m: &proto::ChunkedCachedLocalRelation) -> Result<RelationNode, PlanError> {
        let Some(artifacts) = self.artifacts else {
            return Ok(RelationNode::CachedLocalRelation {
                data_hashes: m.data_hashes.clone(),
                schema_hash: m.schema_hash.clone(),
                is_chunked: true,
            });
        };
        let schema = match &m.schema_hash {
            Some(hash) => {
                let text = uploaded(artifacts, hash)?;
                schema(Some(
                    std::str::from_utf8(&text).map_err(|_| PlanError::invalid("an uploaded schema is no text"))?,
                ))?
            }
            None => None,
        };
        let mut parts = Vec::with_capacity(m.data_hashes.len());
        for hash in &m.data_hashes {
            let data = Some(uploaded(artifacts, hash)?);
            parts.push(RelationNode::LocalRelation(LocalRelation { data, schema: schema.clone() }));
        }
        // A balanced tree of unions: as deep as the logarithm of their number.
        while parts.len() > 1 {
            let mut pairs = Vec::with_capacity(parts.len().div_ceil(2));
            let mut rest = parts.into_iter();
            while let Some(left) = rest.next() {
                pairs.push(match rest.next() {
                    None => left,
                    Some(right) => RelationNode::SetOperation {
                        left: Box::new(left.into()),
                        right: Box::new(right.into()),
                        kind: SetOperationKind::Union,
                        all: true,
                        by_name: false,
                        allow_missing_columns: false,
                    },
                });
            }
            parts = pairs;
        }
        parts.pop().ok_or_else(|| PlanError::invalid("uploaded rows without data"))
    }

    fn join(
        &mut self,
        left: &Input,
        right: &Input,
        kind: JoinKind,
        condition: Option<&proto::Expression>,
        using: &[String],
    ) -> Result<RelationNode, PlanError> {
        let criteria = match (condition, using) {
            (None, []) => JoinCriteria::None,
            (Some(condition), []) => JoinCriteria::On(self.expression(condition)?),
            (None, using) => JoinCriteria::Using(using.to_vec()),
            (Some(_), _) => return Err(PlanError::invalid("a join by a condition and by columns")),
        };
        Ok(RelationNode::Join(Join {
            left: self.input(left)?,
            right: self.input(right)?,
            kind,
            criteria,
            is_lateral: false,
        }))
    }

    fn set_operation(&mut self, m: &proto::SetOperation) -> Result<RelationNode, PlanError> {
        use proto::set_operation::SetOpType;
        Ok(RelationNode::SetOperation {
            left: self.input(&m.left_input)?,
            right: self.input(&m.right_input)?,
            kind: match SetOpType::try_from(m.set_op_type) {
                Ok(SetOpType::Intersect) => SetOperationKind::Intersect,
                Ok(SetOpType::Union) => SetOperationKind::Union,
                Ok(SetOpType::Except) => SetOperationKind::Except,
                _ => return Err(PlanError::invalid("a set operation of an unknown kind")),
            },
            all: m.is_all.unwrap_or(false),
            by_name: m.by_name.unwrap_or(false),
            allow_missing_columns: m.allow_missing_columns.unwrap_or(false),
        })
    }

    fn aggregate(&mut self, m: &proto::Aggregate) -> Result<RelationNode, PlanError> {
        use proto::aggregate::GroupType;
        let kind = match GroupType::try_from(m.group_type) {
            Ok(GroupType::Groupby) => GroupKind::GroupBy,
            Ok(GroupType::Rollup) => GroupKind::Rollup,
            Ok(GroupType::Cube) => GroupKind::Cube,
            Ok(GroupType::Pivot) => {
                let pivot = required(m.pivot.as_ref(), "a pivot")?;
                GroupKind::Pivot {
                    column: self.expression(required(pivot.col.as_ref(), "a pivot's column")?)?,
                    values: pivot.values.iter().map(|value| self.literal(value)).collect::<Result<_, _>>()?,
                }
            }
            Ok(GroupType::GroupingSets) => GroupKind::GroupingSets(
                m.grouping_sets.iter().map(|set| self.expressions(&set.grouping_set)).collect::<Result<_, _>>()?,
            ),
            _ => return Err(PlanError::invalid("groups of an unknown kind")),
        };
        Ok(RelationNode::Aggregate(Box::new(Aggregate {
            input: self.input(&m.input)?,
            kind,
            grouping: self.expressions(&m.grouping_expressions)?,
            aggregates: self.expressions(&m.aggregate_expressions)?,
            is_select_list: false,
            having: None,
        })))
    }

    fn parse(&mut self, m: &proto::Parse) -> Result<RelationNode, PlanError> {
        use proto::parse::ParseFormat;
        Ok(RelationNode::Parse {
            input: self.input(&m.input)?,
            format: match ParseFormat::try_from(m.format) {
                Ok(ParseFormat::Csv) => "csv",
                Ok(ParseFormat::Json) => "json",
                Ok(ParseFormat::Xml) => "xml",
                _ => return Err(PlanError::invalid("text of an unknown format")),
            }
            .to_owned(),
            schema: m.schema.as_ref().map(data_type_from_proto).transpose()?,
            options: options(&m.options),
        })
    }

    fn replace(&mut self, m: &proto::NaReplace) -> Result<RelationNode, PlanError> {
        let mut replacements = Vec::with_capacity(m.replacements.len());
        for replacement in &m.replacements {
            let old = self.literal(required(replacement.old_value.as_ref(), "a value to be replaced")?)?;
            let new = match &replacement.new_value {
                Some(new) => self.literal(new)?,
                None => Literal::Null(DataType::Null),
            };
            replacements.push((old, new));
        }
        Ok(RelationNode::ReplaceNa { input: self.input(&m.input)?, columns: m.cols.clone(), replacements })
    }

    fn sample_by(&mut self, m: &proto::StatSampleBy) -> Result<RelationNode, PlanError> {
        let mut fractions = Vec::with_capacity(m.fractions.len());
        for fraction in &m.fractions {
            fractions.push((self.literal(required(fraction.stratum.as_ref(), "a stratum")?)?, fraction.fraction));
        }
        let column = self.expression(required(m.col.as_ref(), "the column of strata")?)?;
        self.statistic(&m.input, Statistic::SampleBy { column, fractions, seed: m.seed })
    }

    fn statistic(&mut self, input: &Input, kind: Statistic) -> Result<RelationNode, PlanError> {
        Ok(RelationNode::Statistic { input: self.input(input)?, kind })
    }
}

fn uploaded(artifacts: &super::Artifacts<'_>, hash: &str) -> Result<bytes::Bytes, PlanError> {
    artifacts(hash)
        .ok_or_else(|| PlanError::invalid(format!("not found any cached local relation with the hash {hash}")))
}

fn number(value: i32) -> Expr {
    Expr::Literal(Literal::Integer(value))
}

fn join_kind(kind: i32) -> Result<JoinKind, PlanError> {
    use proto::join::JoinType;
    Ok(match JoinType::try_from(kind) {
        Ok(JoinType::Inner) => JoinKind::Inner,
        Ok(JoinType::FullOuter) => JoinKind::FullOuter,
        Ok(JoinType::LeftOuter) => JoinKind::LeftOuter,
        Ok(JoinType::RightOuter) => JoinKind::RightOuter,
        Ok(JoinType::LeftAnti) => JoinKind::LeftAnti,
        Ok(JoinType::LeftSemi) => JoinKind::LeftSemi,
        Ok(JoinType::Cross) => JoinKind::Cross,
        _ => return Err(PlanError::invalid("a join of an unknown kind")),
    })
}

fn read(m: &proto::Read) -> Result<RelationNode, PlanError> {
    Ok(match required(m.read_type.as_ref(), "what is read")? {
        ReadType::NamedTable(table) => RelationNode::ReadTable {
            name: sql::name_parts(&table.unparsed_identifier)?,
            options: options(&table.options),
            is_streaming: m.is_streaming,
        },
        ReadType::DataSource(source) => RelationNode::ReadSource(ReadSource {
            format: source.format.clone().filter(|format| !format.is_empty()),
            schema: schema(source.schema.as_deref())?,
            options: options(&source.options),
            paths: source.paths.clone(),
            predicates: source.predicates.clone(),
            source_name: source.source_name.clone(),
            is_streaming: m.is_streaming,
        }),
    })
}

/// A schema's text, which is empty when the user gave none.
fn schema(text: Option<&str>) -> Result<Option<StructType>, PlanError> {
    match text.filter(|text| !text.trim().is_empty()) {
        None => Ok(None),
        Some(text) => match types::schema_from_text(text)? {
            DataType::Struct(schema) => Ok(Some(schema)),
            // A client may send the rows' type where they have one unnamed column.
            other => Ok(Some(StructType::new([crate::spec::StructField::new("value", other, true)]))),
        },
    }
}

fn local_relation(m: &proto::LocalRelation) -> Result<LocalRelation, PlanError> {
    let schema = schema(m.schema.as_deref())?;
    if m.data.is_none() && schema.is_none() {
        return Err(PlanError::invalid("local rows need data or a schema"));
    }
    Ok(LocalRelation { data: m.data.clone(), schema })
}

#[allow(deprecated, reason = "clients before 4.0 send a map")]
fn renames(m: &proto::WithColumnsRenamed) -> Vec<(String, String)> {
    if m.renames.is_empty() {
        options(&m.rename_columns_map)
    } else {
        m.renames.iter().map(|rename| (rename.col_name.clone(), rename.new_col_name.clone())).collect()
    }
}
