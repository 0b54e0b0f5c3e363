//! Relations: what produces rows.

use bytes::Bytes;

use super::{CatalogOperation, DataType, Expr, Literal, NameParts, Options, PythonUdf, SortOrder, StructType};

/// A node of the plan with the number by which the client refers to it in attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    /// The client's number of this node, which [`Expr::Attribute`] and [`Expr::Star`] may name.
    pub plan_id: Option<i64>,
    /// What the node is.
    pub node: RelationNode,
}

impl Relation {
    /// A node without a number, as SQL text makes them.
    #[must_use]
    pub fn new(node: RelationNode) -> Self {
        Self { plan_id: None, node }
    }
}

impl From<RelationNode> for Relation {
    fn from(node: RelationNode) -> Self {
        Self::new(node)
    }
}

/// Every kind of relation that a client can ask for; what the engine lacks it refuses by [`RelationNode::name`].
#[derive(Debug, Clone, PartialEq)]
pub enum RelationNode {
    /// A table or view by name.
    ReadTable {
        /// Its name.
        name: NameParts,
        /// Options given with `.option`.
        options: Options,
        /// By `readStream`.
        is_streaming: bool,
    },
    /// A data source: `read.format(..)` or `readStream.format(..)`.
    ReadSource(ReadSource),
    /// One row without columns: a SELECT without FROM.
    OneRow,
    /// Columns by expressions; no expression means no column.
    Project {
        /// Absent for a SELECT without FROM through Connect.
        input: Box<Relation>,
        /// The new columns.
        expressions: Vec<Expr>,
    },
    /// Rows for which the condition is true.
    Filter {
        /// Rows to choose from.
        input: Box<Relation>,
        /// The condition.
        condition: Expr,
    },
    /// Rows of two relations side by side.
    Join(Join),
    /// Union, intersect, except.
    SetOperation {
        /// The left side.
        left: Box<Relation>,
        /// The right side.
        right: Box<Relation>,
        /// Which.
        kind: SetOperationKind,
        /// Duplicates are kept.
        all: bool,
        /// Columns are matched by name instead of by position.
        by_name: bool,
        /// With `by_name`: a column that one side lacks is null there.
        allow_missing_columns: bool,
    },
    /// Rows in order.
    Sort {
        /// Rows to sort.
        input: Box<Relation>,
        /// By what.
        order: Vec<SortOrder>,
        /// Over all rows, not within partitions.
        is_global: bool,
    },
    /// The first `limit` rows.
    Limit {
        /// Rows to take from.
        input: Box<Relation>,
        /// How many; an expression that must be constant.
        limit: Expr,
    },
    /// All but the first `offset` rows.
    Offset {
        /// Rows to take from.
        input: Box<Relation>,
        /// How many; an expression that must be constant.
        offset: Expr,
    },
    /// The last `limit` rows.
    Tail {
        /// Rows to take from.
        input: Box<Relation>,
        /// How many.
        limit: i32,
    },
    /// Groups and what is computed over each.
    Aggregate(Box<Aggregate>),
    /// The input under a name.
    SubqueryAlias {
        /// Rows.
        input: Box<Relation>,
        /// The name.
        alias: String,
        /// New names of the columns; empty to keep them.
        columns: Vec<String>,
    },
    /// Named relations visible below, `WITH name AS (..)`.
    With {
        /// In order; each may refer to those before it.
        definitions: Vec<(String, Relation)>,
        /// Where they are visible.
        input: Box<Relation>,
    },
    /// A relation with others that its subquery expressions name by plan id.
    WithRelations {
        /// The relation.
        root: Box<Relation>,
        /// What the subquery expressions of `root` refer to.
        references: Vec<Relation>,
    },
    /// Rows shipped by the client.
    LocalRelation(LocalRelation),
    /// Rows shipped by the client as artifacts `cache/<hash>`.
    CachedLocalRelation {
        /// The hashes of the Arrow streams, in order.
        data_hashes: Vec<String>,
        /// The hash of the schema text, if any. One hash of data without this names a serialized LocalRelation message.
        schema_hash: Option<String>,
        /// Each artifact of `data_hashes` is one Arrow stream, not a LocalRelation message.
        is_chunked: bool,
    },
    /// What the server remembers under an id: a micro-batch, a checkpoint.
    CachedRemoteRelation {
        /// The id.
        relation_id: String,
    },
    /// `VALUES (..), (..)`.
    Values {
        /// Rows of equal length.
        rows: Vec<Vec<Expr>>,
    },
    /// Numbers from `start` below `end`.
    Range {
        /// The first.
        start: i64,
        /// Not reached.
        end: i64,
        /// Difference.
        step: i64,
        /// Hint.
        num_partitions: Option<i32>,
    },
    /// A function in FROM: `range(10)`, `explode(..)`.
    TableFunction {
        /// Its name.
        name: String,
        /// Its arguments.
        arguments: Vec<Expr>,
    },
    /// `LATERAL VIEW [OUTER] generator alias AS columns`.
    LateralView {
        /// Rows.
        input: Box<Relation>,
        /// The generator function.
        generator: Expr,
        /// Rows without output are kept with nulls.
        outer: bool,
        /// The name of the generated relation.
        alias: Option<String>,
        /// Names of the generated columns; empty for the generator's own.
        columns: Vec<String>,
    },
    /// One row for each distinct value of some columns.
    Deduplicate {
        /// Rows.
        input: Box<Relation>,
        /// The columns; ignored with `all_columns`.
        columns: Vec<String>,
        /// Every column counts.
        all_columns: bool,
        /// State may be dropped behind the watermark.
        within_watermark: bool,
    },
    /// Columns added or replaced.
    WithColumns {
        /// Rows.
        input: Box<Relation>,
        /// Name, expression and metadata of each.
        columns: Vec<NamedExpr>,
    },
    /// Columns renamed; names that do not exist are ignored.
    WithColumnsRenamed {
        /// Rows.
        input: Box<Relation>,
        /// Old and new name.
        renames: Vec<(String, String)>,
    },
    /// Columns removed; what does not exist is ignored.
    Drop {
        /// Rows.
        input: Box<Relation>,
        /// By expression.
        columns: Vec<Expr>,
        /// By name.
        column_names: Vec<String>,
    },
    /// All columns renamed in order.
    ToDf {
        /// Rows.
        input: Box<Relation>,
        /// The new names.
        columns: Vec<String>,
    },
    /// Columns reordered and cast to a schema.
    ToSchema {
        /// Rows.
        input: Box<Relation>,
        /// The schema.
        schema: DataType,
    },
    /// A number of partitions.
    Repartition {
        /// Rows.
        input: Box<Relation>,
        /// How many.
        num_partitions: i32,
        /// False is `coalesce`.
        shuffle: bool,
    },
    /// Partitions by expressions.
    RepartitionByExpression {
        /// Rows.
        input: Box<Relation>,
        /// The expressions.
        expressions: Vec<Expr>,
        /// How many.
        num_partitions: Option<i32>,
    },
    /// One row, one column `show_string`: what `show()` prints.
    ShowString {
        /// Rows.
        input: Box<Relation>,
        /// How many to show.
        num_rows: i32,
        /// Cells longer than this are cut; 0 cuts none.
        truncate: i32,
        /// One line a column.
        vertical: bool,
    },
    /// One row, one column `html_string`: what a notebook shows.
    HtmlString {
        /// Rows.
        input: Box<Relation>,
        /// How many to show.
        num_rows: i32,
        /// Cells longer than this are cut; 0 cuts none.
        truncate: i32,
    },
    /// A random part of the rows.
    Sample {
        /// Rows.
        input: Box<Relation>,
        /// From this fraction.
        lower_bound: f64,
        /// Below this fraction.
        upper_bound: f64,
        /// A row may occur more than once.
        with_replacement: bool,
        /// For repetition.
        seed: Option<i64>,
        /// Rows are sorted first.
        deterministic_order: bool,
    },
    /// A hint to the planner, `broadcast` and so on: may be ignored.
    Hint {
        /// Rows.
        input: Box<Relation>,
        /// The hint.
        name: String,
        /// Its arguments.
        parameters: Vec<Expr>,
    },
    /// Columns into rows.
    Unpivot {
        /// Rows.
        input: Box<Relation>,
        /// Columns kept.
        ids: Vec<Expr>,
        /// Columns turned; all others when absent.
        values: Option<Vec<Expr>>,
        /// The name of the column of names.
        variable_column: String,
        /// The name of the column of values.
        value_column: String,
    },
    /// Rows into columns.
    Transpose {
        /// Rows.
        input: Box<Relation>,
        /// The column whose values become names.
        index_columns: Vec<Expr>,
    },
    /// How late event time may be.
    WithWatermark {
        /// Rows.
        input: Box<Relation>,
        /// The column.
        event_time: String,
        /// The delay, in Spark's interval text.
        delay_threshold: String,
    },
    /// Observed metrics: `observe`.
    CollectMetrics {
        /// Rows.
        input: Box<Relation>,
        /// The observation.
        name: String,
        /// What is computed.
        metrics: Vec<Expr>,
    },
    /// Text rows parsed: `spark.read.json(rdd)` and its likes.
    Parse {
        /// One column of text.
        input: Box<Relation>,
        /// `csv`, `json` or `xml`.
        format: String,
        /// The schema, or inferred.
        schema: Option<DataType>,
        /// Options of the format.
        options: Options,
    },
    /// Python over batches: `mapInPandas`, `mapInArrow`.
    MapPartitions {
        /// Rows.
        input: Box<Relation>,
        /// The function.
        function: PythonUdf,
        /// All partitions at once.
        is_barrier: bool,
    },
    /// Python over groups: `applyInPandas`.
    GroupMap {
        /// Rows.
        input: Box<Relation>,
        /// By what.
        grouping: Vec<Expr>,
        /// The function.
        function: PythonUdf,
    },
    /// Nulls filled.
    FillNa {
        /// Rows.
        input: Box<Relation>,
        /// Columns; all when empty.
        columns: Vec<String>,
        /// One value, or one for each column.
        values: Vec<Literal>,
    },
    /// Rows with nulls dropped.
    DropNa {
        /// Rows.
        input: Box<Relation>,
        /// Columns; all when empty.
        columns: Vec<String>,
        /// A row with fewer non-nulls goes; absent: all must be non-null.
        min_non_nulls: Option<i32>,
    },
    /// Values replaced.
    ReplaceNa {
        /// Rows.
        input: Box<Relation>,
        /// Columns; all when empty.
        columns: Vec<String>,
        /// Old and new value.
        replacements: Vec<(Literal, Literal)>,
    },
    /// One of the statistics: `describe`, `summary`, `corr` and so on.
    Statistic {
        /// Rows.
        input: Box<Relation>,
        /// Which.
        kind: Statistic,
    },
    /// The catalog asked or changed.
    Catalog(CatalogOperation),
    /// A message of an extension, for example Delta's.
    Extension(Extension),
    /// Known to Spark Connect, carried by name only.
    Other {
        /// The name in the protocol, for example `AsOfJoin`.
        name: &'static str,
    },
}

