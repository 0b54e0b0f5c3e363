//! SQL text and what becomes of it, shown in a short form of the plan.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::spec::{DataType, Literal, Relation, RelationNode, SubqueryKind, SubqueryRef, ViewScope};

/// A short form: `+(a, 1)`, `cast(value as string)`.
fn show(expr: &Expr) -> String {
    let list = |exprs: &[Expr]| exprs.iter().map(show).collect::<Vec<_>>().join(", ");
    match expr {
        Expr::Literal(literal) => match literal {
            Literal::String(text) => format!("'{text}'"),
            Literal::Integer(value) => value.to_string(),
            Literal::Long(value) => format!("{value}L"),
            Literal::Boolean(value) => value.to_string(),
            Literal::Null(DataType::Null) => "null".to_owned(),
            Literal::Decimal { unscaled, precision, scale } => format!("{unscaled}e-{scale}:{precision}"),
            other => format!("{other:?}"),
        },
        Expr::Attribute { name, .. } => name.join("."),
        Expr::Star { target, except, .. } => {
            let mut out = target.iter().map(|part| format!("{part}.")).collect::<String>() + "*";
            if !except.is_empty() {
                out += &format!(" except {}", except.concat().join(","));
            }
            out
        }
        Expr::Function(f) => {
            let distinct = if f.is_distinct { "distinct " } else { "" };
            let filter = f.filter.as_ref().map_or(String::new(), |filter| format!(" where {}", show(filter)));
            format!("{}({distinct}{}){filter}", f.name, list(&f.arguments))
        }
        Expr::Cast { expr, data_type, mode } => {
            let mode = if *mode == crate::spec::CastMode::Session { String::new() } else { format!("{mode:?} ") };
            format!("{mode}cast({} as {})", show(expr), crate::types::simple_string(data_type))
        }
        Expr::Alias { expr, names, .. } => format!("{} as {}", show(expr), names.join(",")),
        Expr::ExtractValue { child, extraction } => format!("{}[{}]", show(child), show(extraction)),
        Expr::Lambda { body, arguments } => format!("({}) -> {}", arguments.join(", "), show(body)),
        Expr::LambdaVariable { name } => format!("${name}"),
        Expr::NamedArgument { name, value } => format!("{name} => {}", show(value)),
        Expr::Case { operand, branches, otherwise } => {
            let mut out = "case".to_owned();
            if let Some(operand) = operand {
                out += &format!(" {}", show(operand));
            }
            for (when, then) in branches {
                out += &format!(" when {} then {}", show(when), show(then));
            }
            if let Some(otherwise) = otherwise {
                out += &format!(" else {}", show(otherwise));
            }
            out
        }
        Expr::Window(window) => format!(
            "{} over ({} order {} frame {:?})",
            show(&window.function),
            list(&window.partition_by),
            window.order_by.iter().map(|o| format!("{}{}", show(&o.child), o.ascending)).collect::<String>(),
            window.frame.as_ref().map(|frame| frame.is_rows),
        ),
        Expr::Subquery { kind, query } => {
            let SubqueryRef::Relation(query) = query else { return "subquery".to_owned() };
            let kind = match kind {
                SubqueryKind::Scalar => "scalar".to_owned(),
                SubqueryKind::Exists { negated } => format!("exists {negated}"),
                SubqueryKind::In { values, negated } => format!("{} in {negated}", list(values)),
                SubqueryKind::TableArgument => "table".to_owned(),
            };
            format!("{kind} [{}]", tree(query))
        }
        other => format!("{other:?}"),
    }
}

