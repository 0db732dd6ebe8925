//! A client whose connection was reset: what it had sent is executed, whichever connection the node sees first.

use object_store::header::RequestKind;
use test_support::eventually;
use tokio::io::AsyncWriteExt;

use crate::client::{Client, Node, SET, id, size};
use crate::shared_redis::SharedRedis;

/// The header comes over the first connection, the payload over the second, which the node sees before the first has ended.
async fn the_payload_follows_a_header(node: &Node, length: usize, sent_before: usize) {
    let data = vec![7; length];
    let mut first = Client::connect(node.port, "one").await;
    let (whole, request) = first.encode_request(RequestKind::Set, &id(1), length as u64, Some(&data));
    first.stream.write_all(&whole[..88 + sent_before]).await.unwrap();
    let mut second = Client::connect(node.port, "one").await;
    // The client sends a frame that it had not sent entirely once more.
    second.stream.write_all(&whole[88..]).await.unwrap();
    first.reset();
    let response = second.receive().await;
    assert_eq!((response.request_id, response.kind), (request, SET), "{length} {sent_before}");
    assert!(second.get(&id(1)).await == data);
    second.delete(&id(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_over_a_connection_that_is_seen_before_the_reset_belongs_to_its_header() {
    let redis = SharedRedis::start().await;
    let (memory, on_redis) = (Node::memory(&[]).await, redis.node().await);
    for _ in 0..size(3, 47) {
        for node in [&memory, &on_redis] {
            for (length, sent_before) in
                [(5, 0), (5, 4), (5, 8), (20_000, 0), (20_000, 9_000), (3_000_000, 0), (3_000_000, 2_000_000)]
            {
                the_payload_follows_a_header(node, length, sent_before).await;
            }
        }
    }
}

#[tokio::test]
async fn a_large_payload_that_a_reset_cut_off_may_come_again_over_the_next_connection() {
    let node = Node::memory(&[]).await;
    let data = vec![7; 3_000_000];
    let mut client = Client::connect(node.port, "one").await;
    let (whole, request) = client.encode_request(RequestKind::Set, &id(1), data.len() as u64, Some(&data));
    client.stream.write_all(&whole[..2_000_000]).await.unwrap();
    client.reset();
    node.wait_until_nobody_is_connected().await;
    let mut client = Client::connect(node.port, "one").await;
    client.stream.write_all(&whole[88..]).await.unwrap();
    let response = client.receive().await;
    assert_eq!((response.request_id, response.kind), (request, SET));
    assert!(client.get(&id(1)).await == data);
}

#[tokio::test]
async fn a_response_that_was_still_to_be_written_when_a_large_payload_was_cut_off_comes_over_the_next_connection()
 {
    let node = Node::memory(&[]).await;
    let executed = async || node.process.metric("object_store_requests_total").await;
    let data = vec![7; 3_000_000];
    for is_reset_first in [true, false] {
        let mut first = Client::connect(node.port, "one").await;
        first.set(&id(1), b"x").await;
        let before = executed().await;
        let (mut bytes, get) = first.encode_request(RequestKind::Get, &id(1), u64::MAX, None);
        let (whole, set) = first.encode_request(RequestKind::Set, &id(2), data.len() as u64, Some(&data));
        bytes.extend_from_slice(&whole[..1_000]);
        first.stream.write_all(&bytes).await.unwrap();
        eventually("the get is executed", async || executed().await > before).await;
        let mut second = if is_reset_first {
            first.reset();
            node.wait_until_nobody_is_connected().await;
            Client::connect(node.port, "one").await
        } else {
            let second = Client::connect(node.port, "one").await;
            first.reset();
            second
        };
        assert_eq!(second.receive_response_to(get).await.payload, b"x");
        second.stream.write_all(&whole[88..]).await.unwrap();
        assert_eq!(second.receive_response_to(set).await.kind, SET);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_came_before_a_reset_are_executed_and_answered_over_the_next_connection() {
    let redis = SharedRedis::start().await;
    let (memory, on_redis) = (Node::memory(&[]).await, redis.node().await);
    for (node, count) in [(&memory, 300), (&on_redis, 300)] {
        let mut first = Client::connect(node.port, "one").await;
        first.set(&id(0), b"zero").await;
        // On Redis each set waits for the get before it.
        let mut bytes = Vec::new();
        for n in 1..=count {
            bytes.extend(first.encode_request(RequestKind::Get, &id(n - 1), u64::MAX, None).0);
            bytes.extend(first.encode_request(RequestKind::Set, &id(n), 8, Some(&n.to_be_bytes())).0);
        }
        first.stream.write_all(&bytes).await.unwrap();
        let mut second = Client::connect(node.port, "one").await;
        first.reset();
        // Sent over the new connection, so it comes after all of those.
        let last = 1_000_000;
        let header = object_store::header::RequestHeader {
            id: id(count),
            payload_length: u64::MAX,
            request_id: last,
            kind: RequestKind::Get,
        };
        second.stream.write_all(&[&80_u64.to_le_bytes(), header.encode().as_slice()].concat()).await.unwrap();
        // Before it come the responses that were not written to the first connection.
        let response = loop {
            let response = second.receive().await;
            if response.request_id == last {
                break response;
            }
        };
        assert_eq!(response.payload, count.to_be_bytes());
    }
}