/// A message of a type that is not Spark's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Extension {
    /// `type.googleapis.com/<package>.<message>`.
    pub type_url: String,
    /// Its bytes.
    pub value: Bytes,
}

/// `read.format(..).schema(..).options(..).load(paths)`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadSource {
    /// The format; absent is the session's `spark.sql.sources.default`.
    pub format: Option<String>,
    /// The schema the user gave, already parsed from JSON or DDL.
    pub schema: Option<StructType>,
    /// Options in the order given.
    pub options: Options,
    /// Paths.
    pub paths: Vec<String>,
    /// JDBC only.
    pub predicates: Vec<String>,
    /// A name for the source's place in the checkpoint.
    pub source_name: Option<String>,
    /// By `readStream`.
    pub is_streaming: bool,
}

impl ReadSource {
    /// The value of an option, its name compared without case; the last one given wins.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// A join.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// The left side.
    pub left: Box<Relation>,
    /// The right side.
    pub right: Box<Relation>,
    /// Which rows.
    pub kind: JoinKind,
    /// How they are matched.
    pub criteria: JoinCriteria,
    /// The right side may refer to the left.
    pub is_lateral: bool,
}

/// Which rows a join keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Pairs.
    Inner,
    /// Pairs and what has no pair on either side.
    FullOuter,
    /// Pairs and what has no pair on the left.
    LeftOuter,
    /// Pairs and what has no pair on the right.
    RightOuter,
    /// The left rows without a pair.
    LeftAnti,
    /// The left rows with a pair.
    LeftSemi,
    /// All pairs.
    Cross,
}

