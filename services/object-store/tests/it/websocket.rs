//! YMQ over WebSocket, byte for byte, and over a Unix socket.

use futures_util::{SinkExt, StreamExt};
use object_store::header::{RequestHeader, RequestKind};
use object_store::ymq::encode_hello;
use test_support::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::client::{DEADLINE, GOT, Node, SET, id, receive_from};
use crate::shared_redis::SharedRedis;

async fn connect(node: &Node) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", node.port)).await.unwrap();
    let request = format!("ws://127.0.0.1:{}/any/path", node.port);
    let any_size = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    tokio_tungstenite::client_async_with_config(request, stream, Some(any_size)).await.unwrap().0
}

/// The hello of a client, a set of this object, and a get of it.
fn session(data: &[u8]) -> Vec<u8> {
    let set =
        RequestHeader { id: id(1), payload_length: data.len() as u64, request_id: 1, kind: RequestKind::Set };
    let get = RequestHeader { payload_length: u64::MAX, kind: RequestKind::Get, ..set.clone() };
    let frame = |bytes: &[u8]| [&(bytes.len() as u64).to_le_bytes(), bytes].concat();
    [encode_hello(2, b"one"), frame(&set.encode()), frame(data), frame(&get.encode())].concat()
}

/// What the server sends, up to the response to the get.
async fn receive(socket: &mut WebSocketStream<TcpStream>, data: &[u8]) {
    let expected = encode_hello(2, b"ObjectStorageServer").len() + 2 * 88 + 8 + data.len();
    let mut received = Vec::new();
    while received.len() < expected {
        match timeout(DEADLINE, socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Binary(part) => received.extend_from_slice(&part),
            Message::Pong(payload) => assert_eq!(payload.as_ref(), b"now"),
            other => panic!("{other}"),
        }
    }
    let mut rest = received.strip_prefix(encode_hello(2, b"ObjectStorageServer").as_slice()).unwrap();
    assert_eq!(receive_from(&mut rest).await.unwrap().kind, SET);
    let got = receive_from(&mut rest).await.unwrap();
    assert!(got.kind == GOT && got.payload == data && rest.is_empty());
}

#[tokio::test]
async fn a_session_is_the_same_in_frames_of_any_size_and_pings_are_answered_between_them() {
    let node = Node::over("ws", &[]).await;
    let small = b"hello world".to_vec();
    for step in [1, 7, 1_000] {
        let mut socket = connect(&node).await;
        for part in session(&small).chunks(step) {
            socket.send(Message::binary(part.to_vec())).await.unwrap();
        }
        socket.send(Message::Ping(Bytes::from_static(b"now"))).await.unwrap();
        receive(&mut socket, &small).await;
        assert!(
            matches!(socket.next().await, Some(Ok(Message::Pong(payload))) if payload.as_ref() == b"now")
        );
        socket.close(None).await.unwrap();
    }
    // One message of many frames, and one frame of many megabytes.
    let large = vec![7; 20 << 20];
    let mut socket = connect(&node).await;
    let bytes = session(&large);
    let count = bytes.chunks(1 << 20).len();
    for (n, part) in bytes.chunks(1 << 20).enumerate() {
        let kind = if n == 0 { Data::Binary } else { Data::Continue };
        let frame = Frame::message(part.to_vec(), OpCode::Data(kind), n + 1 == count);
        socket.send(Message::Frame(frame)).await.unwrap();
    }
    receive(&mut socket, &large).await;
    drop(socket);
    let mut socket = connect(&node).await;
    socket.send(Message::binary(bytes)).await.unwrap();
    receive(&mut socket, &large).await;
    drop(socket);
    node.wait_until_nobody_is_connected().await;
}

#[tokio::test]
async fn what_is_no_websocket_and_what_breaks_the_protocol_ends_with_a_line_in_the_log() {
    let node = Node::over("ws", &[]).await;
    let mut plain = TcpStream::connect(("127.0.0.1", node.port)).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
    let _ = timeout(DEADLINE, plain.read_to_end(&mut Vec::new())).await.expect("it is closed");
    let log = || node.process.log();
    eventually("it is logged", async || log().contains("refused: the WebSocket handshake failed")).await;

    let mut socket = connect(&node).await;
    // A frame that is not masked.
    socket.get_mut().write_all(&[0x82, 1, b'Y']).await.unwrap();
    while timeout(DEADLINE, socket.next()).await.expect("it is closed").is_some_and(|next| next.is_ok()) {}
    eventually("it is logged", async || log().contains("the client broke the WebSocket protocol")).await;
}

