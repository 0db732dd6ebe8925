//! Several nodes on one Redis.

use std::time::{Duration, Instant};

use fred::interfaces::{ConfigInterface, HashesInterface, KeysInterface, SortedSetsInterface};
use object_store::header::RequestKind;
use test_support::{FlakyProxy, TestRedis, eventually};
use tokio::io::AsyncWriteExt;

use crate::client::{Client, DELETED, DUPLICATED, GOT, NOT_EXISTS, Node, OUTAGE, SET, id, size};
use crate::shared_redis::SharedRedis;

#[tokio::test(flavor = "multi_thread")]
async fn gets_that_wait_on_one_node_are_answered_when_another_stores() {
    let redis = SharedRedis::start().await;
    let (here, there) = (redis.node().await, redis.node().await);
    let mut waiting = Client::connect(here.port, "waiting").await;
    let mut storing = Client::connect(there.port, "storing").await;
    let count = size(2_000, 10_000) as u64;
    let mut bytes = Vec::new();
    for n in 0..count {
        bytes.extend(waiting.encode_request(RequestKind::Get, &id(n), u64::MAX, None).0);
    }
    waiting.stream.write_all(&bytes).await.unwrap();
    eventually("all wait", async || here.info("pending_request_count").await == count).await;
    let began = Instant::now();
    let receiving = tokio::spawn(async move {
        let mut received = vec![false; count as usize];
        for _ in 0..count {
            let response = waiting.receive().await;
            assert_eq!((response.kind, response.payload), (GOT, response.request_id.to_be_bytes().to_vec()));
            assert!(!std::mem::replace(&mut received[response.request_id as usize], true), "answered twice");
        }
        Instant::now()
    });
    for n in 0..count {
        assert_eq!(storing.set(&id(n), &n.to_be_bytes()).await, SET);
    }
    let stored = Instant::now();
    let received = receiving.await.unwrap();
    eprintln!(
        "{count} sets in {:?}, the last get {:?} after it",
        stored - began,
        received.saturating_duration_since(stored)
    );
    assert_eq!(here.info("pending_request_count").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_deleted_at_once_is_still_sent_to_those_that_waited() {
    let redis = SharedRedis::start().await;
    let (here, there) = (redis.node().await, redis.node().await);
    let mut waiting = Client::connect(here.port, "waiting").await;
    let mut storing = Client::connect(there.port, "storing").await;
    for (n, length) in [(1, 10), (2, 3 << 20)] {
        let get = waiting.send_get(&id(n)).await;
        let copy = waiting.send_duplicate(&id(n + 10), &id(n)).await;
        eventually("both wait", async || here.info("pending_request_count").await == 2).await;
        // Sent together, so that no other request comes between them.
        let data = vec![n as u8; length];
        let (set, _) = storing.encode_request(RequestKind::Set, &id(n), length as u64, Some(&data));
        let (delete, _) = storing.encode_request(RequestKind::Delete, &id(n), 0, None);
        storing.stream.write_all(&[set, delete].concat()).await.unwrap();
        assert_eq!((storing.receive().await.kind, storing.receive().await.kind), (SET, DELETED));
        let mut received = [waiting.receive().await, waiting.receive().await];
        received.sort_by_key(|response| response.request_id);
        assert_eq!(
            (received[0].request_id, received[0].kind, received[1].request_id, received[1].kind),
            (get, GOT, copy, DUPLICATED)
        );
        assert!(received[0].payload == data);
        assert!(storing.get(&id(n + 10)).await == data);
    }
}

#[tokio::test]
async fn a_known_content_is_not_uploaded_again_and_is_removed_with_its_last_id() {
    let redis = TestRedis::start().await;
    let (here, there) = (Node::redis(&redis).await, Node::redis(&redis).await);
    let mut one = Client::connect(here.port, "one").await;
    let mut two = Client::connect(there.port, "two").await;
    let commands = redis.client().await;
    let chunks = async || {
        let (_, keys): (String, Vec<String>) =
            commands.scan_page("0", "scaler:obj:_meta:chunk:*", Some(100_000), None).await.unwrap();
        keys.len()
    };
    let data: Vec<u8> = (0..5 << 20).map(|n: u32| (n % 253) as u8).collect();
    one.set(&id(1), &data).await;
    assert_eq!(chunks().await, 5);
    two.set(&id(2), &data).await;
    assert_eq!(chunks().await, 5);
    assert_eq!(one.totals().await[..3], [2, 1, 5 << 20]);
    // The original counts every id, and for each the four bytes of the metadata's length.
    let total: u64 = commands.get("scaler:obj:_meta:total_size").await.unwrap();
    assert_eq!(total, 2 * (4 + (5 << 20)));

    one.delete(&id(1)).await;
    assert!(one.get(&id(2)).await == data);
    one.delete(&id(2)).await;
    assert_eq!(one.totals().await[..3], [0, 0, 0]);
    eventually("the chunks are removed", async || chunks().await == 0).await;
    let left: u64 = commands.zcard("scaler:obj:_meta:garbage").await.unwrap();
    assert_eq!(left, 0);
    assert!(!commands.hexists::<bool, _, _>("scaler:obj:_meta:stats", "colour").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_many_chunks_is_stored_on_one_node_and_read_from_another() {
    let redis = SharedRedis::start().await;
    let large = [("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "700")];
    let here = Node::redis_with(&redis.url(), &large).await;
    let there = Node::redis_with(&redis.url(), &large).await;
    // The full size is more than 512 MB, the longest string of Redis.
    let length = size(20 << 20, 600 << 20);
    let mut data = vec![7; length];
    for (n, chunk) in data.chunks_mut(1 << 20).enumerate() {
        chunk[..8].copy_from_slice(&n.to_le_bytes());
    }
    assert_eq!(Client::connect(here.port, "one").await.set(&id(1), &data).await, SET);
    assert!(Client::connect(there.port, "two").await.get(&id(1)).await == data);
}

#[tokio::test]
async fn an_upload_that_is_not_finished_is_refused_and_expires() {
    let redis = TestRedis::start().await;
    let commands = redis.client().await;
    let node = Node::redis(&redis).await;
    let mut client = Client::connect(node.port, "one").await;
    // How many chunks expire, and how many do not.
    let chunks = async || {
        let (_, keys): (String, Vec<String>) =
            commands.scan_page("0", "scaler:obj:_meta:chunk:*", Some(100_000), None).await.unwrap();
        let mut counts = (0, 0);
        for key in keys {
            match commands.ttl::<i64, _>(key).await.unwrap() {
                1..=600 => counts.0 += 1,
                _ => counts.1 += 1,
            }
        }
        counts
    };
    let data = vec![7; 64 << 20];
    let set_maxmemory = async |bytes: &str| commands.config_set("maxmemory", bytes.to_owned()).await.unwrap();
    set_maxmemory("24mb").await;
    assert_eq!(client.set(&id(1), &data).await, NOT_EXISTS);
    let (unfinished, finished) = chunks().await;
    assert!((1..64).contains(&unfinished) && finished == 0, "{unfinished} and {finished}");
    set_maxmemory("0").await;
    assert_eq!(client.set(&id(1), &data).await, SET);
    assert_eq!(chunks().await, (unfinished, 64));
}

#[tokio::test]
async fn with_a_full_redis_sets_are_refused_and_everything_else_works() {
    let redis = TestRedis::start().await;
    let commands = redis.client().await;
    let node = Node::redis(&redis).await;
    let mut client = Client::connect(node.port, "one").await;
    for n in 1..=2 {
        assert_eq!(client.set(&id(n), b"before").await, SET);
    }
    commands.config_set("maxmemory", "1".to_owned()).await.unwrap();
    for length in [10, 50_000, 100_000] {
        assert_eq!(client.set(&id(9), &vec![7; length]).await, NOT_EXISTS);
    }
    assert!(node.process.log().contains("redis is full: its maxmemory is reached"));
    assert_eq!(client.get(&id(1)).await, b"before");
    assert_eq!(client.delete(&id(2)).await, DELETED);
    let waiting = client.send_get(&id(3)).await;
    let copy = client.send_duplicate(&id(3), &id(1)).await;
    assert_eq!(client.receive_response_to(waiting).await.payload, b"before");
    assert_eq!(client.receive_response_to(copy).await.kind, DUPLICATED);
    commands.config_set("maxmemory", "0".to_owned()).await.unwrap();
    assert_eq!(client.set(&id(9), b"after").await, SET);
    assert_eq!(client.totals().await[..3], [3, 2, 11]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_notification_delays_a_response_but_does_not_lose_it() {
    let redis = TestRedis::start().await;
    let (here, there) = (Node::redis(&redis).await, Node::redis(&redis).await);
    let mut waiting = Client::connect(here.port, "waiting").await;
    waiting.send_get(&id(1)).await;
    eventually("it waits", async || here.info("pending_request_count").await == 1).await;
    // Redis loses the list of waiting requests, as in a failover.
    let commands = redis.client().await;
    commands.del::<(), _>(format!("scaler:obj:_meta:wait:{}", id(1))).await.unwrap();
    let began = Instant::now();
    Client::connect(there.port, "storing").await.set(&id(1), b"x").await;
    assert_eq!(waiting.receive().await.payload, b"x");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_is_not_affected_by_a_later_write_of_its_client_while_its_content_is_read() {
    let redis = SharedRedis::start().await;
    let (one, two) = (redis.node().await, redis.node().await);
    let (mut client, mut other) =
        (Client::connect(one.port, "one").await, Client::connect(two.port, "two").await);
    for n in 0..40 {
        // Of medium length: removed at once with its last id. Only the other node has it in its cache.
        let data = vec![n as u8; 20_000 + n as usize];
        other.set(&id(n), &data).await;
        let (mut bytes, get) = client.encode_request(RequestKind::Get, &id(n), u64::MAX, None);
        let (write, request_id) = match n % 2 {
            0 => client.encode_request(RequestKind::Delete, &id(n), 0, None),
            _ => client.encode_request(RequestKind::Set, &id(n), 5, Some(b"later")),
        };
        bytes.extend_from_slice(&write);
        client.stream.write_all(&bytes).await.unwrap();
        assert!(client.receive_response_to(get).await.payload == data, "object {n}");
        client.receive_response_to(request_id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_that_is_sent_again_is_not_affected_by_a_later_write_of_its_client() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let one = Node::redis_with(&format!("redis://127.0.0.1:{}", proxy.port()), &[]).await;
    let two = Node::redis(&redis).await;
    let (mut client, mut other) =
        (Client::connect(one.port, "one").await, Client::connect(two.port, "two").await);
    client.set(&id(1), b"before").await;
    // A client of the other node waits to duplicate object 2 as object 1.
    let copy = other.send_duplicate(&id(1), &id(2)).await;
    eventually("it waits", async || two.info("pending_request_count").await == 1).await;
    proxy.stall();
    let get = client.send_get(&id(1)).await;
    // So that get and set are in different batches.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let set = client.send_set(&id(2), b"after").await;
    tokio::time::sleep(OUTAGE).await;
    proxy.restore();
    assert_eq!(client.receive_response_to(get).await.payload, b"before");
    assert_eq!(client.receive_response_to(set).await.kind, SET);
    assert_eq!(other.receive_response_to(copy).await.kind, DUPLICATED);
    assert_eq!(client.get(&id(1)).await, b"after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_still_sends_the_responses_that_redis_owes_it() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let mut node = Node::redis_with(&format!("redis://127.0.0.1:{}", proxy.port()), &[]).await;
    let mut client = Client::connect(node.port, "one").await;
    proxy.stall();
    let set = client.send_set(&id(1), b"under way").await;
    assert!(client.receives_nothing().await);
    node.process.signal("TERM").await;
    eventually("it drains", async || node.process.log().contains("draining")).await;
    assert!(client.receives_nothing().await);
    assert!(client.receives_nothing().await);
    proxy.restore();
    assert_eq!(client.receive_response_to(set).await.kind, SET);
    assert_eq!(node.process.wait_for_exit().await, 0);
}