/// How rows of a join are matched.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinCriteria {
    /// Every row with every row.
    None,
    /// By a condition.
    On(Expr),
    /// By equal columns, which occur once in the output.
    Using(Vec<String>),
    /// By all columns of equal name.
    Natural,
}

/// Which set operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOperationKind {
    /// Rows of both.
    Union,
    /// Rows in both.
    Intersect,
    /// Rows of the left that the right has not.
    Except,
}

/// Groups and aggregates. In SQL text the select list is `aggregates`; through Connect the grouping expressions come first
/// in the output by themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Rows.
    pub input: Box<Relation>,
    /// How groups are formed.
    pub kind: GroupKind,
    /// By what.
    pub grouping: Vec<Expr>,
    /// What is computed.
    pub aggregates: Vec<Expr>,
    /// From SQL: `aggregates` is the whole output, grouping columns are not put before it; a number or an alias in
    /// `grouping` refers to the select list.
    pub is_select_list: bool,
    /// From SQL: a condition over groups.
    pub having: Option<Expr>,
}

/// How groups are formed.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupKind {
    /// GROUP BY.
    GroupBy,
    /// ROLLUP.
    Rollup,
    /// CUBE.
    Cube,
    /// One column for each value of another.
    Pivot {
        /// The other.
        column: Expr,
        /// The values; empty to find them.
        values: Vec<Literal>,
    },
    /// GROUPING SETS.
    GroupingSets(Vec<Vec<Expr>>),
}