/// A relation from its root down, on one line.
fn tree(relation: &Relation) -> String {
    let list = |exprs: &[Expr]| exprs.iter().map(show).collect::<Vec<_>>().join(", ");
    match &relation.node {
        RelationNode::ReadTable { name, .. } => name.join("."),
        RelationNode::OneRow => "one row".to_owned(),
        RelationNode::Project { input, expressions } => format!("project({}) < {}", list(expressions), tree(input)),
        RelationNode::Filter { input, condition } => format!("filter({}) < {}", show(condition), tree(input)),
        RelationNode::Limit { input, limit } => format!("limit({}) < {}", show(limit), tree(input)),
        RelationNode::Offset { input, offset } => format!("offset({}) < {}", show(offset), tree(input)),
        RelationNode::Sort { input, order, .. } => {
            let order: Vec<_> = order
                .iter()
                .map(|o| {
                    let nulls = if o.nulls_first { "first" } else { "last" };
                    format!("{} {} nulls {nulls}", show(&o.child), if o.ascending { "asc" } else { "desc" })
                })
                .collect();
            format!("sort({}) < {}", order.join(", "), tree(input))
        }
        RelationNode::Aggregate(a) => format!(
            "aggregate({:?} by {}: {}; having {}) < {}",
            a.kind,
            list(&a.grouping),
            list(&a.aggregates),
            a.having.as_ref().map_or("all".to_owned(), show),
            tree(&a.input)
        ),
        RelationNode::Join(j) => format!("{:?} join {:?} [{}] [{}]", j.kind, j.criteria, tree(&j.left), tree(&j.right)),
        RelationNode::SetOperation { left, right, kind, all, .. } => {
            format!("{kind:?} all={all} [{}] [{}]", tree(left), tree(right))
        }
        RelationNode::SubqueryAlias { input, alias, columns } => {
            format!("{alias}({}) = {}", columns.join(","), tree(input))
        }
        RelationNode::With { definitions, input } => {
            let names: Vec<_> = definitions.iter().map(|(name, r)| format!("{name}: {}", tree(r))).collect();
            format!("with {} in {}", names.join("; "), tree(input))
        }
        RelationNode::Values { rows } => {
            format!("values {}", rows.iter().map(|r| list(r)).collect::<Vec<_>>().join(" / "))
        }
        RelationNode::TableFunction { name, arguments } => format!("{name}({})", list(arguments)),
        RelationNode::LateralView { input, generator, outer, alias, columns } => {
            format!("lateral {outer} {} {alias:?} {} < {}", show(generator), columns.join(","), tree(input))
        }
        RelationNode::Deduplicate { input, .. } => format!("distinct < {}", tree(input)),
        other => format!("{other:?}"),
    }
}

