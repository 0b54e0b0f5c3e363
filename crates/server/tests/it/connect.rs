//! The Spark Connect door from outside: streams that are cut and taken up again, releases, sessions that are not what the
//! client believes, settings.

use std::collections::HashSet;
use std::time::Duration;

use andiron_engine::{Engine, EngineOptions};
use andiron_server::connect::{ConnectDoor, serve};
use spark_connect_proto::spark_connect_service_client::SparkConnectServiceClient;
use spark_connect_proto::{self as proto, execute_plan_response::ResponseType, relation::RelType};
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt as _;
use uuid::Uuid;

type Client = SparkConnectServiceClient<Channel>;

const PYTHON_3_5: &str = "_SPARK_CONNECT_PYTHON spark/3.5.9 os/linux python/3.11";
const PYTHON_4: &str = "_SPARK_CONNECT_PYTHON spark/4.2.0 os/linux python/3.11";

async fn open() -> (ConnectDoor, Client) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let door = serve(vec![listener], Engine::new(EngineOptions::default())).unwrap();
    let client = Client::connect(format!("http://{}", door.address())).await.unwrap();
    (door, client)
}

fn id() -> String {
    Uuid::new_v4().to_string()
}

fn range(end: i64) -> proto::Plan {
    let range = proto::Range { start: Some(0), end, step: 1, num_partitions: None };
    let root = proto::Relation { common: None, rel_type: Some(RelType::Range(range)) };
    proto::Plan { op_type: Some(proto::plan::OpType::Root(root)) }
}

fn execute(session: &str, operation: &str, plan: proto::Plan) -> proto::ExecutePlanRequest {
    use proto::execute_plan_request::{RequestOption, request_option};
    let reattach = proto::ReattachOptions { reattachable: true };
    proto::ExecutePlanRequest {
        session_id: session.to_owned(),
        operation_id: Some(operation.to_owned()),
        plan: Some(plan),
        request_options: vec![RequestOption {
            request_option: Some(request_option::RequestOption::ReattachOptions(reattach)),
        }],
        ..Default::default()
    }
}

fn reattach(session: &str, operation: &str, after: Option<String>) -> proto::ReattachExecuteRequest {
    proto::ReattachExecuteRequest {
        session_id: session.to_owned(),
        operation_id: operation.to_owned(),
        last_response_id: after,
        ..Default::default()
    }
}

fn class(status: &Status) -> String {
    status.get_details_error_info().unwrap().metadata.get("errorClass").cloned().unwrap_or_default()
}

async fn config(
    client: &mut Client,
    session: &str,
    client_type: &str,
    operation: proto::config_request::operation::OpType,
) -> Result<Vec<(String, Option<String>)>, Status> {
    let request = proto::ConfigRequest {
        session_id: session.to_owned(),
        client_type: Some(client_type.to_owned()),
        operation: Some(proto::config_request::Operation { op_type: Some(operation) }),
        ..Default::default()
    };
    let answer = client.config(request).await?.into_inner();
    Ok(answer.pairs.into_iter().map(|pair| (pair.key, pair.value)).collect())
}

