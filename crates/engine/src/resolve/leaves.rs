//! Where rows come from: tables and views by name, formats, rows shipped by the client, numbers.

use std::path::Path;
use std::sync::Arc;

use andiron_plan::spec::{self, CatalogOperation, LocalRelation, ReadSource};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use datafusion::catalog::TableProvider;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::{DefaultTableSource, MemTable};
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder, Projection, TableScanBuilder};

use super::project::Item;
use super::scope::{Typed, fresh, fresh_number};
use super::{Names, Resolver};
use crate::formats::SourceRead;
use crate::functions::cast::cast_array;
use crate::resolved::{OutputColumn, StreamingSource, StreamingTable};
use crate::{Options, Resolved, SparkError, types};

impl Resolver<'_> {
    /// A table's rows under internal names.
    pub(super) fn table_rows(&self, table: Arc<dyn TableProvider>) -> Result<Resolved, SparkError> {
        let name = format!("t{}", fresh_number());
        let schema = table.schema();
        let scan = TableScanBuilder::new(name.as_str(), Arc::new(DefaultTableSource::new(table))).build()?;
        let mut columns = Vec::with_capacity(schema.fields().len());
        let mut exprs = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let internal = fresh();
            let own = Expr::Column(datafusion::common::Column::new(Some(name.as_str()), field.name()));
            exprs.push(engine_typed(own, field.data_type()).alias(&internal));
            columns.push(OutputColumn {
                name: field.name().clone(),
                internal,
                qualifiers: Vec::new(),
                plan_ids: Vec::new(),
                metadata: field_metadata(field),
            });
        }
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(LogicalPlan::TableScan(scan)))?);
        Ok(Resolved { plan, columns })
    }

    /// Batches as a relation.
    pub(super) fn rows(&self, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Resolved, SparkError> {
        self.table_rows(Arc::new(MemTable::try_new(schema, vec![batches])?))
    }

    pub(super) fn one_row(&self) -> Result<Resolved, SparkError> {
        let plan =
            LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, schema: Arc::new(DFSchema::empty()) });
        Ok(Resolved { plan, columns: Vec::new() })
    }

    /// One row with one column of text.
    pub(super) fn text_row(&self, name: &str, text: &str) -> Result<Resolved, SparkError> {
        let plan = self.one_row()?.plan;
        self.projection(plan, vec![Item::new(name, Typed::text(text))])
    }

    pub(super) async fn read_source(&self, read: &ReadSource) -> Result<Resolved, SparkError> {
        let format =
            read.format.clone().filter(|f| !f.is_empty()).unwrap_or_else(|| self.session.conf().default_format());
        let source = self.session.engine().source(&format)?;
        let request = SourceRead {
            format,
            options: Options::new(read.options.iter().cloned()),
            schema: read.schema.clone(),
            paths: read.paths.clone(),
            source_name: read.source_name.clone(),
        };
        if read.is_streaming {
            let schema = source.stream_schema(self.session, &request).await?;
            return self.streaming(request, schema);
        }
        let table = source.table(self.session, &request).await?;
        self.table_rows(table)
    }

    fn streaming(&self, read: SourceRead, schema: SchemaRef) -> Result<Resolved, SparkError> {
        let source = Arc::new(StreamingSource { id: fresh_number(), read, schema });
        self.table_rows(Arc::new(StreamingTable { source }))
    }

    pub(super) async fn read_table(
        &self,
        name: &[String],
        options: &spec::Options,
        is_streaming: bool,
        names: &Names,
    ) -> Result<Resolved, SparkError> {
        let shown = name.join(".");
        let Some(last) = name.last() else { return Err(SparkError::table_not_found("")) };
        let known = match name {
            [one] => names.definitions.get(&one.to_lowercase()).cloned().or_else(|| self.session.catalog().view(one)),
            [database, view] if database.eq_ignore_ascii_case("global_temp") => {
                self.session.engine().global_views().read().get(&view.to_lowercase()).cloned()
            }
            _ => None,
        };
        if let Some(mut known) = known {
            for c in &mut known.columns {
                c.qualifiers = vec![last.clone()];
                c.plan_ids.clear();
            }
            return Ok(known);
        }
        let mut request = SourceRead {
            format: "delta".to_owned(),
            options: Options::new(options.iter().cloned()),
            schema: None,
            paths: Vec::new(),
            source_name: None,
        };
        // delta.`path` and its likes.
        if let [format, path] = name
            && let Ok(source) = self.session.engine().source(format)
        {
            request.format.clone_from(format);
            request.paths = vec![path.clone()];
            if is_streaming {
                let schema = source.stream_schema(self.session, &request).await?;
                return self.streaming(request, schema);
            }
            return self.table_rows(source.table(self.session, &request).await?);
        }
        let path = self.session.table_path(last);
        if !Path::new(&path).join("_delta_log").is_dir() {
            return Err(SparkError::table_not_found(&shown));
        }
        request.paths = vec![path];
        let source = self.session.engine().source("delta")?;
        if is_streaming {
            let schema = source.stream_schema(self.session, &request).await?;
            return self.streaming(request, schema);
        }
        let mut rows = self.table_rows(source.table(self.session, &request).await?)?;
        for c in &mut rows.columns {
            c.qualifiers = vec![last.clone()];
        }
        Ok(rows)
    }

    /// Rows shipped by the client, cast to the schema it meant.
    pub(super) fn local(&self, local: &LocalRelation) -> Result<Resolved, SparkError> {
        let mut batches = Vec::new();
        let mut came: Option<SchemaRef> = None;
        if let Some(data) = &local.data {
            let reader = StreamReader::try_new(std::io::Cursor::new(data.as_ref()), None)?;
            came = Some(reader.schema());
            for batch in reader {
                batches.push(batch?);
            }
        }
        let target = match (&local.schema, &came) {
            (Some(schema), _) => types::arrow_schema(schema)?,
            (None, Some(came)) => {
                let fields = came.fields().iter().map(|f| {
                    let spark = types::from_arrow(f)?;
                    Ok(Field::new(f.name(), types::to_arrow(&spark)?, f.is_nullable()))
                });
                Arc::new(Schema::new(fields.collect::<Result<Vec<_>, SparkError>>()?))
            }
            (None, None) => Arc::new(Schema::empty()),
        };
        let mut cast = Vec::with_capacity(batches.len());
        for batch in batches {
            if batch.num_columns() != target.fields().len() {
                return Err(SparkError::plain(
                    crate::Exception::InvalidPlan,
                    format!(
                        "A local relation has {} columns and its schema {}.",
                        batch.num_columns(),
                        target.fields().len()
                    ),
                ));
            }
            let columns = batch.columns().iter().zip(target.fields());
            let columns =
                columns.map(|(c, f)| cast_array(c, f.data_type(), self.rules)).collect::<Result<Vec<ArrayRef>, _>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            cast.push(RecordBatch::try_new_with_options(Arc::clone(&target), columns, &options)?);
        }
        // Two columns may have one name, which a table must not: they are numbered until they have internal names.
        let numbered: Vec<Field> = target
            .fields()
            .iter()
            .enumerate()
            .map(|(i, f)| Field::new(format!("c{i}"), f.data_type().clone(), f.is_nullable()))
            .collect();
        let numbered = Arc::new(Schema::new(numbered));
        let renamed = cast.iter().map(|b| types::under_names(b, &numbered)).collect::<Result<Vec<_>, _>>()?;
        let mut rows = self.rows(numbered, renamed)?;
        for (i, c) in rows.columns.iter_mut().enumerate() {
            c.name.clone_from(target.field(i).name());
            if let Some(field) = local.schema.as_ref().and_then(|s| s.fields.get(i)) {
                c.metadata = field.metadata.clone();
            }
        }
        Ok(rows)
    }

    pub(super) fn values(&self, rows: &[Vec<spec::Expr>]) -> Result<Resolved, SparkError> {
        let empty = DFSchema::empty();
        let scope = self.scope_of(&[], &empty);
        let width = rows.first().map_or(0, Vec::len);
        let mut by_column: Vec<Vec<Typed>> = vec![Vec::new(); width];
        for row in rows {
            if row.len() != width {
                return Err(SparkError::analysis(
                    "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH",
                    "42000",
                    format!(
                        "Invalid inline table. Inline table expected {width} columns but found {} columns.",
                        row.len()
                    ),
                ));
            }
            for (column, value) in by_column.iter_mut().zip(row) {
                column.push(scope.expr(value)?);
            }
        }
        let by_column = by_column.into_iter().map(|c| scope.unify(c, "inline table")).collect::<Result<Vec<_>, _>>()?;
        let rows =
            (0..rows.len()).map(|r| by_column.iter().map(|c| c[r].expr.clone()).collect()).collect::<Vec<Vec<Expr>>>();
        let values = LogicalPlanBuilder::values(rows)?.build()?;
        let mut items = Vec::new();
        for (i, field) in values.schema().fields().iter().enumerate() {
            let own = Expr::Column(datafusion::common::Column::new_unqualified(field.name()));
            items.push(Item::new(format!("col{}", i + 1), Typed { expr: own, data_type: field.data_type().clone() }));
        }
        self.projection(values.clone(), items)
    }

    pub(super) fn range(&self, start: i64, end: i64, step: i64) -> Result<Resolved, SparkError> {
        if step == 0 {
            return Err(SparkError::illegal_argument("requirement failed: step (0) cannot be 0"));
        }
        let Some(function) = self.state.table_functions().get("range").cloned() else {
            return Err(SparkError::unsupported("range"));
        };
        let number = |v: i64| Expr::Literal(ScalarValue::Int64(Some(v)), None);
        let empty = (step > 0 && start >= end) || (step < 0 && start <= end);
        let (start, end) = if empty { (0, 0) } else { (start, end) };
        let step = if empty { 1 } else { step };
        let args = [number(start), number(end), number(step)];
        // `call` without a session is an error in this DataFusion's range.
        let state: &datafusion::execution::SessionState = &self.state;
        let args = datafusion::catalog::TableFunctionArgs::new(&args, state);
        let table = function.create_table_provider_with_args(args)?;
        let mut rows = self.table_rows(table)?;
        for c in &mut rows.columns {
            "id".clone_into(&mut c.name);
        }
        Ok(rows)
    }

    pub(super) fn table_function(&self, name: &str, arguments: &[spec::Expr]) -> Result<Resolved, SparkError> {
        if !name.eq_ignore_ascii_case("range") {
            return Err(SparkError::unsupported(format!("the table function {name}")));
        }
        let schema = DFSchema::empty();
        let scope = self.scope_of(&[], &schema);
        let numbers = arguments
            .iter()
            .map(|a| {
                scope
                    .expr(a)?
                    .as_integer()
                    .ok_or_else(|| SparkError::wrong_num_args("range", "1 to 4", arguments.len()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        match numbers.as_slice() {
            [end] => self.range(0, *end, 1),
            [start, end] => self.range(*start, *end, 1),
            [start, end, step, ..] => self.range(*start, *end, *step),
            [] => Err(SparkError::wrong_num_args("range", "1 to 4", 0)),
        }
    }

    pub(super) async fn catalog(&self, operation: &CatalogOperation) -> Result<Resolved, SparkError> {
        let catalog = self.session.catalog();
        let flag = |name: &str, value: bool| {
            let schema = Arc::new(Schema::new(vec![Field::new(name, DataType::Boolean, false)]));
            let column: ArrayRef = Arc::new(BooleanArray::from(vec![value]));
            self.rows(Arc::clone(&schema), vec![RecordBatch::try_new(schema, vec![column])?])
        };
        match operation {
            CatalogOperation::CurrentDatabase => self.text_row("current_database", "default"),
            CatalogOperation::CurrentCatalog => self.text_row("current_catalog", "spark_catalog"),
            CatalogOperation::DropTempView { view } => flag("value", catalog.drop_view(view)),
            CatalogOperation::DropGlobalTempView { view } => {
                let gone = self.session.engine().global_views().write().remove(&view.to_lowercase()).is_some();
                flag("value", gone)
            }
            CatalogOperation::TableExists { table, .. } => {
                let found = self.read_table(table, &Vec::new(), false, &Names::default()).await.is_ok();
                flag("value", found)
            }
            CatalogOperation::DatabaseExists { database } => flag("value", database.eq_ignore_ascii_case("default")),
            CatalogOperation::IsCached { .. } => flag("value", false),
            CatalogOperation::SetCurrentDatabase { .. }
            | CatalogOperation::SetCurrentCatalog { .. }
            | CatalogOperation::CacheTable { .. }
            | CatalogOperation::UncacheTable { .. }
            | CatalogOperation::ClearCache
            | CatalogOperation::RefreshTable { .. }
            | CatalogOperation::RefreshByPath { .. } => self.one_row(),
            CatalogOperation::ListTables { .. } => {
                let names = self.session.table_names();
                let texts = |values: Vec<Option<String>>| Arc::new(StringViewArray::from_iter(values)) as ArrayRef;
                let field = |name: &str| Field::new(name, DataType::Utf8View, true);
                let namespace = DataType::List(Arc::new(Field::new("element", DataType::Utf8View, true)));
                let schema = Arc::new(Schema::new(vec![
                    field("name"),
                    field("catalog"),
                    Field::new("namespace", namespace.clone(), true),
                    field("description"),
                    field("tableType"),
                    Field::new("isTemporary", DataType::Boolean, false),
                ]));
                let rows = names.len();
                let batch = RecordBatch::try_new(
                    Arc::clone(&schema),
                    vec![
                        texts(names.iter().map(|(n, _)| Some(n.clone())).collect()),
                        texts(vec![None; rows]),
                        arrow::array::new_null_array(&namespace, rows),
                        texts(vec![None; rows]),
                        texts(
                            names
                                .iter()
                                .map(|(_, temp)| Some(if *temp { "TEMPORARY" } else { "MANAGED" }.to_owned()))
                                .collect(),
                        ),
                        Arc::new(BooleanArray::from(names.iter().map(|(_, temp)| *temp).collect::<Vec<_>>())),
                    ],
                )?;
                self.rows(schema, vec![batch])
            }
            other => Err(SparkError::unsupported(format!("the catalog operation {other:?}"))),
        }
    }
}

/// A column of a table in a type of the engine: times in microseconds, nothing unsigned, no dictionaries.
fn engine_typed(expr: Expr, data_type: &DataType) -> Expr {
    use arrow::datatypes::TimeUnit;
    let target = match data_type {
        DataType::Timestamp(unit, Some(zone)) if *unit != TimeUnit::Microsecond || &**zone != types::UTC => {
            DataType::Timestamp(TimeUnit::Microsecond, Some(types::UTC.into()))
        }
        DataType::Timestamp(unit, None) if *unit != TimeUnit::Microsecond => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        DataType::Dictionary(_, value) => (**value).clone(),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Date64 => DataType::Date32,
        DataType::Float16 => DataType::Float32,
        _ => return expr,
    };
    Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(expr), target))
}

fn field_metadata(field: &Field) -> andiron_plan::types::Metadata {
    let pairs = field.metadata().iter().filter(|(key, _)| !key.starts_with("PARQUET:") && !key.starts_with("ARROW:"));
    pairs.map(|(key, value)| (key.clone(), serde_json::Value::String(value.clone()))).collect()
}
