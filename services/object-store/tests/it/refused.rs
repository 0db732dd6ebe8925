//! Objects that were refused or lost: nobody waits for them.

use std::time::Duration;

use fred::interfaces::{ConfigInterface, KeysInterface};
use test_support::{TestRedis, eventually};
use tokio::time::timeout;

use crate::client::{Client, DELETED, DUPLICATED, NOT_EXISTS, Node, SET, id};
use crate::shared_redis::SharedRedis;

const ONE_MIB: [(&str, &str); 1] = [("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "1")];
/// Far shorter than the time between two checks of all waiting requests.
const AT_ONCE: Duration = Duration::from_millis(900);

/// Receives the kinds of some responses, in the order of their requests.
async fn kinds(client: &mut Client, count: usize) -> Vec<u16> {
    let mut received = Vec::new();
    for _ in 0..count {
        received.push(client.receive().await);
    }
    received.sort_by_key(|response| response.request_id);
    received.iter().map(|response| response.kind).collect()
}

/// Clients of `there` wait for an object, or ask for it later, whose set `here` refuses.
async fn nobody_waits_for_a_refused_object(here: &Node, there: &Node) {
    let mut storing = Client::connect(here.port, "storing").await;
    let mut waiting = Client::connect(there.port, "waiting").await;
    waiting.send_get(&id(1)).await;
    waiting.send_duplicate(&id(2), &id(1)).await;
    waiting.send_get(&id(2)).await;
    eventually("all wait", async || there.info("pending_request_count").await == 3).await;
    assert_eq!(storing.set(&id(1), &vec![1; 2 << 20]).await, NOT_EXISTS);
    let told = timeout(AT_ONCE, kinds(&mut waiting, 3)).await.expect("who waited is told at once");
    assert_eq!(told, [NOT_EXISTS; 3]);

    // Who asks later is told too, also by way of duplicates.
    waiting.send_get(&id(1)).await;
    waiting.send_duplicate(&id(3), &id(1)).await;
    assert_eq!(kinds(&mut waiting, 2).await, [NOT_EXISTS; 2]);
    waiting.send_get(&id(3)).await;
    assert_eq!(kinds(&mut waiting, 1).await, [NOT_EXISTS]);
    let log = here.process.log();
    let line = log.lines().find(|line| line.contains("WARN") && line.contains(&id(1).to_string())).unwrap();
    assert!(line.contains("2097152") && line.contains("OBJECT_STORE_MAX_OBJECT_SIZE_MB"), "{line}");

    // It ends when the object is stored. After that one waits as ever.
    for n in 1..=3 {
        assert_eq!(storing.set(&id(n), b"shorter").await, SET);
        assert_eq!(waiting.get(&id(n)).await, b"shorter");
        assert_eq!(storing.delete(&id(n)).await, DELETED);
        waiting.send_get(&id(n)).await;
        assert!(waiting.receives_nothing().await);
    }
    for n in 1..=3 {
        storing.set(&id(n), b"again").await;
        assert_eq!(waiting.receive().await.payload, b"again");
    }
    // What exists stays, and is what others get.
    assert_eq!(storing.set(&id(1), &vec![1; 2 << 20]).await, NOT_EXISTS);
    assert_eq!(waiting.get(&id(1)).await, b"again");
    assert_eq!(waiting.duplicate(&id(4), &id(1)).await, DUPLICATED);
}

#[tokio::test]
async fn nobody_waits_for_an_object_that_memory_refused() {
    let node = Node::memory(&ONE_MIB).await;
    nobody_waits_for_a_refused_object(&node, &node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_an_object_that_another_node_refused() {
    let redis = SharedRedis::start().await;
    let (here, there) =
        (Node::redis_with(&redis.url(), &ONE_MIB).await, Node::redis_with(&redis.url(), &ONE_MIB).await);
    nobody_waits_for_a_refused_object(&here, &there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_an_object_that_a_full_store_refused() {
    let redis = TestRedis::start().await;
    let memory = Node::memory(&[("OBJECT_STORE_MAX_MEMORY", "1KB")]).await;
    let on_redis = Node::redis(&redis).await;
    redis.client().await.config_set("maxmemory", "1".to_owned()).await.unwrap();
    for node in [&memory, &on_redis] {
        let mut storing = Client::connect(node.port, "storing").await;
        let mut waiting = Client::connect(node.port, "waiting").await;
        for (n, length) in [(1, 2_000), (2, 30_000), (3, 3_000_000)] {
            waiting.send_get(&id(n)).await;
            eventually("it waits", async || node.info("pending_request_count").await == 1).await;
            assert_eq!(storing.set(&id(n), &vec![1; length]).await, NOT_EXISTS);
            assert_eq!(kinds(&mut waiting, 1).await, [NOT_EXISTS]);
            waiting.send_get(&id(n)).await;
            assert_eq!(kinds(&mut waiting, 1).await, [NOT_EXISTS]);
            assert!(node.process.log().contains(&format!("refused object {} of {length} bytes", id(n))));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_which_redis_evicted_a_part_is_lost_and_said_to_be() {
    let redis = TestRedis::start().await;
    let (here, there) = (Node::redis(&redis).await, Node::redis(&redis).await);
    let commands = redis.client().await;
    let mut one = Client::connect(here.port, "one").await;
    let mut two = Client::connect(there.port, "two").await;
    for (n, length) in [(1, 100), (2, 30_000), (3, 3_500_000)] {
        assert_eq!(one.set(&id(n), &vec![n as u8; length]).await, SET);
        let pattern = if length > 8192 { "scaler:obj:_meta:chunk:*" } else { "scaler:obj:_meta:content:*" };
        let (_, keys): (String, Vec<bytes::Bytes>) =
            commands.scan_page("0", pattern, Some(100_000), None).await.unwrap();
        commands.unlink::<(), _>(keys[0].clone()).await.unwrap();
        let get = two.send_get(&id(n)).await;
        assert_eq!(two.receive_response_to(get).await.kind, NOT_EXISTS);
        let get = two.send_get(&id(n)).await;
        assert_eq!(two.receive_response_to(get).await.kind, NOT_EXISTS);
        assert_eq!(there.process.log().matches(&format!("object {} is lost", id(n))).count(), 1);
        assert_eq!(two.delete(&id(n)).await, NOT_EXISTS, "the id is gone");
        assert_eq!(one.set(&id(n), b"again").await, SET);
        assert_eq!(two.get(&id(n)).await, b"again");
        assert_eq!(one.delete(&id(n)).await, DELETED);
        assert_eq!(one.totals().await[0], 0);
    }
}
