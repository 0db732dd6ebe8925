//! The recorded session, the semantics of every request, and how connections end.

use object_store::header::RequestKind;
use test_support::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, DELETED, DUPLICATED, GOT, NOT_EXISTS, Node, SET, id};
use crate::shared_redis::{SharedRedis, is_cluster};

const ID: &str = "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918";
const COPY: &str = "0807060504030201100f0e0d0c0b0a091817161514131211201f1e1d1c1b1a19";
const HELLO_WORLD: &str = "0b00000000000000 68656c6c6f20776f726c64";

fn header(length: &str, request: u8, kind: u8, id: &str) -> String {
    format!(
        "5000000000000000 0000000009000000 0000000003000100 {length} {request:02x}00000000000000 {kind:02x}00000000000000
         0000000004000000 {id}"
    )
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.replace(|c: char| c.is_whitespace(), "")).unwrap()
}

/// What the client sends and what it receives, as recorded with opengris-scaler 2.9.0.
fn recorded(version: u8) -> Vec<(String, String)> {
    let (none, all, eleven) = ("0000000000000000", "ffffffffffffffff", "0b00000000000000");
    let original = format!("3000000000000000 0000000005000000 0000000004000000 {ID}");
    vec![
        (
            format!(
                "594d51{version:02x} 0c00000000000000 70726f62652d636c69656e74 {} {HELLO_WORLD}",
                header(eleven, 0, 0, ID)
            ),
            format!(
                "594d51{version:02x} 1300000000000000 4f626a65637453746f72616765536572766572 {}",
                header(none, 0, 0, ID)
            ),
        ),
        (header(all, 1, 1, ID), format!("{} {HELLO_WORLD}", header(eleven, 1, 1, ID))),
        (format!("{} {original}", header("3000000000000000", 2, 3, COPY)), header(none, 2, 4, COPY)),
        (header(all, 3, 1, COPY), format!("{} {HELLO_WORLD}", header(eleven, 3, 1, COPY))),
        (header(none, 4, 2, ID), header(none, 4, 2, ID)),
        (header(none, 5, 2, ID), header(none, 5, 3, ID)),
    ]
}

async fn play_the_recorded_session(node: &Node) {
    for version in [2, 1] {
        let mut stream = TcpStream::connect(("127.0.0.1", node.port)).await.unwrap();
        for (sent, received) in recorded(version) {
            let expected = bytes(&received);
            stream.write_all(&bytes(&sent)).await.unwrap();
            let mut actual = vec![0; expected.len()];
            stream.read_exact(&mut actual).await.unwrap();
            assert_eq!(hex::encode(actual), hex::encode(expected), "version {version}");
        }
        // The same in one packet: requests may be sent without waiting.
        let mut stream = TcpStream::connect(("127.0.0.1", node.port)).await.unwrap();
        let (sent, received): (Vec<_>, Vec<_>) = recorded(version).into_iter().unzip();
        stream.write_all(&bytes(&sent.concat())).await.unwrap();
        let mut actual = vec![0; bytes(&received.concat()).len()];
        stream.read_exact(&mut actual).await.unwrap();
        assert_eq!(
            hex::encode(actual),
            hex::encode(bytes(&received.concat())),
            "version {version}, pipelined"
        );
    }
}

#[tokio::test]
async fn the_recorded_session_is_answered_byte_for_byte_from_memory() {
    play_the_recorded_session(&Node::memory(&[]).await).await;
}

#[tokio::test]
async fn the_recorded_session_is_answered_byte_for_byte_from_redis() {
    let redis = SharedRedis::start().await;
    play_the_recorded_session(&redis.node().await).await;
}

