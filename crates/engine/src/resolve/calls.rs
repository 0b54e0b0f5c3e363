//! Calls of functions, operators included: Spark's names to what computes them.

use andiron_plan::spec::{self, Function};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{InList, Like, ScalarFunction};
use datafusion::logical_expr::{Expr, Operator, binary_expr};

use super::coerce::sql_name;
use super::names::{column_name, pretty};
use super::over_rows::is_aggregate;
use super::scope::{Scope, Typed, column, is_bytes};
use crate::functions::json_path::JsonPath;
use crate::functions::udf::{SparkFunction, Work};
use crate::json::{JsonReadOptions, JsonReader, JsonWriteOptions, JsonWriter};
use crate::{Options, SparkError, datetime, types};

/// DataFusion's functions whose name and meaning are Spark's; those of datafusion-spark are taken as they are.
const SAME: &[&str] = &[
    "abs",
    "acos",
    "acosh",
    "array_distinct",
    "array_except",
    "array_intersect",
    "array_join",
    "array_max",
    "array_min",
    "array_position",
    "array_remove",
    "array_sort",
    "array_union",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "atan2",
    "btrim",
    "cbrt",
    "ceil",
    "chr",
    "contains",
    "cos",
    "cosh",
    "cot",
    "degrees",
    "ends_with",
    "exp",
    "flatten",
    "floor",
    "greatest",
    "initcap",
    "least",
    "left",
    "levenshtein",
    "ln",
    "log10",
    "log2",
    "lower",
    "lpad",
    "ltrim",
    "map_entries",
    "map_keys",
    "map_values",
    "md5",
    "nanvl",
    "nullif",
    "nvl",
    "nvl2",
    "overlay",
    "pi",
    "power",
    "radians",
    "regexp_count",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "signum",
    "sin",
    "sinh",
    "split_part",
    "sqrt",
    "starts_with",
    "substring_index",
    "tan",
    "tanh",
    "translate",
    "trim",
    "upper",
    "uuid",
    "to_hex",
];

/// Spark's other names for functions.
pub(super) fn canonical(name: &str) -> &str {
    match name {
        "ucase" => "upper",
        "lcase" => "lower",
        "ifnull" => "nvl",
        "ceiling" => "ceil",
        "pow" => "power",
        "char" => "chr",
        "sign" => "signum",
        "mean" => "avg",
        "startswith" => "starts_with",
        "endswith" => "ends_with",
        "character_length" | "char_length" | "len" => "length",
        "substr" => "substring",
        "cardinality" => "size",
        "every" | "bool_and" => "bool_and",
        "any" | "some" => "bool_or",
        "std" | "stddev_samp" => "stddev",
        "variance" | "var_samp" => "var_samp",
        "first_value" | "any_value" => "first",
        "last_value" => "last",
        "array_agg" => "collect_list",
        "approx_count_distinct" => "approx_distinct",
        "sha" => "sha1",
        "nanvl" => "nanvl",
        "day" => "dayofmonth",
        "now" => "current_timestamp",
        "curdate" => "current_date",
        "to_varchar" => "to_char",
        other => other,
    }
}

