//! Stories of resolution: what a plan means, what its columns are called, and what is refused with which error class.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use andiron_plan::spec::{Command, Expr, Literal, NamedExpr, Relation, RelationNode, Statement};
use arrow::array::RecordBatch;
use futures::TryStreamExt;

use crate::conf::SparkVersion;
use crate::{CommandOutcome, Engine, EngineOptions, Session, SparkError};

fn session() -> Arc<Session> {
    let session = Engine::new(EngineOptions { partitions: 2, ..EngineOptions::default() }).session("u", "s");
    session.conf().set("spark.sql.session.timeZone", "UTC");
    session
}

fn query(text: &str) -> Relation {
    match andiron_plan::sql::statement(text, &andiron_plan::sql::Parameters::default()).unwrap() {
        Statement::Query(relation) => *relation,
        other => panic!("{other:?}"),
    }
}

fn expr(text: &str) -> Expr {
    andiron_plan::sql::expression(text).unwrap()
}

fn select(input: Relation, expressions: &[&str]) -> Relation {
    RelationNode::Project { input: Box::new(input), expressions: expressions.iter().map(|e| expr(e)).collect() }.into()
}

/// The rows as `show` would print them, one text a row.
async fn rows(session: &Session, relation: &Relation) -> Result<Vec<String>, SparkError> {
    let execution = session.execute(relation).await?;
    let batches: Vec<RecordBatch> = execution.batches.try_collect().await?;
    let mut all = Vec::new();
    for batch in &batches {
        let printers: Vec<_> = batch
            .columns()
            .iter()
            .map(|c| crate::functions::cast::Printer::new(c, crate::datetime::Zone::UTC, true).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let mut line = String::new();
            for (i, printer) in printers.iter().enumerate() {
                if i > 0 {
                    line.push('|');
                }
                printer.write_or_null(row, &mut line);
            }
            all.push(line);
        }
    }
    Ok(all)
}

async fn sorted(session: &Session, text: &str) -> Vec<String> {
    let mut all = rows(session, &query(text)).await.unwrap();
    all.sort();
    all
}

async fn names(session: &Session, relation: &Relation) -> Vec<String> {
    session.analyze_schema(relation).await.unwrap().fields.into_iter().map(|f| f.name).collect()
}

async fn refused(session: &Session, text: &str) -> SparkError {
    match rows(session, &query(text)).await {
        Ok(rows) => panic!("{text} gave {rows:?}"),
        Err(error) => error,
    }
}

const PEOPLE: &str = "(values (1, 'Ann', 10.5D), (2, 'Bob', null), (3, null, 2.0D)) as people(id, name, score)";

