//! A connection against a peer that answers well, badly, or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

/// A peer that reads `requests` whole frames, then writes `answer` and closes if told so.
async fn peer(
    requests: usize,
    answer: Vec<u8>,
    close: bool,
) -> (Arc<dyn Connection>, tokio::task::JoinHandle<Vec<Vec<u8>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut frames = Vec::new();
        for _ in 0..requests {
            let mut frame = vec![0; stream.read_i32().await.unwrap() as usize];
            stream.read_exact(&mut frame).await.unwrap();
            frames.push(frame);
        }
        stream.write_all(&answer).await.unwrap();
        if !close {
            // Until the client ends it.
            let _ = stream.read_u8().await;
        }
        frames
    });
    let options = TcpOptions {
        connect_timeout: Duration::from_secs(5),
        send_buffer_bytes: None,
        receive_buffer_bytes: Some(65_536),
    };
    let connection = TcpTransport::new(options).connect(&Address { host: "localhost".into(), port }).await;
    (connection.unwrap(), serving)
}

fn request(correlation_id: i32, parts: &[&'static [u8]]) -> RequestFrame {
    let parts = parts.iter().map(|part| Bytes::from_static(part)).collect();
    RequestFrame { api_key: 0, api_version: 0, correlation_id, expects_response: true, parts }
}

fn frame(correlation_id: i32, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as i32 + 4).to_be_bytes();
    [&length[..], &correlation_id.to_be_bytes(), body].concat()
}

#[tokio::test]
async fn pipelined_requests_go_out_in_order_and_get_their_own_answers() {
    let (connection, serving) = peer(2, [frame(1, b"one"), frame(2, &[7; 100_000])].concat(), false).await;
    let first = connection.send(request(1, &[b"a", b"", b"bc"])).await.unwrap();
    let second = connection.send(request(2, &[b"d"])).await.unwrap();
    assert_eq!(&second.await.unwrap()[4..], &[7; 100_000][..]);
    assert_eq!(&first.await.unwrap()[4..], b"one");
    drop(connection);
    assert_eq!(serving.await.unwrap(), [b"abc".to_vec(), b"d".to_vec()]);
}

#[tokio::test]
async fn answers_that_are_none_end_the_connection_and_everything_on_it() {
    for (answer, close, words) in [
        (frame(9, b""), false, "an answer to another request"),
        ((-1_i32).to_be_bytes().to_vec(), false, "Invalid response (size = -1)"),
        (i32::MAX.to_be_bytes().to_vec(), false, "larger than"),
        (frame(1, b"cut")[..6].to_vec(), true, "closed the connection"),
        (vec![0, 0, 0, 1, 5], false, "a response without a header"),
        (Vec::new(), true, "closed the connection"),
    ] {
        let (connection, _serving) = peer(2, answer, close).await;
        let first = connection.send(request(1, &[b"x"])).await.unwrap();
        let second = connection.send(request(2, &[b"y"])).await.unwrap();
        let error = first.await.unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(error.may_have_been_sent());
        assert!(second.await.is_err());
        assert!(connection.is_closed());
        assert!(match connection.send(request(3, &[b"z"])).await {
            Ok(pending) => pending.await.is_err(),
            Err(_) => true,
        });
    }
}

#[tokio::test]
async fn a_request_without_an_answer_is_done_when_it_is_written() {
    let (connection, serving) = peer(1, Vec::new(), false).await;
    let pending = connection.send(RequestFrame { expects_response: false, ..request(1, &[b"x"]) }).await.unwrap();
    assert!(pending.await.unwrap().is_empty());
    connection.close();
    serving.await.unwrap();
    assert!(connection.is_closed());
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error_and_nothing_was_sent() {
    let options =
        TcpOptions { connect_timeout: Duration::from_secs(5), send_buffer_bytes: None, receive_buffer_bytes: None };
    let transport = TcpTransport::new(options);
    for host in ["127.0.0.1", "does-not-exist.invalid"] {
        let error = transport.connect(&Address { host: host.into(), port: 1 }).await.err().unwrap();
        assert!(!error.may_have_been_sent(), "{error}");
    }
}