impl Scope<'_> {
    pub(crate) fn function(&self, call: &Function, whole: &spec::Expr) -> Result<Typed, SparkError> {
        let lower = call.name.to_lowercase();
        let name = canonical(&lower);
        if is_aggregate(name) {
            return self.aggregate_call(call, name, whole);
        }
        if let Some(special) = self.unevaluated(name, call, whole)? {
            return Ok(special);
        }
        let mut args = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            match argument {
                spec::Expr::Star { .. } if matches!(name, "struct" | "array" | "concat" | "coalesce") => {
                    args.extend(self.star(argument)?.into_iter().map(|(_, value)| value));
                }
                other => args.push(self.expr(other)?),
            }
        }
        self.call(name, args, whole)
    }

    /// Functions that look at their arguments before these become values.
    fn unevaluated(&self, name: &str, call: &Function, whole: &spec::Expr) -> Result<Option<Typed>, SparkError> {
        Ok(Some(match (name, call.arguments.as_slice()) {
            ("struct", arguments) => {
                let mut members = Vec::new();
                for (i, argument) in arguments.iter().enumerate() {
                    match argument {
                        spec::Expr::Star { .. } => members.extend(self.star(argument)?),
                        spec::Expr::Attribute { .. } | spec::Expr::Alias { .. } => {
                            members.push((column_name(argument), self.expr(argument)?));
                        }
                        spec::Expr::ExtractValue { extraction, .. } => {
                            let value = self.expr(argument)?;
                            let field = self.expr(extraction).ok().and_then(|e| e.as_text().map(str::to_owned));
                            members.push((field.unwrap_or_else(|| format!("col{}", i + 1)), value));
                        }
                        other => members.push((format!("col{}", i + 1), self.expr(other)?)),
                    }
                }
                self.named_struct(members)?
            }
            ("from_json", [value, schema, options @ ..]) => self.json_to_value(value, schema, options)?,
            ("to_json", [value, options @ ..]) => self.to_json(value, options, whole)?,
            ("when", branches) => {
                let mut conditions = Vec::new();
                let mut values = Vec::new();
                let mut otherwise = None;
                for pair in branches.chunks(2) {
                    match pair {
                        [condition, value] => {
                            conditions.push(self.boolean(self.expr(condition)?, &pretty(whole))?);
                            values.push(self.expr(value)?);
                        }
                        [value] => otherwise = Some(self.expr(value)?),
                        _ => {}
                    }
                }
                values.extend(otherwise);
                self.case(conditions, values, &pretty(whole))?
            }
            _ => return Ok(None),
        }))
    }

    /// The fields or columns of a star, with their names.
    pub(crate) fn star(&self, star: &spec::Expr) -> Result<Vec<(String, Typed)>, SparkError> {
        let spec::Expr::Star { target, plan_id, except } = star else { return Ok(Vec::new()) };
        let is_excepted = |name: &str| except.iter().any(|e| e.last().is_some_and(|e| self.same_name(e, name)));
        let mut found = Vec::new();
        if let Some(qualifier) = target.last() {
            let of_qualifier: Vec<_> =
                self.columns.iter().filter(|c| c.qualifiers.iter().any(|q| self.same_name(q, qualifier))).collect();
            if of_qualifier.is_empty() {
                let (of, _) = self.attribute(target, *plan_id)?;
                let DataType::Struct(fields) = of.data_type.clone() else {
                    return Err(SparkError::analysis(
                        "CANNOT_RESOLVE_STAR_EXPAND",
                        "42704",
                        format!(
                            "Cannot resolve {}.* given input columns {}. Please check that the specified table or struct exists and is accessible in the input columns.",
                            crate::error::quote_name(&target.join(".")),
                            self.suggestions("")
                                .iter()
                                .map(|n| crate::error::quote_name(n))
                                .collect::<Vec<_>>()
                                .join(", ")
                        ),
                    ));
                };
                for field in &fields {
                    if !is_excepted(field.name()) {
                        found.push((field.name().clone(), self.field(of.clone(), field.name())?));
                    }
                }
                return Ok(found);
            }
            for c in of_qualifier {
                found.push((c.name.clone(), Typed { expr: column(&c.internal), data_type: self.type_of(c)? }));
            }
        } else {
            for c in self.columns.iter().filter(|c| plan_id.is_none_or(|id| c.plan_ids.contains(&id))) {
                found.push((c.name.clone(), Typed { expr: column(&c.internal), data_type: self.type_of(c)? }));
            }
        }
        found.retain(|(name, _)| !is_excepted(name));
        Ok(found)
    }

    fn option_map(&self, options: &[spec::Expr]) -> Result<Options, SparkError> {
        let mut pairs = Vec::new();
        for option in options {
            match option {
                spec::Expr::Function(f) if matches!(f.name.to_lowercase().as_str(), "map" | "create_map") => {
                    for pair in f.arguments.chunks(2) {
                        let texts = pair.iter().map(|e| self.expr(e)).collect::<Result<Vec<_>, _>>()?;
                        match (texts.first().and_then(Typed::as_text), texts.get(1).and_then(Typed::as_text)) {
                            (Some(key), Some(value)) => pairs.push((key.to_owned(), value.to_owned())),
                            _ => return Err(options_must_be_text()),
                        }
                    }
                }
                spec::Expr::Literal(spec::Literal::Map { entries, .. }) => {
                    for (key, value) in entries {
                        match (key, value) {
                            (spec::Literal::String(k), spec::Literal::String(v)) => pairs.push((k.clone(), v.clone())),
                            _ => return Err(options_must_be_text()),
                        }
                    }
                }
                _ => return Err(options_must_be_text()),
            }
        }
        Ok(Options::new(pairs))
    }

    fn json_to_value(
        &self,
        value: &spec::Expr,
        schema: &spec::Expr,
        options: &[spec::Expr],
    ) -> Result<Typed, SparkError> {
        let value = self.expr(value)?;
        let schema = self.expr(schema)?;
        let Some(text) = schema.as_text() else {
            return Err(SparkError::analysis(
                "INVALID_SCHEMA.NON_STRING_LITERAL",
                "42K07",
                "The input schema is not a valid schema string. The input expression must be string literal and not null.",
            ));
        };
        let schema = andiron_plan::types::schema_from_text(text)?;
        let mut read = JsonReadOptions::parse(&self.option_map(options)?, self.rules.zone)?;
        if let Some(name) = self.session.conf().get("spark.sql.columnNameOfCorruptRecord")
            && self.option_map(options)?.get("columnNameOfCorruptRecord").is_none()
        {
            read.corrupt_record_column = name;
        }
        let reader = JsonReader::new(&schema, read)?;
        // The reader takes bytes: text made of them only to be read here need not be made.
        let value = match value.expr {
            Expr::ScalarFunction(ref cast)
                if matches!(SparkFunction::work_of(cast), Some(Work::Cast(..)))
                    && cast
                        .args
                        .first()
                        .is_some_and(|arg| self.typed(arg.clone()).is_ok_and(|t| is_bytes(&t.data_type))) =>
            {
                match cast.args.first() {
                    Some(arg) => self.typed(arg.clone())?,
                    None => value,
                }
            }
            _ if value.is_text() || is_bytes(&value.data_type) || value.data_type == DataType::Null => value,
            _ => {
                let shown = sql_name(&value.data_type);
                return Err(SparkError::unexpected_input_type("from_json", "first", "\"STRING\"", "value", &shown));
            }
        };
        let returns = reader.arrow_type()?;
        let expr = SparkFunction::call(
            "from_json",
            Work::FromJson(reader, returns.clone()),
            returns.clone(),
            vec![value.expr],
        );
        Ok(Typed { expr, data_type: returns })
    }

    fn to_json(&self, value: &spec::Expr, options: &[spec::Expr], whole: &spec::Expr) -> Result<Typed, SparkError> {
        let value = self.expr(value)?;
        if !matches!(
            value.data_type,
            DataType::Struct(_) | DataType::List(_) | DataType::LargeList(_) | DataType::Map(..)
        ) {
            let shown = sql_name(&value.data_type);
            return Err(SparkError::unexpected_input_type(
                &pretty(whole),
                "first",
                "\"STRUCT\" or \"ARRAY\" or \"MAP\"",
                &pretty(whole),
                &shown,
            ));
        }
        let writer = JsonWriter::new(JsonWriteOptions::parse(&self.option_map(options)?, self.rules.zone)?);
        let expr = SparkFunction::call("to_json", Work::ToJson(writer), DataType::Utf8View, vec![value.expr]);
        Ok(Typed { expr, data_type: DataType::Utf8View })
    }

    /// A call over values.
    fn call(&self, name: &str, args: Vec<Typed>, whole: &spec::Expr) -> Result<Typed, SparkError> {
        let count = args.len();
        let sql = pretty(whole);
        let mut args = args.into_iter();
        let mut next = || args.next().ok_or_else(|| SparkError::wrong_num_args(name, &(count + 1).to_string(), count));
        let boolean = |expr: Expr| Ok(Typed { expr, data_type: DataType::Boolean });
        let text = DataType::Utf8View;
        match (name, count) {
            ("and", 2) => {
                let (a, b) = (self.boolean(next()?, &sql)?, self.boolean(next()?, &sql)?);
                boolean(a.and(b))
            }
            ("or", 2) => {
                let (a, b) = (self.boolean(next()?, &sql)?, self.boolean(next()?, &sql)?);
                boolean(a.or(b))
            }
            ("not" | "!", 1) => {
                let value = self.boolean(next()?, &sql)?;
                boolean(Expr::Not(Box::new(value)))
            }
            ("==" | "=", 2) => self.compare(next()?, Operator::Eq, next()?, &sql),
            ("!=" | "<>", 2) => self.compare(next()?, Operator::NotEq, next()?, &sql),
            ("<", 2) => self.compare(next()?, Operator::Lt, next()?, &sql),
            ("<=", 2) => self.compare(next()?, Operator::LtEq, next()?, &sql),
            (">", 2) => self.compare(next()?, Operator::Gt, next()?, &sql),
            (">=", 2) => self.compare(next()?, Operator::GtEq, next()?, &sql),
            ("<=>" | "equal_null", 2) => self.compare(next()?, Operator::IsNotDistinctFrom, next()?, &sql),
            ("between", 3) => {
                let (value, low, high) = (next()?, next()?, next()?);
                let a = self.compare(value.clone(), Operator::GtEq, low, &sql)?;
                let b = self.compare(value, Operator::LtEq, high, &sql)?;
                boolean(a.expr.and(b.expr))
            }
            ("+", 2) => self.arithmetic(next()?, Operator::Plus, next()?, &sql),
            ("-", 2) => self.arithmetic(next()?, Operator::Minus, next()?, &sql),
            ("*", 2) => self.arithmetic(next()?, Operator::Multiply, next()?, &sql),
            ("/", 2) => self.divide(next()?, Operator::Divide, next()?, false, &sql),
            ("%" | "mod", 2) => self.divide(next()?, Operator::Modulo, next()?, false, &sql),
            ("div", 2) => self.divide(next()?, Operator::Divide, next()?, true, &sql),
            ("+" | "positive", 1) => next(),
            ("-" | "negative", 1) => {
                let value = next()?;
                let value = if value.is_text() { self.cast(value, &DataType::Float64)? } else { value };
                self.typed(Expr::Negative(Box::new(value.expr)))
            }
            ("&", 2) => self.arithmetic(next()?, Operator::BitwiseAnd, next()?, &sql),
            ("|", 2) => self.arithmetic(next()?, Operator::BitwiseOr, next()?, &sql),
            ("^", 2) => self.arithmetic(next()?, Operator::BitwiseXor, next()?, &sql),
            ("isnull", 1) => boolean(Expr::IsNull(Box::new(next()?.expr))),
            ("isnotnull", 1) => boolean(Expr::IsNotNull(Box::new(next()?.expr))),
            ("isnan", 1) => {
                let value = self.cast(next()?, &DataType::Float64)?;
                let nan = Expr::Literal(ScalarValue::Float64(Some(f64::NAN)), None);
                let is_nan = binary_expr(value.expr, Operator::IsNotDistinctFrom, nan);
                boolean(is_nan)
            }
            ("in", 1..) => {
                let values: Vec<Typed> = std::iter::once(next()?).chain(args).collect();
                let mut target = values[0].data_type.clone();
                for value in &values[1..] {
                    target = self.comparison_type(&target, &value.data_type).ok_or_else(|| {
                        SparkError::unexpected_input_type(
                            &sql,
                            "second",
                            &sql_name(&target),
                            &sql,
                            &sql_name(&value.data_type),
                        )
                    })?;
                }
                let mut values = values.into_iter().map(|v| self.cast(v, &target)).collect::<Result<Vec<_>, _>>()?;
                let value = values.remove(0);
                let list = values.into_iter().map(|v| v.expr).collect();
                boolean(Expr::InList(InList { expr: Box::new(value.expr), list, negated: false }))
            }
            ("like" | "ilike", 2 | 3) => {
                let (value, pattern) = (self.to_text(next()?)?, self.to_text(next()?)?);
                let escape = if count == 3 { next()?.as_text().and_then(|t| t.chars().next()) } else { None };
                boolean(Expr::Like(Like {
                    negated: false,
                    expr: Box::new(value.expr),
                    pattern: Box::new(pattern.expr),
                    escape_char: escape,
                    case_insensitive: name == "ilike",
                }))
            }
            ("rlike" | "regexp" | "regexp_like", 2) => {
                let (value, pattern) = (self.to_text(next()?)?, self.to_text(next()?)?);
                boolean(datafusion::functions::regex::expr_fn::regexp_like(value.expr, pattern.expr, None))
            }
            ("regexp_replace", 3) => {
                let (value, pattern, with) = (self.to_text(next()?)?, self.to_text(next()?)?, self.to_text(next()?)?);
                let all = Expr::Literal(ScalarValue::Utf8(Some("g".to_owned())), None);
                self.typed(datafusion::functions::regex::expr_fn::regexp_replace(
                    value.expr,
                    pattern.expr,
                    with.expr,
                    Some(all),
                ))
            }
            ("coalesce", 1..) => {
                let values = self.unify(args.collect(), &sql)?;
                let data_type = values.first().map_or(DataType::Null, |v| v.data_type.clone());
                let expr = datafusion::functions::core::expr_fn::coalesce(values.into_iter().map(|v| v.expr).collect());
                Ok(Typed { expr, data_type })
            }
            ("nvl" | "ifnull", 2) => {
                let values = self.unify(args.collect(), &sql)?;
                let data_type = values.first().map_or(DataType::Null, |v| v.data_type.clone());
                let expr = datafusion::functions::core::expr_fn::coalesce(values.into_iter().map(|v| v.expr).collect());
                Ok(Typed { expr, data_type })
            }
            ("if", 3) => {
                let condition = self.boolean(next()?, &sql)?;
                self.case(vec![condition], vec![next()?, next()?], &sql)
            }
            ("greatest" | "least", 2..) => {
                let values = self.unify(args.collect(), &sql)?;
                self.registered(name, values)
            }
            ("concat", _) => {
                let values: Vec<_> = args.collect();
                if values.first().is_some_and(|v| matches!(v.data_type, DataType::List(_))) {
                    let exprs = values.into_iter().map(|v| v.expr).collect();
                    return self.typed(datafusion::functions_nested::expr_fn::array_concat(exprs));
                }
                let values = values.into_iter().map(|v| self.to_text(v)).collect::<Result<Vec<_>, _>>()?;
                self.registered(name, values)
            }
            ("concat_ws", 1..) => {
                let values =
                    args.map(|v| if matches!(v.data_type, DataType::List(_)) { Ok(v) } else { self.to_text(v) });
                let values = values.collect::<Result<Vec<_>, _>>()?;
                self.registered(name, values)
            }
            ("named_struct", _) => {
                let values: Vec<_> = args.collect();
                let members = values
                    .chunks(2)
                    .map(|pair| match pair {
                        [name, value] => match name.as_text() {
                            Some(name) => Ok((name.to_owned(), value.clone())),
                            None => Err(SparkError::unexpected_input_type(
                                &sql,
                                "first",
                                "\"STRING\"",
                                &sql,
                                &sql_name(&name.data_type),
                            )),
                        },
                        _ => Err(SparkError::wrong_num_args("named_struct", "2n (n > 0)", count)),
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                self.named_struct(members)
            }
            ("array", _) => {
                let values = self.unify(args.collect(), &sql)?;
                let exprs = values.into_iter().map(|v| v.expr).collect();
                self.typed(datafusion::functions_nested::expr_fn::make_array(exprs))
            }
            ("map" | "create_map", _) => {
                let values: Vec<_> = args.collect();
                let (mut keys, mut items) = (Vec::new(), Vec::new());
                for (i, value) in values.into_iter().enumerate() {
                    if i % 2 == 0 { keys.push(value) } else { items.push(value) }
                }
                if keys.len() != items.len() {
                    return Err(SparkError::wrong_num_args("map", "2n (n > 0)", count));
                }
                let keys = self.unify(keys, &sql)?.into_iter().map(|v| v.expr).collect();
                let items = self.unify(items, &sql)?.into_iter().map(|v| v.expr).collect();
                self.typed(datafusion::functions_nested::map::map(keys, items))
            }
            ("element_at", 2) => {
                let (of, at) = (next()?, next()?);
                match &of.data_type {
                    DataType::Map(..) => self.map_value(of, at),
                    _ => {
                        let at = self.cast(at, &DataType::Int64)?;
                        self.typed(datafusion::functions_nested::expr_fn::array_element(of.expr, at.expr))
                    }
                }
            }
            ("size", 1) => {
                let value = next()?;
                let of_map = matches!(value.data_type, DataType::Map(..));
                let length = if of_map {
                    datafusion::functions_nested::expr_fn::cardinality(value.expr)
                } else {
                    datafusion::functions_nested::expr_fn::array_length(value.expr)
                };
                let length = self.typed(length)?;
                self.cast_by(length, &DataType::Int32, false)
            }
            ("array_contains", 2) => {
                let (list, value) = (next()?, next()?);
                let value = match &list.data_type {
                    DataType::List(element) => self.cast(value, element.data_type())?,
                    _ => value,
                };
                self.registered(name, vec![list, value])
            }
            ("get_json_object", 2) => {
                let (value, path) = (self.to_text(next()?)?, next()?);
                let path = path
                    .as_text()
                    .and_then(JsonPath::parse)
                    .ok_or_else(|| SparkError::unsupported("get_json_object with this path"))?;
                let expr = SparkFunction::call("get_json_object", Work::JsonPath(path), text.clone(), vec![value.expr]);
                Ok(Typed { expr, data_type: text })
            }
            ("current_timestamp" | "localtimestamp", 0) => {
                let now = self.typed(datafusion::functions::datetime::expr_fn::now())?;
                let instant = DataType::Timestamp(TimeUnit::Microsecond, Some(types::UTC.into()));
                let cast = Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(now.expr), instant.clone()));
                Ok(Typed { expr: cast, data_type: instant })
            }
            ("current_date", 0) => {
                let now = self.call("current_timestamp", Vec::new(), whole)?;
                self.cast(now, &DataType::Date32)
            }
            ("unix_timestamp" | "to_unix_timestamp", 0 | 1) => {
                let value = if count == 0 {
                    self.call("current_timestamp", Vec::new(), whole)?
                } else {
                    self.timestamp(next()?)?
                };
                self.cast_by(value, &DataType::Int64, false)
            }
            (
                "to_timestamp" | "to_timestamp_ltz" | "unix_timestamp" | "to_unix_timestamp" | "try_to_timestamp"
                | "to_date",
                2,
            ) => {
                let (value, pattern) = (next()?, next()?);
                let ansi = self.rules.ansi && !name.starts_with("try");
                let pattern = match pattern.as_text() {
                    Some(pattern) => datetime::Pattern::parse(pattern)?,
                    None => return Err(SparkError::unsupported(format!("{name} with a pattern that is not constant"))),
                };
                let returns = if name == "to_date" {
                    DataType::Date32
                } else {
                    DataType::Timestamp(TimeUnit::Microsecond, Some(types::UTC.into()))
                };
                let rules = crate::functions::cast::CastRules { ansi, zone: self.rules.zone };
                let value = self.to_text(value)?;
                let expr = SparkFunction::call(
                    "to_timestamp",
                    Work::ParseTime(pattern, rules),
                    returns.clone(),
                    vec![value.expr],
                );
                let parsed = Typed { expr, data_type: returns };
                if name.contains("unix") { self.cast_by(parsed, &DataType::Int64, false) } else { Ok(parsed) }
            }
            ("to_timestamp" | "to_timestamp_ltz", 1) => self.timestamp(next()?),
            ("try_to_timestamp", 1) => {
                self.cast_by(next()?, &DataType::Timestamp(TimeUnit::Microsecond, Some(types::UTC.into())), false)
            }
            ("to_date", 1) => self.cast(next()?, &DataType::Date32),
            ("timestamp_seconds", 1) => self.timestamp(next()?),
            ("timestamp_millis" | "timestamp_micros", 1) => {
                let value = self.cast(next()?, &DataType::Int64)?;
                let factor = if name == "timestamp_millis" { 1000 } else { 1 };
                let us = value.expr * Expr::Literal(ScalarValue::Int64(Some(factor)), None);
                let instant = DataType::Timestamp(TimeUnit::Microsecond, Some(types::UTC.into()));
                let expr = Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(us), instant.clone()));
                Ok(Typed { expr, data_type: instant })
            }
            ("date_format" | "from_unixtime", 1 | 2) => {
                let value = next()?;
                let pattern = if count == 2 {
                    next()?.as_text().map(str::to_owned)
                } else {
                    Some("yyyy-MM-dd HH:mm:ss".to_owned())
                };
                let Some(pattern) = pattern else {
                    return Err(SparkError::unsupported(format!("{name} with a pattern that is not constant")));
                };
                let pattern = datetime::Pattern::parse(&pattern)?;
                let instant = self.timestamp(value)?;
                let work = Work::FormatTime(pattern, self.rules.zone);
                let expr = SparkFunction::call("date_format", work, text.clone(), vec![instant.expr]);
                Ok(Typed { expr, data_type: text })
            }
            (
                "year" | "quarter" | "month" | "dayofmonth" | "dayofweek" | "dayofyear" | "weekday" | "weekofyear"
                | "hour" | "minute" | "second",
                1,
            ) => {
                let value = next()?;
                let value = if value.is_text() && !matches!(name, "hour" | "minute" | "second") {
                    self.cast(value, &DataType::Date32)?
                } else {
                    self.wall_clock(value)?
                };
                let (part, plus) = match name {
                    "dayofmonth" => ("day", 0),
                    "dayofweek" => ("dow", 1),
                    "dayofyear" => ("doy", 0),
                    "weekday" => ("isodow", 0),
                    "weekofyear" => ("week", 0),
                    other => (other, 0),
                };
                let part = Expr::Literal(ScalarValue::Utf8(Some(part.to_owned())), None);
                let number = self.typed(datafusion::functions::datetime::expr_fn::date_part(part, value.expr))?;
                let number = self.cast_by(number, &DataType::Int32, false)?;
                if plus == 0 {
                    return Ok(number);
                }
                let shifted = number.expr + Expr::Literal(ScalarValue::Int32(Some(plus)), None);
                self.typed(shifted)
            }
            ("date_trunc", 2) => {
                let (unit, value) = (next()?, self.wall_clock(next()?)?);
                let value = self.cast(value, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
                let cut = self.typed(datafusion::functions::datetime::expr_fn::date_trunc(unit.expr, value.expr))?;
                self.timestamp(cut)
            }
            ("split", 2) => {
                let (value, pattern) = (self.to_text(next()?)?, next()?);
                let literal = pattern.as_text().and_then(plain_pattern);
                let Some(separator) = literal else {
                    return Err(SparkError::unsupported("split by a regular expression"));
                };
                let separator = Typed::text(&separator);
                self.typed(datafusion::functions_nested::expr_fn::string_to_array(
                    value.expr,
                    separator.expr,
                    Expr::Literal(ScalarValue::Utf8(None), None),
                ))
            }
            ("instr" | "locate" | "position", 2) => {
                let (a, b) = (self.to_text(next()?)?, self.to_text(next()?)?);
                let (value, part) = if name == "instr" { (a, b) } else { (b, a) };
                self.typed(datafusion::functions::unicode::expr_fn::strpos(value.expr, part.expr))
            }
            ("log", 1) => {
                let value = self.cast(next()?, &DataType::Float64)?;
                self.typed(datafusion::functions::math::expr_fn::ln(value.expr))
            }
            ("raise_error", 1) => {
                let value = self.to_text(next()?)?;
                let expr = SparkFunction::call("raise_error", Work::RaiseError, DataType::Utf8View, vec![value.expr]);
                Ok(Typed { expr, data_type: DataType::Utf8View })
            }
            (
                "binary" | "string" | "int" | "bigint" | "double" | "float" | "boolean" | "smallint" | "tinyint"
                | "date" | "timestamp",
                1,
            ) => {
                let data_type = andiron_plan::types::from_ddl(name)?;
                let value = next()?;
                self.cast(value, &types::to_arrow(&data_type)?)
            }
            (name, _) => self.registered(name, args.collect()),
        }
    }

    /// A function that DataFusion or datafusion-spark has under Spark's name.
    pub(crate) fn registered(&self, name: &str, args: Vec<Typed>) -> Result<Typed, SparkError> {
        let spark = datafusion_spark::all_default_scalar_functions();
        let known = spark.iter().any(|f| f.name() == name) || SAME.contains(&name);
        let found = if known { self.state.scalar_functions().get(name).cloned() } else { None };
        let Some(udf) = found else { return Err(SparkError::unresolved_routine(name)) };
        let call = Expr::ScalarFunction(ScalarFunction::new_udf(udf, args.iter().map(|a| a.expr.clone()).collect()));
        let typed = self.typed(call).map_err(|error| {
            let shown = args.iter().map(|a| sql_name(&a.data_type)).collect::<Vec<_>>().join(", ");
            SparkError::analysis(
                "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                "42K09",
                format!(
                    "Cannot resolve \"{name}\" due to data type mismatch: it does not take ({shown}): {}",
                    error.message()
                ),
            )
        })?;
        // What DataFusion counts without a sign, Spark counts with one.
        match typed.data_type {
            DataType::UInt8 | DataType::UInt16 => self.cast_by(typed, &DataType::Int32, false),
            DataType::UInt32 | DataType::UInt64 => self.cast_by(typed, &DataType::Int64, false),
            _ => Ok(typed),
        }
    }
}

fn options_must_be_text() -> SparkError {
    SparkError::analysis(
        "INVALID_OPTIONS.NON_MAP_FUNCTION",
        "42K06",
        "Invalid options: Must use the `map()` function for options, with constant texts as keys and values.",
    )
}

/// The text that a regular expression matches, if it matches just one.
fn plain_pattern(pattern: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                c if c.is_ascii_alphanumeric() => return None,
                c => out.push(c),
            },
            '[' => {
                let inner: String = chars.by_ref().take_while(|c| *c != ']').collect();
                if inner.chars().count() != 1 || inner == "^" {
                    return None;
                }
                out.push_str(&inner);
            }
            '.' | '*' | '+' | '?' | '(' | ')' | '{' | '}' | '|' | '^' | '$' => return None,
            c => out.push(c),
        }
    }
    Some(out)
}