/// A client that announces much more than it sends: in one frame, or in frames that go on and on.
async fn slow_upload(node: &Node, n: u64, sent: usize, is_one_frame: bool) -> TcpStream {
    let length: u64 = 60 << 20;
    let set = RequestHeader { id: id(n), payload_length: length, request_id: 1, kind: RequestKind::Set };
    let frame = |bytes: &[u8]| [&(bytes.len() as u64).to_le_bytes(), bytes].concat();
    let hello = encode_hello(2, format!("slow-{n}-{is_one_frame}").as_bytes());
    let begun = [hello, frame(&set.encode()), length.to_le_bytes().to_vec(), vec![7; sent]].concat();
    let mut stream = connect(node).await.into_inner();
    // Of 2^62 bytes, and with a mask of zeros.
    let endless = [&[0x82, 0xff], (1_u64 << 62).to_be_bytes().as_slice(), &[0; 4]].concat();
    let bytes = match is_one_frame {
        true => [endless, begun].concat(),
        false => {
            let parts = begun.chunks(60_000).map(|part| {
                [&[0x02, 0xfe], (part.len() as u16).to_be_bytes().as_slice(), &[0; 4], part].concat()
            });
            parts.collect::<Vec<_>>().concat()
        }
    };
    stream.write_all(&bytes).await.unwrap();
    stream
}

async fn slow_uploads_stop_nobody_and_are_cut_off(node: &Node) {
    let mut slow = Vec::new();
    for (n, sent) in (2..).zip([1_000, 300_000, 1_100_000, 30 << 20]) {
        for is_one_frame in [true, false] {
            slow.push(slow_upload(node, n, sent, is_one_frame).await);
            for length in [1_000, 900_000, 6_000_000] {
                let data = vec![7; length];
                let others = async {
                    let mut socket = connect(node).await;
                    socket.send(Message::binary(session(&data))).await.unwrap();
                    receive(&mut socket, &data).await;
                };
                timeout(DEADLINE / 2, others).await.unwrap_or_else(|_| {
                    panic!("an upload of which {sent} bytes were sent: others of {length} bytes wait")
                });
            }
        }
    }
    for mut stream in slow {
        let ended = timeout(2 * DEADLINE, stream.read_to_end(&mut Vec::new())).await;
        let _reset_or_closed = ended.expect("its connection ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_over_a_websocket_stops_nobody_and_is_cut_off() {
    let redis = SharedRedis::start().await;
    let limits = [("OBJECT_STORE_MAX_TRANSFER_MEMORY", "64MB"), ("OBJECT_STORE_STALL_TIMEOUT", "20s")];
    let url = redis.url();
    let on_redis = [limits.as_slice(), &[("OBJECT_STORE_BACKEND", "redis"), ("REDIS_URL", &url)]].concat();
    let (memory, on_redis) = (Node::over("ws", &limits).await, Node::over("ws", &on_redis).await);
    on_redis.process.wait_until_ready().await;
    tokio::join!(
        slow_uploads_stop_nobody_and_are_cut_off(&memory),
        slow_uploads_stop_nobody_and_are_cut_off(&on_redis),
    );
}

#[tokio::test]
async fn a_handshake_that_stops_halfway_is_cut_off_and_stops_nobody() {
    let node = Node::over("ws", &[("OBJECT_STORE_STALL_TIMEOUT", "1s")]).await;
    let mut halfway = TcpStream::connect(("127.0.0.1", node.port)).await.unwrap();
    halfway.write_all(b"GET / HTTP/1.1\r\nhost: here\r\nupgrade: webso").await.unwrap();
    let mut socket = connect(&node).await;
    socket.send(Message::binary(session(b"data"))).await.unwrap();
    receive(&mut socket, b"data").await;
    let _reset_or_closed =
        timeout(DEADLINE, halfway.read_to_end(&mut Vec::new())).await.expect("its connection ends");
    let log = || node.process.log();
    eventually("it is logged", async || log().contains("refused: the handshake took too long")).await;
}

#[tokio::test]
async fn a_unix_socket_that_a_killed_node_left_is_replaced_and_a_stopped_node_leaves_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sock");
    let mut node = Node::local(&path).await;
    node.kill_and_restart().await;
    let data = b"over a unix socket";
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(&session(data)).await.unwrap();
    stream.read_exact(&mut vec![0; encode_hello(2, b"ObjectStorageServer").len()]).await.unwrap();
    assert_eq!(receive_from(&mut stream).await.unwrap().kind, SET);
    assert_eq!(receive_from(&mut stream).await.unwrap().payload, data);
    assert_eq!(node.process.terminate().await, 0);
    assert!(!path.exists());
}