/// Rows shipped by the client.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalRelation {
    /// An Arrow IPC stream; absent means no rows, with `schema` then given.
    pub data: Option<Bytes>,
    /// The schema the user meant, to which the Arrow columns are cast by position.
    pub schema: Option<StructType>,
}

/// A column to be added under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedExpr {
    /// The name.
    pub name: String,
    /// The value.
    pub expr: Expr,
    /// Metadata as JSON text.
    pub metadata: Option<String>,
}

/// Statistics of a relation.
#[derive(Debug, Clone, PartialEq)]
pub enum Statistic {
    /// `summary(..)`.
    Summary {
        /// Which; empty for Spark's default ones.
        statistics: Vec<String>,
    },
    /// `describe(..)`.
    Describe {
        /// Columns; all when empty.
        columns: Vec<String>,
    },
    /// `crosstab`.
    Crosstab {
        /// One column.
        column_1: String,
        /// The other.
        column_2: String,
    },
    /// `cov`.
    Covariance {
        /// One column.
        column_1: String,
        /// The other.
        column_2: String,
    },
    /// `corr`.
    Correlation {
        /// One column.
        column_1: String,
        /// The other.
        column_2: String,
        /// `pearson` when absent.
        method: Option<String>,
    },
    /// `approxQuantile`.
    ApproxQuantile {
        /// Columns.
        columns: Vec<String>,
        /// Which quantiles.
        probabilities: Vec<f64>,
        /// How exactly.
        relative_error: f64,
    },
    /// `freqItems`.
    FreqItems {
        /// Columns.
        columns: Vec<String>,
        /// Least frequency.
        support: Option<f64>,
    },
    /// `sampleBy`.
    SampleBy {
        /// The stratum of a row.
        column: Expr,
        /// The fraction of each.
        fractions: Vec<(Literal, f64)>,
        /// For repetition.
        seed: Option<i64>,
    },
}

