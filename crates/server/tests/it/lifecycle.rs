//! How a node begins and ends: addresses, refusals in one sentence, a stop under a second with clients connected, and what
//! is found after it.

use std::time::{Duration, Instant};

use andiron_protocol::messages::ApiVersionsRequest;
use andiron_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use andiron_protocol::messages::{FetchRequest, ListOffsetsRequest, list_offsets_request};
use andiron_server::{StartError, start};

use crate::wire::{Client, batch, config, produce_request, server, text};

#[tokio::test(flavor = "multi_thread")]
async fn port_0_is_resolved_and_both_loopback_addresses_are_bound() {
    let server = server(&[]);
    let port = server.running.port();
    assert_ne!(port, 0);
    let controller = server.running.addresses.iter().find(|a| a.listener == "CONTROLLER").unwrap().port;
    tokio::task::spawn_blocking(move || {
        let answer = Client::connect(port).topic("orders");
        assert_eq!((&*answer.brokers[0].host, answer.brokers[0].port), ("localhost", i32::from(port)));
        if std::net::TcpListener::bind(("::1", 0)).is_ok() {
            std::net::TcpStream::connect(("::1", port)).unwrap();
        }
        let keys = Client::connect(controller).ask(0, &ApiVersionsRequest::default()).api_keys;
        assert!(keys.iter().any(|k| k.api_key == 18));
    })
    .await
    .unwrap();
    server.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_said_in_a_sentence() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:0");
    let refused = start(config(folder.path(), &[("listeners", &listeners)])).err().unwrap();
    assert!(matches!(refused, StartError::PortInUse { .. }), "{refused}");
    assert_eq!(refused.to_string(), format!("the port of listener PLAINTEXT is in use: 127.0.0.1:{port}"));
    assert!(!folder.path().join("log").exists(), "nothing is opened before the ports are taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_when_all_places_are_taken_waits_until_somebody_leaves() {
    let server = server(&[("max.connections", "1")]);
    let port = server.running.port();
    tokio::task::spawn_blocking(move || {
        let mut inside = Client::connect(port);
        inside.topic("orders");
        let mut waiting = Client::connect(port);
        waiting.send(0, &ApiVersionsRequest::default());
        assert!(waiting.is_silent_for(Duration::from_millis(300)));
        drop(inside);
        assert_eq!(waiting.receive::<ApiVersionsRequest>(0).error_code, 0);
    })
    .await
    .unwrap();
    server.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_all_its_connections_is_turned_away() {
    let server = server(&[("max.connections.per.ip", "1")]);
    let port = server.running.port();
    tokio::task::spawn_blocking(move || {
        let mut inside = Client::connect(port);
        inside.topic("orders");
        assert!(Client::connect(port).is_closed());
        inside.topic("orders");
    })
    .await
    .unwrap();
    server.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_another_node_is_left_alone() {
    let first = server(&[]);
    let folder = first.folder;
    first.running.shutdown().await;
    let refused = start(config(folder.path(), &[("node.id", "7")])).err().unwrap();
    assert!(refused.to_string().contains("belongs to node 1, not to node 7"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_with_clients_that_wait_takes_less_than_a_second_and_loses_nothing() {
    let server = server(&[]);
    let port = server.running.port();
    let waiting = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(port);
        client.topic("orders");
        assert_eq!(client.produce("orders", batch(5)).responses[0].partition_responses[0].error_code, 0);
        let mut reader = Client::connect(port);
        reader.send(11, &fetch("orders", 5, 60_000));
        let idle = Client::connect(port);
        (client, reader, idle)
    })
    .await
    .unwrap();
    let began = Instant::now();
    server.running.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(1), "the stop took {:?}", began.elapsed());
    drop(waiting);
    assert!(server.folder.path().join("log/.kafka_cleanshutdown").exists());

    let again = start(config(server.folder.path(), &[])).unwrap();
    assert!(!server.folder.path().join("log/.kafka_cleanshutdown").exists(), "a crash from here on is a crash");
    let port = again.port();
    tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(port);
        assert_eq!(end_of(&mut client, "orders"), 5);
        client.send(9, &produce_request("orders", batch(1), -1));
        let answer = client.receive::<andiron_protocol::messages::ProduceRequest>(9);
        assert_eq!(answer.responses[0].partition_responses[0].base_offset, 5);
    })
    .await
    .unwrap();
    again.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_the_order_of_the_requests_although_an_early_one_waits() {
    let server = server(&[]);
    let port = server.running.port();
    tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(port);
        client.topic("orders");
        client.send(11, &fetch("orders", 0, 300));
        client.send(0, &ApiVersionsRequest::default());
        let first = client.receive::<FetchRequest>(11);
        assert_eq!(first.responses[0].partitions[0].error_code, 0);
        assert_eq!(client.receive::<ApiVersionsRequest>(0).error_code, 0);
    })
    .await
    .unwrap();
    server.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_waits_is_woken_by_the_record_it_waits_for() {
    let server = server(&[]);
    let port = server.running.port();
    tokio::task::spawn_blocking(move || {
        let mut writer = Client::connect(port);
        writer.topic("orders");
        let mut reader = Client::connect(port);
        let began = Instant::now();
        reader.send(11, &fetch("orders", 0, 15_000));
        writer.produce("orders", batch(2));
        let answer = reader.receive::<FetchRequest>(11);
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(partition.high_watermark, 2);
        assert!(partition.records.as_ref().is_some_and(|records| !records.is_empty()));
        assert!(began.elapsed() < Duration::from_secs(10));
    })
    .await
    .unwrap();
    server.running.shutdown().await;
}

fn fetch(topic: &str, offset: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
        .with_current_leader_epoch(-1);
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![FetchTopic::default().with_topic(text(topic)).with_partitions(vec![partition])])
}

fn end_of(client: &mut Client, topic: &str) -> i64 {
    let partition = list_offsets_request::ListOffsetsPartition::default()
        .with_partition_index(0)
        .with_current_leader_epoch(-1)
        .with_timestamp(-1);
    let topic =
        list_offsets_request::ListOffsetsTopic::default().with_name(text(topic)).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    client.ask(5, &request).topics[0].partitions[0].offset
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_nobody_uses_is_closed_after_connections_max_idle_ms() {
    let server = server(&[("connections.max.idle.ms", "300")]);
    let port = server.running.port();
    tokio::task::spawn_blocking(move || {
        let mut idle = Client::connect(port);
        idle.topic("orders");
        let since = std::time::Instant::now();
        assert!(idle.is_closed(), "the other end closes");
        assert!(since.elapsed() < std::time::Duration::from_secs(15), "long before the test gives up");
    })
    .await
    .unwrap();
    server.running.shutdown().await;
}