#[tokio::test]
async fn values_casts_and_functions_give_what_spark_gives() {
    let session = session();
    for (text, wanted) in [
        ("1 + 1", "2"),
        ("1 / 0", "NULL"),
        ("7 / 2", "3.5"),
        ("7 div 2", "3"),
        ("-7 % 3", "-1"),
        ("'3' + 4", "7.0"),
        ("'10' > 9", "true"),
        ("cast('abc' as int)", "NULL"),
        ("cast(' 12 ' as int)", "12"),
        ("cast('1.9' as int)", "1"),
        ("cast(1.9D as int)", "1"),
        ("cast(300 as tinyint)", "44"),
        ("cast(1e10D as string)", "1.0E10"),
        ("cast(0.1D as string)", "0.1"),
        ("cast('2024-02-30' as date)", "NULL"),
        ("cast('2024-2-3' as date)", "2024-02-03"),
        ("cast('2024-01-01 01:02:03.5' as timestamp)", "2024-01-01 01:02:03.5"),
        ("cast('2024-01-01T00:00:00+02:00' as timestamp)", "2023-12-31 22:00:00"),
        ("cast('yes' as boolean)", "true"),
        ("cast('x' as boolean)", "NULL"),
        ("cast(true as int)", "1"),
        ("cast(binary('xyz') as string)", "xyz"),
        ("cast(array(1, 2) as string)", "[1, 2]"),
        ("cast(12.345 as decimal(4,1))", "12.3"),
        ("coalesce(null, 5)", "5"),
        ("case when 1 > 2 then 'a' else 'b' end", "b"),
        ("if(null, 1, 2)", "2"),
        ("concat('a', 1, true)", "a1true"),
        ("concat('a', null)", "NULL"),
        ("upper('abc')", "ABC"),
        ("length('abc')", "3"),
        ("substring('abcdef', 2, 3)", "bcd"),
        ("element_at(array(1, 2, 3), -1)", "3"),
        ("array(1, 2, 3)[0]", "1"),
        ("map('a', 1)['a']", "1"),
        ("size(array(1, 2))", "2"),
        ("named_struct('x', 1).x", "1"),
        ("get_json_object('{\"a\":{\"b\":[1,2]}}', '$.a.b[1]')", "2"),
        ("to_json(struct(1 as a, 'x' as b, null as c))", r#"{"a":1,"b":"x"}"#),
        ("from_json('{\"a\":1}', 'a int, b string')", "{1, NULL}"),
        ("from_json('{\"a\":1}', 'a int').a", "1"),
        ("1 in (1, 2)", "true"),
        ("null <=> null", "true"),
        ("'abc' like 'a%'", "true"),
        ("year(date'2024-05-06')", "2024"),
        ("hour(timestamp'2024-05-06 07:08:09')", "7"),
        ("date_format(timestamp'2024-05-06 07:08:09', 'yyyy/MM/dd HH')", "2024/05/06 07"),
        ("to_timestamp('06.05.2024', 'dd.MM.yyyy')", "2024-05-06 00:00:00"),
        ("split('a,b', ',')", "[a, b]"),
        ("round(2.5D)", "3.0"),
        ("abs(-3)", "3"),
    ] {
        let got = rows(&session, &query(&format!("select {text}"))).await;
        assert_eq!(got, Ok(vec![wanted.to_owned()]), "{text}");
    }
}

#[tokio::test]
async fn ansi_mode_refuses_what_spark_3_makes_null() {
    let session = session();
    session.conf().set_version(SparkVersion { major: 4, minor: 1 });
    for (text, class) in [
        ("select cast('abc' as int)", "CAST_INVALID_INPUT"),
        ("select cast('x' as timestamp)", "CAST_INVALID_INPUT"),
        ("select cast(300 as tinyint)", "CAST_OVERFLOW"),
        ("select 1 / id from (values (0)) as t(id)", "DIVIDE_BY_ZERO"),
        ("select 2147483647 + id from (values (1)) as t(id)", "ARITHMETIC_OVERFLOW"),
    ] {
        assert_eq!(refused(&session, text).await.class(), Some(class), "{text}");
    }
    assert_eq!(sorted(&session, "select try_cast('abc' as int)").await, ["NULL"]);
}

#[tokio::test]
async fn columns_without_a_name_get_sparks() {
    let session = session();
    let people = || query(&format!("select * from {PEOPLE}"));
    for (text, wanted) in [
        ("id + 1", "(id + 1)"),
        ("cast(id as string)", "id"),
        ("cast(id + 1 as string)", "CAST((id + 1) AS STRING)"),
        ("upper(name)", "upper(name)"),
        ("name is not null", "(name IS NOT NULL)"),
        ("case when id = 1 then 'x' end", "CASE WHEN (id = 1) THEN x END"),
        ("from_json(name, 'a int')", "from_json(name)"),
        ("struct(id, name)", "struct(id, name)"),
        ("named_struct('x', id).x", "named_struct(x, id).x"),
        ("'text'", "text"),
        ("NAME", "NAME"),
    ] {
        assert_eq!(names(&session, &select(people(), &[text])).await, [wanted], "{text}");
    }
    assert_eq!(
        names(&session, &query(&format!("select count(*), sum(id), max(name) m from {PEOPLE}"))).await,
        ["count(1)", "sum(id)", "m"]
    );
}

#[tokio::test]
async fn two_columns_may_have_one_name() {
    let session = session();
    let twice = select(query(&format!("select * from {PEOPLE}")), &["id", "id as id", "name as id"]);
    assert_eq!(names(&session, &twice).await, ["id", "id", "id"]);
    assert_eq!(rows(&session, &twice).await.unwrap()[0], "1|1|Ann");
    let asked = rows(&session, &select(twice, &["id"])).await.unwrap_err();
    assert_eq!(asked.class(), Some("AMBIGUOUS_REFERENCE"));
}

#[tokio::test]
async fn what_cannot_be_resolved_is_refused_by_name() {
    let session = session();
    let error = refused(&session, &format!("select nam from {PEOPLE}")).await;
    assert_eq!(error.class(), Some("UNRESOLVED_COLUMN.WITH_SUGGESTION"));
    assert!(error.to_string().contains("name `nam` cannot be resolved"), "{error}");
    assert_eq!(error.parameters()["objectName"], "`nam`");
    assert!(error.parameters()["proposal"].contains("`name`"), "{error}");
    for (text, class) in [
        ("select * from nowhere", "TABLE_OR_VIEW_NOT_FOUND"),
        ("select no_such_function(1)", "UNRESOLVED_ROUTINE"),
        ("select array(1) + 1", "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE"),
        ("select cast(array(1) as int)", "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION"),
        ("select named_struct('a', 1).b", "FIELD_NOT_FOUND"),
        ("select 1 where 1", "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN"),
        ("select id, count(*) from (values (1)) as t(id)", "MISSING_AGGREGATION"),
        ("select 1 union select 1, 2", "NUM_COLUMNS_MISMATCH"),
    ] {
        assert_eq!(refused(&session, text).await.class(), Some(class), "{text}");
    }
}

#[tokio::test]
async fn groups_joins_and_sets() {
    let session = session();
    for (text, wanted) in [
        (
            format!("select name, count(*) c from {PEOPLE} group by name having count(*) > 0 order by name"),
            vec!["Ann|1", "Bob|1", "NULL|1"],
        ),
        (format!("select id % 2 k, sum(id) + 1 from {PEOPLE} group by k"), vec!["0|3", "1|5"]),
        (
            format!("select count(*), count(name), avg(id), min(name), collect_list(id) from {PEOPLE}"),
            vec!["3|2|2.0|Ann|[1, 2, 3]"],
        ),
        (
            "select a.x, b.x from (values (1), (2)) as a(x) left join (values (2)) as b(x) on a.x = b.x".to_owned(),
            vec!["1|NULL", "2|2"],
        ),
        (
            "select * from (values (1, 'a')) as a(x, y) join (values (1, 'b')) as b(x, z) using (x)".to_owned(),
            vec!["1|a|b"],
        ),
        ("select 1 union all select 1L union select 2".to_owned(), vec!["1", "2"]),
        ("select distinct x from (values (1), (1)) as a(x)".to_owned(), vec!["1"]),
        ("select explode(array(1, 2))".to_owned(), vec!["1", "2"]),
        ("with w as (select 5 v) select v + 1 from w".to_owned(), vec!["6"]),
    ] {
        let mut wanted = wanted.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        wanted.sort();
        assert_eq!(sorted(&session, &text).await, wanted, "{text}");
    }
}

#[tokio::test]
async fn rows_are_sorted_by_what_is_not_selected() {
    let session = session();
    let got = rows(&session, &query(&format!("select name from {PEOPLE} order by id desc"))).await.unwrap();
    assert_eq!(got, ["NULL", "Bob", "Ann"]);
}

#[tokio::test]
async fn a_relation_is_joined_with_itself() {
    let session = session();
    let people = Relation { plan_id: Some(7), ..query(&format!("select * from {PEOPLE}")) };
    let join = RelationNode::Join(andiron_plan::spec::Join {
        left: Box::new(people.clone()),
        right: Box::new(people),
        kind: andiron_plan::spec::JoinKind::Inner,
        criteria: andiron_plan::spec::JoinCriteria::Using(vec!["id".to_owned()]),
        is_lateral: false,
    });
    assert_eq!(rows(&session, &join.into()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn columns_are_added_replaced_renamed_and_dropped() {
    let session = session();
    let added = RelationNode::WithColumns {
        input: Box::new(query(&format!("select * from {PEOPLE}"))),
        columns: vec![
            NamedExpr { name: "NAME".to_owned(), expr: expr("upper(name)"), metadata: None },
            NamedExpr { name: "more".to_owned(), expr: Expr::Literal(Literal::Integer(9)), metadata: None },
        ],
    };
    let dropped = RelationNode::Drop {
        input: Box::new(added.into()),
        columns: vec![expr("score")],
        column_names: vec!["nothing".to_owned()],
    };
    let renamed: Relation = RelationNode::WithColumnsRenamed {
        input: Box::new(dropped.into()),
        renames: vec![("ID".to_owned(), "key".to_owned())],
    }
    .into();
    assert_eq!(names(&session, &renamed).await, ["key", "NAME", "more"]);
    assert_eq!(rows(&session, &renamed).await.unwrap()[0], "1|ANN|9");
}

#[tokio::test]
async fn a_parsed_column_is_opened_and_only_what_is_used_is_read() {
    let session = session();
    let raw = query("select '{\"a\":1,\"b\":\"x\",\"c\":2.5}' as value");
    let data = select(raw, &["from_json(value, 'a int, b string, c double') as data"]);
    let opened = select(data.clone(), &["data.*"]);
    assert_eq!(names(&session, &opened).await, ["a", "b", "c"]);
    assert_eq!(rows(&session, &opened).await.unwrap(), ["1|x|2.5"]);
    let one: Relation =
        RelationNode::Filter { input: Box::new(select(data, &["data.B", "data.a"])), condition: expr("a is not null") }
            .into();
    assert_eq!(names(&session, &one).await, ["B", "a"]);
    assert_eq!(rows(&session, &one).await.unwrap(), ["x|1"]);
    let resolved = session.resolve(&one).await.unwrap();
    let optimized = session.context().state().optimize(&resolved.plan).unwrap().display_indent().to_string();
    assert_eq!(optimized.matches("from_json").count(), 1, "the filter must not parse a second time:\n{optimized}");
    let parsed = optimized.lines().find(|l| l.contains("from_json")).unwrap();
    assert!(!parsed.contains("get_field"), "{optimized}");
}

#[tokio::test]
async fn views_show_and_the_schema_tree() {
    let session = session();
    let view = Command::CreateView {
        input: query(&format!("select * from {PEOPLE}")),
        name: "People".to_owned(),
        is_global: false,
        replace: true,
    };
    assert!(matches!(session.command(&view).await.unwrap(), CommandOutcome::Done));
    assert_eq!(sorted(&session, "select people.id from PEOPLE where id > 2").await, ["3"]);
    let shown: Relation = RelationNode::ShowString {
        input: Box::new(query("select * from people order by id")),
        num_rows: 2,
        truncate: 20,
        vertical: false,
    }
    .into();
    let text = rows(&session, &shown).await.unwrap();
    assert_eq!(
        text,
        [
            "+---+----+-----+\n| id|name|score|\n+---+----+-----+\n|  1| Ann| 10.5|\n|  2| Bob| NULL|\n+---+----+-----+\nonly showing top 2 rows\n"
        ]
    );
    let tree = session.tree_string(&query("select * from people"), None).await.unwrap();
    assert_eq!(
        tree,
        "root\n |-- id: integer (nullable = false)\n |-- name: string (nullable = true)\n |-- score: double (nullable = true)\n"
    );
}
