//! Several nodes on one Redis, and what they share with the original.

use std::time::{Duration, Instant};

use fred::interfaces::{ConfigInterface, HashesInterface, KeysInterface, SortedSetsInterface};
use object_store::header::Ask;
use test_support::{FlakyProxy, TestRedis, eventually};
use tokio::io::AsyncWriteExt;

use crate::client::{Client, DELETED, DUPLICATED, GOT, NOT_EXISTS, Node, OUTAGE, SET, id, size};

#[tokio::test(flavor = "multi_thread")]
async fn gets_that_wait_on_one_node_are_answered_when_another_stores() {
    let redis = TestRedis::start().await;
    let (here, there) = (Node::redis(&redis).await, Node::redis(&redis).await);
    let mut waiting = Client::connect(here.port, "waiting").await;
    let mut storing = Client::connect(there.port, "storing").await;
    let count = 10_000;
    let mut bytes = Vec::new();
    for n in 0..count {
        bytes.extend(waiting.request(Ask::Get, &id(n), u64::MAX, None).0);
    }
    waiting.stream.write_all(&bytes).await.unwrap();
    eventually("all wait", async || here.info("pending_request_count").await == count).await;
    let began = Instant::now();
    let hearing = tokio::spawn(async move {
        let mut heard = vec![false; count as usize];
        for _ in 0..count {
            let response = waiting.receive().await;
            assert_eq!((response.kind, response.payload), (GOT, response.request.to_be_bytes().to_vec()));
            assert!(!std::mem::replace(&mut heard[response.request as usize], true), "answered twice");
        }
        Instant::now()
    });
    for n in 0..count {
        assert_eq!(storing.set(&id(n), &n.to_be_bytes()).await, SET);
    }
    let stored = Instant::now();
    let heard = hearing.await.unwrap();
    eprintln!(
        "{count} sets in {:?}, the last get {:?} after it",
        stored - began,
        heard.saturating_duration_since(stored)
    );
    assert_eq!(here.info("pending_request_count").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_deleted_at_once_is_still_given_to_those_that_waited() {
    let redis = TestRedis::start().await;
    let (here, there) = (Node::redis(&redis).await, Node::redis(&redis).await);
    let mut waiting = Client::connect(here.port, "waiting").await;
    let mut storing = Client::connect(there.port, "storing").await;
    for (n, length) in [(1, 10), (2, 3 << 20)] {
        let get = waiting.send_get(&id(n)).await;
        let copy = waiting.send_duplicate(&id(n + 10), &id(n)).await;
        eventually("both wait", async || here.info("pending_request_count").await == 2).await;
        // Sent together: nobody could look in between.
        let data = vec![n as u8; length];
        let (set, _) = storing.request(Ask::Set, &id(n), length as u64, Some(&data));
        let (delete, _) = storing.request(Ask::Delete, &id(n), 0, None);
        storing.stream.write_all(&[set, delete].concat()).await.unwrap();
        assert_eq!((storing.receive().await.kind, storing.receive().await.kind), (SET, DELETED));
        let mut heard = [waiting.receive().await, waiting.receive().await];
        heard.sort_by_key(|response| response.request);
        assert_eq!(
            (heard[0].request, heard[0].kind, heard[1].request, heard[1].kind),
            (get, GOT, copy, DUPLICATED)
        );
        assert!(heard[0].payload == data);
        assert!(storing.get(&id(n + 10)).await == data);
    }
}

#[tokio::test]
async fn known_content_is_not_uploaded_again_and_goes_with_its_last_id() {
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
    // The original counts every id, with the four bytes that say how long its metadata is.
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
    let redis = TestRedis::start().await;
    let large = [("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "700")];
    let here = Node::redis_with(&redis.url(), &large).await;
    let there = Node::redis_with(&redis.url(), &large).await;
    // In full it is more than the 512 MB that Redis takes as one string.
    let length = size(20 << 20, 600 << 20);
    let mut data = vec![7; length];
    for (n, chunk) in data.chunks_mut(1 << 20).enumerate() {
        chunk[..8].copy_from_slice(&n.to_le_bytes());
    }
    assert_eq!(Client::connect(here.port, "one").await.set(&id(1), &data).await, SET);
    assert!(Client::connect(there.port, "two").await.get(&id(1)).await == data);
}

/// As the original's `_serialize`: length of the metadata (u32, little-endian), metadata, data.
fn original(metadata: &[u8], data: &[u8]) -> Vec<u8> {
    [&(metadata.len() as u32).to_le_bytes(), metadata, data].concat()
}

#[tokio::test]
async fn objects_of_the_original_are_read_copied_counted_and_removed() {
    let redis = TestRedis::start().await;
    let node = Node::redis(&redis).await;
    let commands = redis.client().await;
    let mut client = Client::connect(node.port, "one").await;
    let large: Vec<u8> = (0..2_500_000_u32).map(|n| (n % 249) as u8).collect();
    for (n, metadata, data) in [(1, b"".as_slice(), b"plain".as_slice()), (2, b"notes", &large)] {
        let value = original(metadata, data);
        let key = format!("scaler:obj:{}", id(n));
        commands.set::<(), _, _>(key, value.as_slice(), None, None, false).await.unwrap();
        commands.incr_by::<(), _>("scaler:obj:_meta:total_size", value.len() as i64).await.unwrap();
    }
    assert_eq!(client.get(&id(1)).await, b"plain");
    assert!(client.get(&id(2)).await == large);
    let request = client.send(Ask::Get, &id(2), 7, None).await;
    assert_eq!(client.answer(request).await.payload, large[..7]);
    assert_eq!(node.info("object_count").await, 2);
    assert_eq!(node.info("total_size_bytes").await, 9 + 9 + 2_500_000);
    assert_eq!(client.duplicate(&id(3), &id(2)).await, DUPLICATED);
    assert_eq!(client.delete(&id(2)).await, DELETED);
    assert_eq!(client.delete(&id(2)).await, NOT_EXISTS);
    assert!(client.get(&id(3)).await == large);
    assert_eq!(client.set(&id(1), b"ours").await, SET);
    assert_eq!(client.get(&id(1)).await, b"ours");
    assert_eq!(node.info("total_size_bytes").await, (4 + 4) + (9 + 2_500_000));

    // One that the original stores while we wait for it, of which nobody tells.
    let waiting = client.send_get(&id(9)).await;
    assert!(client.hears_nothing().await);
    commands
        .set::<(), _, _>(
            format!("scaler:obj:{}", id(9)),
            original(b"", b"late").as_slice(),
            None,
            None,
            false,
        )
        .await
        .unwrap();
    assert_eq!(client.answer(waiting).await.payload, b"late");
}

#[tokio::test]
async fn an_upload_that_is_not_finished_is_refused_and_goes_by_itself() {
    let redis = TestRedis::start().await;
    let commands = redis.client().await;
    let node = Node::redis(&redis).await;
    let mut client = Client::connect(node.port, "one").await;
    // Chunks that will expire, and those that will not.
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
    let room = async |bytes: &str| commands.config_set("maxmemory", bytes.to_owned()).await.unwrap();
    room("24mb").await;
    assert_eq!(client.set(&id(1), &data).await, NOT_EXISTS);
    let (unfinished, finished) = chunks().await;
    assert!((1..64).contains(&unfinished) && finished == 0, "{unfinished} and {finished}");
    room("0").await;
    assert_eq!(client.set(&id(1), &data).await, SET);
    assert_eq!(chunks().await, (unfinished, 64));
}

#[tokio::test]
async fn a_full_redis_refuses_sets_and_does_all_else() {
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
    assert_eq!(client.get(&id(1)).await, b"before");
    assert_eq!(client.delete(&id(2)).await, DELETED);
    let waiting = client.send_get(&id(3)).await;
    let copy = client.send_duplicate(&id(3), &id(1)).await;
    assert_eq!(client.answer(waiting).await.payload, b"before");
    assert_eq!(client.answer(copy).await.kind, DUPLICATED);
    commands.config_set("maxmemory", "0".to_owned()).await.unwrap();
    assert_eq!(client.set(&id(9), b"after").await, SET);
    assert_eq!(client.totals().await[..3], [3, 2, 11]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_message_delays_an_answer_but_does_not_lose_it() {
    let redis = TestRedis::start().await;
    let (here, there) = (Node::redis(&redis).await, Node::redis(&redis).await);
    let mut waiting = Client::connect(here.port, "waiting").await;
    waiting.send_get(&id(1)).await;
    eventually("it waits", async || here.info("pending_request_count").await == 1).await;
    // Redis forgets who waits, as when it failed over.
    let commands = redis.client().await;
    commands.del::<(), _>(format!("scaler:obj:_meta:wait:{}", id(1))).await.unwrap();
    let began = Instant::now();
    Client::connect(there.port, "storing").await.set(&id(1), b"x").await;
    assert_eq!(waiting.receive().await.payload, b"x");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_does_not_find_what_its_client_did_after_it_while_its_content_was_read() {
    let redis = TestRedis::start().await;
    let (one, two) = (Node::redis(&redis).await, Node::redis(&redis).await);
    let (mut client, mut other) =
        (Client::connect(one.port, "one").await, Client::connect(two.port, "two").await);
    for n in 0..40 {
        // Of middle length: it goes with its last id, at once. Only the other node has it in its cache.
        let data = vec![n as u8; 20_000 + n as usize];
        other.set(&id(n), &data).await;
        let (mut bytes, get) = client.request(Ask::Get, &id(n), u64::MAX, None);
        let (change, request) = match n % 2 {
            0 => client.request(Ask::Delete, &id(n), 0, None),
            _ => client.request(Ask::Set, &id(n), 5, Some(b"later")),
        };
        bytes.extend_from_slice(&change);
        client.stream.write_all(&bytes).await.unwrap();
        assert!(client.answer(get).await.payload == data, "object {n}");
        client.answer(request).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_that_is_sent_again_does_not_find_what_its_client_did_after_it() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let one = Node::redis_with(&format!("redis://127.0.0.1:{}", proxy.port()), &[]).await;
    let two = Node::redis(&redis).await;
    let (mut client, mut other) =
        (Client::connect(one.port, "one").await, Client::connect(two.port, "two").await);
    client.set(&id(1), b"before").await;
    // Another client, on another node, makes of what is stored at 2 what is at 1.
    let copy = other.send_duplicate(&id(1), &id(2)).await;
    eventually("it waits", async || two.info("pending_request_count").await == 1).await;
    proxy.stall();
    let get = client.send_get(&id(1)).await;
    // So that each goes in a batch of its own.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let set = client.send_set(&id(2), b"after").await;
    tokio::time::sleep(OUTAGE).await;
    proxy.restore();
    assert_eq!(client.answer(get).await.payload, b"before");
    assert_eq!(client.answer(set).await.kind, SET);
    assert_eq!(other.answer(copy).await.kind, DUPLICATED);
    assert_eq!(client.get(&id(1)).await, b"after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_answers_what_redis_is_still_doing() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let mut node = Node::redis_with(&format!("redis://127.0.0.1:{}", proxy.port()), &[]).await;
    let mut client = Client::connect(node.port, "one").await;
    proxy.stall();
    let set = client.send_set(&id(1), b"under way").await;
    assert!(client.hears_nothing().await);
    node.process.signal("TERM").await;
    eventually("it drains", async || node.process.log().contains("draining")).await;
    assert!(client.hears_nothing().await);
    assert!(client.hears_nothing().await);
    proxy.restore();
    assert_eq!(client.answer(set).await.kind, SET);
    assert_eq!(node.process.wait_for_exit().await, 0);
}