impl RelationNode {
    /// The relation's name in Spark Connect, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ReadTable { .. } | Self::ReadSource(_) => "Read",
            Self::OneRow => "OneRowRelation",
            Self::Project { .. } => "Project",
            Self::Filter { .. } => "Filter",
            Self::Join(_) => "Join",
            Self::SetOperation { .. } => "SetOperation",
            Self::Sort { .. } => "Sort",
            Self::Limit { .. } => "Limit",
            Self::Offset { .. } => "Offset",
            Self::Tail { .. } => "Tail",
            Self::Aggregate(_) => "Aggregate",
            Self::SubqueryAlias { .. } => "SubqueryAlias",
            Self::With { .. } => "With",
            Self::WithRelations { .. } => "WithRelations",
            Self::LocalRelation(_) => "LocalRelation",
            Self::CachedLocalRelation { .. } => "CachedLocalRelation",
            Self::CachedRemoteRelation { .. } => "CachedRemoteRelation",
            Self::Values { .. } => "Values",
            Self::Range { .. } => "Range",
            Self::TableFunction { .. } => "UnresolvedTableValuedFunction",
            Self::LateralView { .. } => "LateralView",
            Self::Deduplicate { .. } => "Deduplicate",
            Self::WithColumns { .. } => "WithColumns",
            Self::WithColumnsRenamed { .. } => "WithColumnsRenamed",
            Self::Drop { .. } => "Drop",
            Self::ToDf { .. } => "ToDF",
            Self::ToSchema { .. } => "ToSchema",
            Self::Repartition { .. } => "Repartition",
            Self::RepartitionByExpression { .. } => "RepartitionByExpression",
            Self::ShowString { .. } => "ShowString",
            Self::HtmlString { .. } => "HtmlString",
            Self::Sample { .. } => "Sample",
            Self::Hint { .. } => "Hint",
            Self::Unpivot { .. } => "Unpivot",
            Self::Transpose { .. } => "Transpose",
            Self::WithWatermark { .. } => "WithWatermark",
            Self::CollectMetrics { .. } => "CollectMetrics",
            Self::Parse { .. } => "Parse",
            Self::MapPartitions { .. } => "MapPartitions",
            Self::GroupMap { .. } => "GroupMap",
            Self::FillNa { .. } => "NAFill",
            Self::DropNa { .. } => "NADrop",
            Self::ReplaceNa { .. } => "NAReplace",
            Self::Statistic { kind, .. } => kind.name(),
            Self::Catalog(_) => "Catalog",
            Self::Extension(_) => "Extension",
            Self::Other { name } => name,
        }
    }
}

impl Statistic {
    /// The relation's name in Spark Connect.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Summary { .. } => "StatSummary",
            Self::Describe { .. } => "StatDescribe",
            Self::Crosstab { .. } => "StatCrosstab",
            Self::Covariance { .. } => "StatCov",
            Self::Correlation { .. } => "StatCorr",
            Self::ApproxQuantile { .. } => "StatApproxQuantile",
            Self::FreqItems { .. } => "StatFreqItems",
            Self::SampleBy { .. } => "StatSampleBy",
        }
    }
}
