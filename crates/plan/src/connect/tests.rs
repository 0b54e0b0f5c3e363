//! Messages built by hand and the plans they become.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proto::{
    expression::{ExprType, literal::LiteralType},
    relation::RelType,
};

use super::*;
use crate::spec::{DataType, JoinCriteria, Literal, RelationNode, Trigger};

fn rel(rel_type: RelType) -> proto::Relation {
    proto::Relation { common: None, rel_type: Some(rel_type) }
}

fn expr(expr_type: ExprType) -> proto::Expression {
    proto::Expression { common: None, expr_type: Some(expr_type) }
}

fn column(name: &str) -> proto::Expression {
    expr(ExprType::UnresolvedAttribute(proto::expression::UnresolvedAttribute {
        unparsed_identifier: name.to_owned(),
        plan_id: Some(3),
        is_metadata_column: None,
    }))
}

fn literal(literal_type: LiteralType) -> proto::Expression {
    expr(ExprType::Literal(proto::expression::Literal { data_type: None, literal_type: Some(literal_type) }))
}

fn function(name: &str, arguments: Vec<proto::Expression>) -> proto::Expression {
    expr(ExprType::UnresolvedFunction(proto::expression::UnresolvedFunction {
        function_name: name.to_owned(),
        arguments,
        ..Default::default()
    }))
}

fn range() -> proto::Relation {
    rel(RelType::Range(proto::Range { start: None, end: 5, step: 1, num_partitions: None }))
}

#[test]
fn a_kafka_stream_and_its_options() {
    let message = rel(RelType::Read(proto::Read {
        is_streaming: true,
        read_type: Some(proto::read::ReadType::DataSource(proto::read::DataSource {
            format: Some("kafka".to_owned()),
            schema: Some(String::new()),
            options: [("subscribe", "t"), ("kafka.bootstrap.servers", "h:1")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            ..Default::default()
        })),
    }));
    let RelationNode::ReadSource(read) = relation(&message).unwrap().node else { panic!() };
    assert!(read.is_streaming && read.schema.is_none());
    assert_eq!(read.option("SUBSCRIBE"), Some("t"));
}

#[test]
fn columns_keep_their_plan_and_when_becomes_case() {
    let when =
        function("when", vec![column("a.b"), literal(LiteralType::Integer(1)), literal(LiteralType::Integer(2))]);
    let Expr::Case { branches, otherwise, .. } = expression(&when).unwrap() else { panic!() };
    assert_eq!(
        branches[0].0,
        Expr::Attribute { name: vec!["a".to_owned(), "b".to_owned()], plan_id: Some(3), is_metadata: false }
    );
    assert_eq!(otherwise.as_deref(), Some(&Expr::Literal(Literal::Integer(2))));
}

#[test]
fn literals_of_every_age() {
    #[allow(deprecated)]
    let old = LiteralType::Array(proto::expression::literal::Array {
        element_type: Some(data_type_to_proto(&DataType::Long)),
        elements: vec![],
    });
    for (literal_type, expected) in [
        (old, Literal::Array { element_type: DataType::Long, elements: vec![] }),
        (LiteralType::Date(3), Literal::Date(3)),
        (
            LiteralType::Decimal(proto::expression::literal::Decimal {
                value: "12.5".to_owned(),
                precision: Some(10),
                scale: Some(2),
            }),
            Literal::Decimal { unscaled: 1250, precision: 10, scale: 2 },
        ),
        (LiteralType::Null(data_type_to_proto(&DataType::String)), Literal::Null(DataType::String)),
        (LiteralType::Byte(-128), Literal::Byte(-128)),
    ] {
        assert_eq!(expression(&literal(literal_type)).unwrap(), Expr::Literal(expected));
    }
    assert!(expression(&literal(LiteralType::Byte(128))).is_err());
    assert!(expression(&proto::Expression::default()).is_err());
}

#[test]
fn a_join_by_names_and_a_sql_text() {
    let message = rel(RelType::Join(Box::new(proto::Join {
        left: Some(Box::new(range())),
        right: Some(Box::new(rel(RelType::Sql(proto::Sql {
            query: "select 1 as id".to_owned(),
            ..Default::default()
        })))),
        join_type: proto::join::JoinType::Inner.into(),
        using_columns: vec!["id".to_owned()],
        ..Default::default()
    })));
    let RelationNode::Join(join) = relation(&message).unwrap().node else { panic!() };
    assert_eq!(join.criteria, JoinCriteria::Using(vec!["id".to_owned()]));
    assert!(matches!(join.right.node, RelationNode::Project { .. }));
}

#[test]
fn a_stream_is_started_with_a_batch_function_that_has_no_type() {
    let start = proto::WriteStreamOperationStart {
        input: Some(range()),
        trigger: Some(proto::write_stream_operation_start::Trigger::AvailableNow(true)),
        foreach_batch: Some(proto::StreamingForeachFunction {
            function: Some(proto::streaming_foreach_function::Function::PythonFunction(proto::PythonUdf {
                command: vec![1, 2].into(),
                python_ver: "3.11".to_owned(),
                ..Default::default()
            })),
        }),
        ..Default::default()
    };
    let message = proto::Command { command_type: Some(proto::command::CommandType::WriteStreamOperationStart(start)) };
    let Command::WriteStreamStart(start) = command(&message).unwrap() else { panic!() };
    assert_eq!(start.trigger, Trigger::AvailableNow);
    let function = start.foreach_batch.unwrap();
    assert_eq!((function.output_type, function.python_version.as_str()), (None, "3.11"));
}

#[test]
fn a_plan_of_absurd_depth_is_refused() {
    // Deep messages are dropped recursively: on a thread with stack for it, as the server decodes them.
    std::thread::Builder::new()
        .stack_size(256 * 1024 * 1024)
        .spawn(|| {
            let mut message = range();
            for _ in 0..5_000 {
                message = rel(RelType::Limit(Box::new(proto::Limit { input: Some(Box::new(message)), limit: 1 })));
            }
            assert!(matches!(relation(&message), Err(PlanError::TooDeep { .. })));
            let mut condition = column("a");
            for _ in 0..5_000 {
                condition = function("not", vec![condition]);
            }
            assert!(matches!(expression(&condition), Err(PlanError::TooDeep { .. })));
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn types_go_both_ways() {
    let ddl =
        "a int not null comment 'x', b array<map<string, decimal(5,2)>>, c interval day to minute, d timestamp_ntz,
        e struct<f: binary, g: varchar(3)>, h variant, i void, j interval year, k time(3)";
    let data_type = crate::types::from_ddl(ddl).unwrap();
    assert_eq!(data_type_from_proto(&data_type_to_proto(&data_type)).unwrap(), data_type);
}