async fn check_the_semantics(node: &Node, is_on_cluster: bool) {
    let mut client = Client::connect(node.port, "one").await;
    let mut other = Client::connect(node.port, "two").await;

    // A prefix of an object, an empty object, and one that is larger than a chunk.
    assert_eq!(client.set(&id(1), b"hello world").await, SET);
    let request = client.send(RequestKind::Get, &id(1), 5, None).await;
    assert_eq!(client.receive_response_to(request).await.payload, b"hello");
    let request = client.send(RequestKind::Get, &id(1), 0, None).await;
    assert_eq!(client.receive_response_to(request).await.payload, b"");
    assert_eq!(client.set(&id(2), b"").await, SET);
    assert_eq!(other.get(&id(2)).await, b"");
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(client.set(&id(3), &large).await, SET);
    assert!(other.get(&id(3)).await == large);
    let request = other.send(RequestKind::Get, &id(3), 1_500_000, None).await;
    assert!(other.receive_response_to(request).await.payload == large[..1_500_000]);

    // A get and a chain of duplicates wait. They are answered in order, before the set that they waited for; on a Cluster in any.
    let get = client.send_get(&id(10)).await;
    let copy = client.send_duplicate(&id(11), &id(10)).await;
    let copy_of_copy = client.send_duplicate(&id(12), &id(11)).await;
    let get_of_copy = client.send_get(&id(12)).await;
    assert!(client.receives_nothing().await);
    let totals = client.totals().await;
    assert_eq!(totals[3..5], [4, 3], "waiting requests and awaited objects");
    let set = client.send_set(&id(10), b"x").await;
    let mut answered = Vec::new();
    for _ in 0..5 {
        let response = client.receive().await;
        assert!(response.kind != GOT || response.payload == b"x");
        answered.push(response.request_id);
    }
    let mut expected = [get, copy, copy_of_copy, get_of_copy, set];
    if is_on_cluster {
        answered.sort_unstable();
        expected.sort_unstable();
    }
    assert_eq!(answered, expected);

    // A duplicate of an id to itself changes nothing. If the object does not exist yet, it waits.
    assert_eq!(client.duplicate(&id(1), &id(1)).await, DUPLICATED);
    assert_eq!(client.get(&id(1)).await, b"hello world");
    let own = client.send_duplicate(&id(20), &id(20)).await;
    other.set(&id(20), b"self").await;
    assert_eq!(client.receive_response_to(own).await.kind, DUPLICATED);
    assert_eq!(client.get(&id(20)).await, b"self");

    // A shared content stays until its last id is removed. Replacing one of its objects does not change the others.
    assert_eq!(client.duplicate(&id(21), &id(1)).await, DUPLICATED);
    assert_eq!(client.set(&id(1), b"changed").await, SET);
    assert_eq!(client.get(&id(21)).await, b"hello world");
    assert_eq!(client.delete(&id(21)).await, DELETED);
    assert_eq!(client.delete(&id(21)).await, NOT_EXISTS);

    // A malformed request is refused, and changes nothing.
    for (kind, payload) in
        [(RequestKind::Unknown(9), None), (RequestKind::Duplicate, Some(b"short".as_slice()))]
    {
        let length = payload.map_or(0, <[u8]>::len) as u64;
        let request = client.send(kind, &id(1), length, payload).await;
        assert_eq!(client.receive_response_to(request).await.kind, NOT_EXISTS, "{kind:?}");
    }
    let request = client.send(RequestKind::Set, &id(1), 7, Some(b"another length")).await;
    assert_eq!(client.receive_response_to(request).await.kind, NOT_EXISTS);
    assert_eq!(client.get(&id(1)).await, b"changed");
}

#[tokio::test]
async fn every_request_means_what_the_contract_says_in_memory() {
    check_the_semantics(&Node::memory(&[]).await, false).await;
}

#[tokio::test]
async fn every_request_means_what_the_contract_says_in_redis() {
    let redis = SharedRedis::start().await;
    check_the_semantics(&redis.node().await, is_cluster()).await;
}

#[tokio::test]
async fn contents_are_counted_once_and_removed_with_their_last_id() {
    let node = Node::memory(&[]).await;
    let mut client = Client::connect(node.port, "one").await;
    for n in 0..10 {
        client.set(&id(n), &vec![7; 100_000]).await;
    }
    client.set(&id(10), b"other").await;
    assert_eq!(client.totals().await[..3], [11, 2, 100_005]);
    for n in 0..10 {
        client.delete(&id(n)).await;
    }
    assert_eq!(client.totals().await[..3], [1, 1, 5]);
}

async fn waiting_requests(node: &Node) -> u64 {
    node.info("pending_request_count").await
}

#[tokio::test]
async fn a_client_that_closes_leaves_no_waiter() {
    let node = Node::memory(&[]).await;
    let mut client = Client::connect(node.port, "one").await;
    client.send_get(&id(1)).await;
    eventually("the get waits", async || waiting_requests(&node).await == 1).await;
    drop(client);
    eventually("its waiting request is cancelled", async || waiting_requests(&node).await == 0).await;
}

async fn check_responses_over_the_next_connection(node: &Node) {
    let mut client = Client::connect(node.port, "one").await;
    client.send_get(&id(1)).await;
    let request = client.send_get(&id(2)).await;
    eventually("the gets wait", async || waiting_requests(node).await == 2).await;
    client.reset();
    // One object is created while the client is disconnected, one after it has reconnected.
    let mut other = Client::connect(node.port, "two").await;
    other.set(&id(1), b"away").await;
    let mut client = Client::connect(node.port, "one").await;
    assert_eq!(client.receive().await.payload, b"away");
    other.set(&id(2), b"back").await;
    let response = client.receive().await;
    assert_eq!((response.request_id, response.payload), (request, b"back".to_vec()));
}