fn get(key: &str) -> proto::config_request::operation::OpType {
    proto::config_request::operation::OpType::Get(proto::config_request::Get { keys: vec![key.to_owned()] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_cut_after_every_message_gives_every_answer_once() {
    let (door, mut client) = open().await;
    let (session, operation) = (id(), id());
    let mut stream = client.execute_plan(execute(&session, &operation, range(5))).await.unwrap().into_inner();
    let mut seen = Vec::new();
    let mut rows = 0;
    loop {
        let Some(answer) = stream.message().await.unwrap() else { break };
        assert_eq!((&answer.session_id, &answer.operation_id), (&session, &operation));
        seen.push(answer.response_id.clone());
        match answer.response_type {
            Some(ResponseType::ArrowBatch(batch)) => {
                assert_eq!(batch.start_offset, Some(rows));
                rows += batch.row_count;
            }
            Some(ResponseType::ResultComplete(_)) => break,
            _ => {}
        }
        drop(stream);
        let again = reattach(&session, &operation, seen.last().cloned());
        stream = client.reattach_execute(again).await.unwrap().into_inner();
    }
    assert_eq!(rows, 5);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len());
    // From the beginning it is the same answers once more.
    let mut stream = client.reattach_execute(reattach(&session, &operation, None)).await.unwrap().into_inner();
    let mut again = Vec::new();
    while let Some(answer) = stream.message().await.unwrap() {
        again.push(answer.response_id);
    }
    assert_eq!(again, seen);
    door.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_released_is_gone() {
    use proto::release_execute_request::{Release, ReleaseAll, ReleaseUntil};
    let (door, mut client) = open().await;
    let (session, operation) = (id(), id());
    let mut stream = client.execute_plan(execute(&session, &operation, range(3))).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap().response_id;
    while stream.message().await.unwrap().is_some() {}
    let release = |release| proto::ReleaseExecuteRequest {
        session_id: session.clone(),
        operation_id: operation.clone(),
        release: Some(release),
        ..Default::default()
    };
    let until = Release::ReleaseUntil(ReleaseUntil { response_id: first.clone() });
    let answer = client.release_execute(release(until)).await.unwrap().into_inner();
    assert_eq!(answer.operation_id.as_deref(), Some(operation.as_str()));
    let gone = client.reattach_execute(reattach(&session, &operation, Some(first))).await.unwrap_err();
    assert_eq!(class(&gone), "INVALID_CURSOR.POSITION_NOT_AVAILABLE");
    client.release_execute(release(Release::ReleaseAll(ReleaseAll {}))).await.unwrap();
    let gone = client.reattach_execute(reattach(&session, &operation, None)).await.unwrap_err();
    assert!(gone.message().contains("INVALID_HANDLE.OPERATION_NOT_FOUND"), "{gone}");
    let none = client.release_execute(release(Release::ReleaseAll(ReleaseAll {}))).await.unwrap().into_inner();
    assert_eq!(none.operation_id, None);
    door.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_when_its_session_is_not_what_it_believes() {
    let (door, mut client) = open().await;
    let session = id();
    let missing = client.reattach_execute(reattach(&session, &id(), None)).await.unwrap_err();
    assert!(missing.message().contains("INVALID_HANDLE.SESSION_NOT_FOUND"), "{missing}");
    config(&mut client, &session, PYTHON_4, get("spark.sql.shuffle.partitions")).await.unwrap();
    let request = proto::ConfigRequest {
        session_id: session.clone(),
        client_observed_server_side_session_id: Some(id()),
        operation: Some(proto::config_request::Operation { op_type: Some(get("spark.sql.ansi.enabled")) }),
        ..Default::default()
    };
    let changed = client.config(request).await.unwrap_err();
    assert!(changed.message().contains("INVALID_HANDLE.SESSION_CHANGED"), "{changed}");
    let release = proto::ReleaseSessionRequest { session_id: session.clone(), ..Default::default() };
    client.release_session(release).await.unwrap();
    let closed = config(&mut client, &session, PYTHON_4, get("spark.sql.ansi.enabled")).await.unwrap_err();
    assert!(closed.message().contains("INVALID_HANDLE.SESSION_CLOSED"), "{closed}");
    let wrong = config(&mut client, "no-uuid", PYTHON_4, get("spark.sql.ansi.enabled")).await.unwrap_err();
    assert_eq!(class(&wrong), "INVALID_HANDLE.FORMAT");
    door.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_have_the_defaults_of_the_clients_own_release() {
    let (door, mut client) = open().await;
    for (client_type, ansi, release) in [(PYTHON_3_5, "false", "3.5.9"), (PYTHON_4, "true", "4.2.0")] {
        let session = id();
        let pairs = config(&mut client, &session, client_type, get("spark.sql.ansi.enabled")).await.unwrap();
        assert_eq!(pairs[0].1.as_deref(), Some(ansi));
        let version = proto::AnalyzePlanRequest {
            session_id: session.clone(),
            client_type: Some(client_type.to_owned()),
            analyze: Some(proto::analyze_plan_request::Analyze::SparkVersion(
                proto::analyze_plan_request::SparkVersion {},
            )),
            ..Default::default()
        };
        let answer = client.analyze_plan(version).await.unwrap().into_inner().result;
        let Some(proto::analyze_plan_response::Result::SparkVersion(version)) = answer else { panic!() };
        assert_eq!(version.version, release);
        let unknown = config(&mut client, &session, client_type, get("spark.nothing")).await.unwrap_err();
        assert_eq!(class(&unknown), "SQL_CONF_NOT_FOUND");
        let set = proto::config_request::operation::OpType::Set(proto::config_request::Set {
            pairs: vec![proto::KeyValue { key: "spark.nothing".to_owned(), value: Some("1".to_owned()) }],
            silent: None,
        });
        config(&mut client, &session, client_type, set).await.unwrap();
        let pairs = config(&mut client, &session, client_type, get("spark.nothing")).await.unwrap();
        assert_eq!(pairs[0].1.as_deref(), Some("1"));
    }
    door.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_waits_is_interrupted_and_delays_nobody() {
    use proto::streaming_query_manager_command::{AwaitAnyTerminationCommand, Command as Act};
    let (door, mut client) = open().await;
    let (session, operation) = (id(), id());
    let wait = proto::StreamingQueryManagerCommand {
        command: Some(Act::AwaitAnyTermination(AwaitAnyTerminationCommand { timeout_ms: None })),
    };
    let command =
        proto::Command { command_type: Some(proto::command::CommandType::StreamingQueryManagerCommand(wait)) };
    let plan = proto::Plan { op_type: Some(proto::plan::OpType::Command(command)) };
    let mut waiting = client.execute_plan(execute(&session, &operation, plan)).await.unwrap().into_inner();
    let answered = config(&mut client, &session, PYTHON_4, get("spark.sql.ansi.enabled"));
    tokio::time::timeout(Duration::from_secs(30), answered).await.unwrap().unwrap();
    let interrupt = proto::InterruptRequest {
        session_id: session.clone(),
        interrupt_type: proto::interrupt_request::InterruptType::All.into(),
        ..Default::default()
    };
    let interrupted = client.interrupt(interrupt).await.unwrap().into_inner().interrupted_ids;
    assert_eq!(interrupted, [operation]);
    assert_eq!(class(&waiting.message().await.unwrap_err()), "OPERATION_CANCELED");
    door.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_told_in_full_when_asked() {
    let (door, mut client) = open().await;
    let session = id();
    let sql = proto::Sql { query: "selec 1".to_owned(), ..Default::default() };
    let root = proto::Relation { common: None, rel_type: Some(RelType::Sql(sql)) };
    let plan = proto::Plan { op_type: Some(proto::plan::OpType::Root(root)) };
    let mut stream = client.execute_plan(execute(&session, &id(), plan)).await.unwrap().into_inner();
    let status = stream.message().await.unwrap_err();
    assert_eq!(class(&status), "PARSE_SYNTAX_ERROR");
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.reason, "org.apache.spark.sql.catalyst.parser.ParseException");
    let request = proto::FetchErrorDetailsRequest {
        session_id: session,
        error_id: info.metadata["errorId"].clone(),
        ..Default::default()
    };
    let details = client.fetch_error_details(request).await.unwrap().into_inner();
    assert_eq!(details.root_error_idx, Some(0));
    assert_eq!(details.errors[0].spark_throwable.as_ref().unwrap().sql_state.as_deref(), Some("42601"));
    door.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_checked_and_found_again() {
    use proto::add_artifacts_request::{ArtifactChunk, Batch, Payload, SingleChunkArtifact};
    let (door, mut client) = open().await;
    let session = id();
    let artifact = |name: &str, crc| SingleChunkArtifact {
        name: name.to_owned(),
        data: Some(ArtifactChunk { data: b"123456789".to_vec().into(), crc }),
    };
    let request = proto::AddArtifactsRequest {
        session_id: session.clone(),
        payload: Some(Payload::Batch(Batch {
            artifacts: vec![artifact("cache/good", 0xcbf4_3926), artifact("cache/bad", 1)],
        })),
        ..Default::default()
    };
    let stream = futures::stream::iter([request]);
    let summaries = client.add_artifacts(stream).await.unwrap().into_inner().artifacts;
    assert_eq!(summaries.iter().map(|s| s.is_crc_successful).collect::<Vec<_>>(), [true, false]);
    let request = proto::ArtifactStatusesRequest {
        session_id: session.clone(),
        names: vec!["cache/good".to_owned(), "cache/bad".to_owned()],
        ..Default::default()
    };
    let statuses = client.artifact_status(request).await.unwrap().into_inner().statuses;
    assert!(statuses["cache/good"].exists && !statuses["cache/bad"].exists);
    let escape = proto::AddArtifactsRequest {
        session_id: session,
        payload: Some(Payload::Batch(Batch { artifacts: vec![artifact("../x", 0xcbf4_3926)] })),
        ..Default::default()
    };
    assert!(client.add_artifacts(futures::stream::iter([escape])).await.is_err());
    door.shutdown().await;
}