#[test]
fn expressions_as_programs_write_them() {
    for (text, expected) in [
        ("CAST(value AS STRING)", "cast(value as string)"),
        ("CAST(key AS STRING) AS k", "cast(key as string) as k"),
        ("cast(a as decimal(10, 2))", "cast(a as decimal(10,2))"),
        ("a::bigint", "cast(a as bigint)"),
        ("cast(a as long)", "cast(a as bigint)"),
        ("cast(a as byte)", "cast(a as tinyint)"),
        ("cast(a as timestamp_ntz)", "cast(a as timestamp_ntz)"),
        (
            "cast(a as array<struct<x: int, y: map<string, double>>>)",
            "cast(a as array<struct<x:int,y:map<string,double>>>)",
        ),
        ("try_cast(a AS int)", "Try cast(a as int)"),
        ("*", "*"),
        ("data.*", "data.*"),
        ("* EXCEPT (a, b)", "* except a,b"),
        ("data.order_id", "data.order_id"),
        ("`a b`.`c.d`", "a b.c.d"),
        ("a.b.c[0].d", "a.b.c[0]['d']"),
        ("m['k']", "m['k']"),
        ("amount IS NOT NULL AND amount > 0", "and(isnotnull(amount), >(amount, 0))"),
        ("a = 1 or b == 2 and not c <> 3", "or(==(a, 1), and(==(b, 2), not(not(==(c, 3)))))"),
        ("a <=> b", "<=>(a, b)"),
        ("a BETWEEN 1 AND 3", "and(>=(a, 1), <=(a, 3))"),
        ("a NOT IN ('x', \"y\")", "not(in(a, 'x', 'y'))"),
        ("a LIKE 'x%' ESCAPE '!'", "like(a, 'x%', '!')"),
        ("a NOT RLIKE '^\\\\d+$'", "not(rlike(a, '^\\d+$'))"),
        ("'it\\'s'", "'it's'"),
        ("1 + 2 * 3 - -4", "-(+(1, *(2, 3)), -4)"),
        ("7 div 2 + 1", "+(div(7, 2), 1)"),
        ("a % 2 = 0", "==(%(a, 2), 0)"),
        ("9999999999", "9999999999L"),
        ("5L", "5L"),
        ("-9223372036854775808", "-9223372036854775808L"),
        ("1.50", "150e-2:3"),
        ("0.05", "5e-2:2"),
        ("1e3", "Double(1000.0)"),
        ("1.5D", "Double(1.5)"),
        ("7S", "Short(7)"),
        ("true", "true"),
        ("null", "null"),
        ("X'1F'", "Binary(b\"\\x1f\")"),
        ("a || 'x'", "concat(a, 'x')"),
        ("CASE WHEN a > 1 THEN 'x' ELSE 'y' END", "case when >(a, 1) then 'x' else 'y'"),
        ("case a when 1 then 2 end", "case a when 1 then 2"),
        ("if(a, 1, 2)", "if(a, 1, 2)"),
        ("count(*)", "count(*)"),
        ("count(DISTINCT a, b)", "count(distinct a, b)"),
        ("sum(a) FILTER (WHERE b)", "sum(a) where b"),
        ("array(1, 2)", "array(1, 2)"),
        ("map('a', 1)", "map('a', 1)"),
        ("struct(a, b as c)", "struct(a, b as c)"),
        ("named_struct('a', 1)", "named_struct('a', 1)"),
        ("to_json(struct(*))", "to_json(struct(*))"),
        ("struct(a.*)", "struct(a.*)"),
        ("a.b = 1 and xs[1] > 2", "and(==(a.b, 1), >(xs[1], 2))"),
        ("from_json(cast(value as string), 'a int')", "from_json(cast(value as string), 'a int')"),
        ("transform(xs, x -> x + 1)", "transform(xs, (x) -> +($x, 1))"),
        ("aggregate(xs, 0, (acc, x) -> acc + x.v)", "aggregate(xs, 0, (acc, x) -> +($acc, $x['v']))"),
        ("current_timestamp()", "current_timestamp()"),
        ("current_date", "current_date()"),
        ("date '2024-01-02'", "Ansi cast('2024-01-02' as date)"),
        ("timestamp '2024-01-02 03:04:05'", "Ansi cast('2024-01-02 03:04:05' as timestamp)"),
        ("interval 10 minutes", "DayTimeInterval(600000000)"),
        ("interval '1 day 2 hours'", "DayTimeInterval(93600000000)"),
        ("interval '1-2' year to month", "YearMonthInterval(14)"),
        ("interval '1 02:03:04.5' day to second", "DayTimeInterval(93784500000)"),
        ("INTERVAL '3' MONTH", "YearMonthInterval(3)"),
        ("window(ts, '10 minutes', '5 minutes')", "window(ts, '10 minutes', '5 minutes')"),
        ("extract(year from ts)", "date_part('YEAR', ts)"),
        ("year(ts)", "year(ts)"),
        (
            "named_struct('order_id', concat('A', id), 'amount', id / 4, 'quantity', int(id)) o",
            "named_struct('order_id', concat('A', id), 'amount', /(id, 4), 'quantity', int(id)) as o",
        ),
        ("CAST(value AS STRING) v", "cast(value as string) as v"),
        ("array(struct('h' as key, binary('x') as value))", "array(struct('h' as key, binary('x') as value))"),
        ("order_data.order_id", "order_data.order_id"),
        ("string(a)", "string(a)"),
        ("date(a)", "date(a)"),
        ("timestamp(a)", "timestamp(a)"),
        ("map_keys(m)[0] = 'a'", "==(map_keys(m)[0], 'a')"),
        ("key is null or length(value) = 0", "or(isnull(key), ==(length(value), 0))"),
        ("coalesce(a, b, 'c')", "coalesce(a, b, 'c')"),
        ("date_format(ts, 'yyyy-MM-dd HH:mm')", "date_format(ts, 'yyyy-MM-dd HH:mm')"),
        ("headers[0].value", "headers[0]['value']"),
        ("replace(a, 'x', 'y')", "replace(a, 'x', 'y')"),
        ("position('a' in b)", "position('a', b)"),
        ("split(a, ',')[1]", "split(a, ',')[1]"),
        ("timestampadd(HOUR, 1, ts)", "timestampadd(HOUR, 1, ts)"),
        ("exists(xs, x -> x > 1)", "exists(xs, (x) -> >($x, 1))"),
        ("filter(xs, (x, i) -> i > 0)", "filter(xs, (x, i) -> >($i, 0))"),
        ("user", "user"),
        ("end", "end"),
        ("trim(both 'x' from a)", "btrim(a, 'x')"),
        ("substring(a, 1, 2)", "substring(a, 1, 2)"),
        ("left(a, 2)", "left(a, 2)"),
        ("explode(xs) as (k, v)", "explode(xs) as k,v"),
        ("row_number() OVER (PARTITION BY a ORDER BY b DESC)", "row_number() over (a order bfalse frame None)"),
        (
            "sum(x) over (order by t rows between 2 preceding and current row)",
            "sum(x) over ( order ttrue frame Some(true))",
        ),
        ("timestamp", "timestamp"),
        ("value", "value"),
        ("offset + 1", "+(offset, 1)"),
        ("partition", "partition"),
        ("topic as t", "topic as t"),
        ("first(a)", "first(a)"),
        ("ceil(a)", "ceil(a)"),
        ("a is true", "<=>(a, true)"),
        ("abs(-1)", "abs(-1)"),
        ("a & b | c ^ d", "|(&(a, b), ^(c, d))"),
    ] {
        match expression(text) {
            Ok(expr) => assert_eq!(show(&expr), expected, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }
}

fn query(text: &str) -> String {
    match statement(text, &Parameters::default()) {
        Ok(Statement::Query(relation)) => tree(&relation),
        Ok(other) => format!("{other:?}"),
        Err(error) => panic!("{text}: {error}"),
    }
}

#[test]
fn queries_as_programs_write_them() {
    for (text, expected) in [
        ("select 1", "project(1) < one row"),
        ("SELECT * FROM t WHERE a > 1 LIMIT 5;", "limit(5) < project(*) < filter(>(a, 1)) < t"),
        (
            "select a, count(*) c from db.t group by a having count(*) > 1 order by c desc",
            "sort(c desc nulls last) < aggregate(GroupBy by a: a, count(*) as c; having >(count(*), 1)) < db.t",
        ),
        ("select count(*) from t", "project(count(*)) < t"),
        ("select distinct a from t", "distinct < project(a) < t"),
        ("select * from delta.`/tmp/x`", "project(*) < delta./tmp/x"),
        (
            "select * from a join b on a.x = b.x",
            "project(*) < Inner join On(Function(Function { name: \"==\", arguments: [Attribute { name: [\"a\", \"x\"], plan_id: None, is_metadata: false }, Attribute { name: [\"b\", \"x\"], plan_id: None, is_metadata: false }], is_distinct: false, is_user_defined: false, is_internal: false, filter: None, ignore_nulls: false })) [a] [b]",
        ),
        ("select * from a left semi join b using (x, y)", "project(*) < LeftSemi join Using([\"x\", \"y\"]) [a] [b]"),
        ("select * from a, b", "project(*) < Cross join None [a] [b]"),
        ("select x from (select 1 as x) s", "project(x) < s() = project(1 as x) < one row"),
        ("with c as (select 1 a) select * from c", "with c: project(1 as a) < one row in project(*) < c"),
        ("select 1 union all select 2", "Union all=true [project(1) < one row] [project(2) < one row]"),
        (
            "select 'k' key, cast(null as string) value, 2 partition from t where offset > 1",
            "project('k' as key, cast(null as string) as value, 2 as partition) < filter(>(offset, 1)) < t",
        ),
        ("select 1 value", "project(1 as value) < one row"),
        ("values (1, 'a'), (2, 'b')", "values 1, 'a' / 2, 'b'"),
        ("select * from values (1, 'a') as t(id, v)", "project(*) < t(id,v) = values 1, 'a'"),
        ("select * from range(10)", "project(*) < range(10)"),
        (
            "select a from t lateral view outer explode(xs) e as x",
            "project(a) < lateral true explode(xs) Some(\"e\") x < t",
        ),
        ("select a from t where a in (select b from s)", "project(a) < filter(a in false [project(b) < s]) < t"),
        ("select a, b from t group by a, b with rollup", "aggregate(Rollup by a, b: a, b; having all) < t"),
        (
            "select a from t order by a nulls last limit 3 offset 2",
            "limit(3) < offset(2) < sort(a asc nulls last) < project(a) < t",
        ),
        ("select sum(x) over w from t window w as (partition by y)", "project(sum(x) over (y order  frame None)) < t"),
    ] {
        assert_eq!(query(text), expected, "{text}");
    }
}

#[test]
fn statements_that_change_something() {
    let is = |text: &str| statement(text, &Parameters::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let Statement::CreateView { name, replace: true, temporary: ViewScope::Session, .. } =
        is("CREATE OR REPLACE TEMP VIEW v AS SELECT 1")
    else {
        panic!()
    };
    assert_eq!(name, ["v"]);
    assert!(matches!(
        is("create global temporary view g as select 1"),
        Statement::CreateView { temporary: ViewScope::Global, .. }
    ));
    let Statement::CreateTable(table) =
        is("CREATE TABLE IF NOT EXISTS db.t (a INT NOT NULL, b STRING) USING delta LOCATION '/tmp/t'")
    else {
        panic!()
    };
    assert_eq!((table.provider.as_deref(), table.location.as_deref()), (Some("delta"), Some("/tmp/t")));
    assert!(!table.schema.unwrap().fields[0].nullable);
    assert!(matches!(is("create table t using delta as select 1 a"), Statement::CreateTable(t) if t.query.is_some()));
    let set =
        |key: &str, value: Option<&str>| Statement::Set { key: Some(key.to_owned()), value: value.map(str::to_owned) };
    assert_eq!(is("SET spark.sql.shuffle.partitions = 4"), set("spark.sql.shuffle.partitions", Some("4")));
    assert_eq!(is("set a.b"), set("a.b", None));
    assert!(matches!(is("show tables"), Statement::ShowTables { database: None, pattern: None }));
    assert!(matches!(is("drop view if exists v"), Statement::Drop { if_exists: true, .. }));
    assert!(matches!(is("describe t"), Statement::DescribeTable { .. }));
    assert!(matches!(is("insert into t values (1)"), Statement::Insert { overwrite: false, .. }));
    assert!(matches!(is("delete from t where a = 1"), Statement::Delete { condition: Some(_), .. }));
    assert!(matches!(is("create database if not exists d"), Statement::CreateDatabase { if_not_exists: true, .. }));
}

#[test]
fn parameters_take_the_place_of_their_markers() {
    let parameters = Parameters {
        named: vec![("n".to_owned(), Expr::Literal(Literal::Integer(7)))],
        positional: vec![Expr::Literal(Literal::Integer(8))],
    };
    let Statement::Query(relation) = statement("select :n, ?", &parameters).unwrap() else { panic!() };
    assert_eq!(tree(&relation), "project(7, 8) < one row");
    let error = statement("select :m", &parameters).unwrap_err();
    assert_eq!(error.error_class(), "UNBOUND_SQL_PARAMETER");
}

#[test]
fn syntax_errors_name_the_place() {
    for (text, part) in [
        ("select 1 from", "[PARSE_SYNTAX_ERROR] Syntax error at or near end of input"),
        ("selec 1", "at or near 'selec'"),
        ("select a b c", "at or near 'c'"),
        ("a +", "end of input"),
        ("a = 'x", "PARSE_SYNTAX_ERROR"),
    ] {
        let result = if text.starts_with("sel") {
            statement(text, &Parameters::default()).map(|_| ())
        } else {
            expression(text).map(|_| ())
        };
        let error = result.unwrap_err();
        assert_eq!(error.error_class(), "PARSE_SYNTAX_ERROR", "{text}");
        assert!(error.to_string().contains(part), "{text}: {error}");
        assert!(error.to_string().contains("== SQL =="), "{text}: {error}");
    }
}

#[test]
fn deep_and_long_texts_end_in_an_error_not_in_the_stack() {
    let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(matches!(expression(&deep), Err(PlanError::TooDeep { .. })));
    let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(matches!(expression(&deep), Err(PlanError::TooDeep { .. })));
    for terms in [5_000, 49_000, 500_000] {
        let long = vec!["a"; terms].join(" or ");
        assert!(matches!(expression(&long), Err(PlanError::TooDeep { .. })), "{terms}");
    }
    let fine = vec!["a"; 900].join(" or ");
    assert!(expression(&fine).is_ok());
    let wide = format!("a in ({})", (0..100_000).map(|i| i.to_string()).collect::<Vec<_>>().join(","));
    assert!(expression(&wide).is_ok());
    let joins = format!("select * from t {}", "join t using (x) ".repeat(3_000));
    assert!(matches!(statement(&joins, &Parameters::default()), Err(PlanError::TooDeep { .. })));
}

#[test]
fn dotted_names() {
    for (text, parts) in [
        ("a", Some(vec!["a"])),
        ("a.b", Some(vec!["a", "b"])),
        ("`a.b`.c", Some(vec!["a.b", "c"])),
        ("`a``b`", Some(vec!["a`b"])),
        ("a b", Some(vec!["a b"])),
        ("", Some(vec![""])),
        ("a..b", None),
        ("a.", None),
        (".a", None),
        ("`a", None),
        ("`a`b", None),
        ("a`b`", None),
    ] {
        let expected = parts.map(|parts| parts.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(name_parts(text).ok(), expected, "{text}");
    }
}