#[tokio::test]
async fn a_client_whose_connection_was_reset_is_answered_over_its_next_one() {
    check_responses_over_the_next_connection(&Node::memory(&[]).await).await;
    let redis = SharedRedis::start().await;
    check_responses_over_the_next_connection(&redis.node().await).await;
}

#[tokio::test]
async fn the_session_of_a_client_that_does_not_reconnect_expires() {
    let node = Node::memory(&[("OBJECT_STORE_RECONNECT_GRACE", "300ms")]).await;
    let mut client = Client::connect(node.port, "one").await;
    client.send_get(&id(1)).await;
    eventually("the get waits", async || waiting_requests(&node).await == 1).await;
    client.reset();
    eventually("its waiting request is cancelled", async || waiting_requests(&node).await == 0).await;
}

#[tokio::test]
async fn a_second_connection_of_an_identity_replaces_the_first() {
    let node = Node::memory(&[]).await;
    let mut first = Client::connect(node.port, "one").await;
    let request = first.send_get(&id(1)).await;
    eventually("the get waits", async || waiting_requests(&node).await == 1).await;
    let mut second = Client::connect(node.port, "one").await;
    assert_eq!(first.stream.read(&mut [0; 1]).await.unwrap(), 0, "the first connection ends with FIN");
    Client::connect(node.port, "two").await.set(&id(1), b"x").await;
    assert_eq!(second.receive_response_to(request).await.payload, b"x");
}

#[tokio::test]
async fn a_payload_may_come_over_the_next_connection() {
    let node = Node::memory(&[]).await;
    let mut client = Client::connect(node.port, "one").await;
    let (whole, request) = client.encode_request(RequestKind::Set, &id(1), 5, Some(b"hello"));
    client.stream.write_all(&whole[..88]).await.unwrap();
    eventually("the client is connected", async || {
        node.process.metric("object_store_connections").await == 1.0
    })
    .await;
    client.reset();
    node.wait_until_nobody_is_connected().await;
    let mut client = Client::connect(node.port, "one").await;
    client.stream.write_all(&whole[88..]).await.unwrap();
    let response = client.receive().await;
    assert_eq!((response.request_id, response.kind), (request, SET));
    assert_eq!(client.get(&id(1)).await, b"hello");
}

#[tokio::test]
async fn a_server_that_stops_flushes_its_responses_says_goodbye_and_resets() {
    let mut node = Node::memory(&[]).await;
    let mut client = Client::connect(node.port, "one").await;
    client.set(&id(1), &vec![1; 8 << 20]).await;
    client.send_get(&id(1)).await;
    let reading = tokio::spawn(async move {
        let response = client.receive().await;
        let goodbye = client.stream.read_u64_le().await.unwrap();
        let end = client.stream.read(&mut [0; 1]).await;
        (response.payload.len(), goodbye, end.map_err(|error| error.kind()))
    });
    assert_eq!(node.process.terminate().await, 0);
    assert_eq!(reading.await.unwrap(), (8 << 20, 1 << 62, Err(std::io::ErrorKind::ConnectionReset)));
}

#[tokio::test]
async fn requests_that_a_client_sends_before_it_reads_the_goodbye_are_executed() {
    let redis = SharedRedis::start().await;
    let (mut one, two) = (redis.node().await, redis.node().await);
    let mut client = Client::connect(one.port, "one").await;
    let stopping = tokio::spawn(async move { one.process.terminate().await });
    assert_eq!(client.receive_or_end().await, None, "the goodbye");
    client.send_set(&id(1), b"small").await;
    client.send_set(&id(2), &[2; 100_000]).await;
    drop(client);
    assert_eq!(stopping.await.unwrap(), 0);
    let mut other = Client::connect(two.port, "two").await;
    assert_eq!(other.get(&id(1)).await, b"small");
    assert!(other.get(&id(2)).await == [2; 100_000]);
}

#[tokio::test]
async fn a_server_that_is_killed_resets_its_connections() {
    let mut node = Node::memory(&[]).await;
    let mut client = Client::connect(node.port, "one").await;
    node.process.kill().await;
    let end = client.stream.read(&mut [0; 1]).await;
    assert_eq!(end.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionReset));
}
