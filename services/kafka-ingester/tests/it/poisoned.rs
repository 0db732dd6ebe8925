//! One poisoned value stops no neighbour: a wrong type in the place of each key, and garbage in each collection.

use fred::clients::Client;
use fred::interfaces::{
    ClientLike, HashesInterface, KeysInterface, ListInterface, SetsInterface, SortedSetsInterface,
    StreamsInterface,
};
use futures_util::future::join_all;
use test_support::{ServiceProcess, eventually};

use super::dead_letters::run_command;
use crate::support::{DEAD_LETTERS, World};

const TYPES: [&str; 6] = ["string", "hash", "list", "set", "zset", "stream"];
const LEASE: &str = "kafka-ingester:dead-letters:forwarder";

/// Puts a value of another type in the place of a key. What was there is at `saved` meanwhile.
async fn poison(client: &Client, key: &str, kind: &str) {
    if client.exists::<bool, _>(key).await.unwrap() {
        client.rename::<(), _, _>(key, "saved").await.unwrap();
    }
    match kind {
        "string" => client.set::<(), _, _>(key, "poison", None, None, false).await,
        "hash" => client.hset::<(), _, _>(key, ("poison", "x")).await,
        "list" => client.rpush::<(), _, _>(key, "poison").await,
        "set" => client.sadd::<(), _, _>(key, "poison").await,
        "zset" => client.zadd::<(), _, _>(key, None, None, false, false, (1.0, "poison")).await,
        _ => client.xadd::<(), _, _, _, _>(key, false, None, "*", ("poison", "x")).await,
    }
    .unwrap();
}

async fn restore(client: &Client, key: &str) {
    client.del::<(), _>(key).await.unwrap();
    if client.exists::<bool, _>("saved").await.unwrap() {
        client.rename::<(), _, _>("saved", key).await.unwrap();
    }
}

/// A topic that is read beside the world's own, and the ingester.
struct Neighbours {
    world: World,
    other_topic: String,
    service: ServiceProcess,
    sent: i64,
}

impl Neighbours {
    async fn start(vars: &[(&str, &str)]) -> Self {
        let world = World::new(1).await;
        let other_topic = world.kafka.create_unique_topic(1).await;
        let topics = format!("{},{other_topic}", world.topic);
        let service = world.start_ingester(&[&[("KAFKA_TOPIC", &*topics)], vars].concat()).await;
        Self { world, other_topic, service, sent: 0 }
    }

    /// The neighbour, a message of the other topic, is applied.
    async fn expect_neighbour(&mut self) {
        self.sent += 1;
        let json = format!(r#"{{"battery_id":"neighbour","n":{}}}"#, self.sent);
        self.world.kafka.send(&self.other_topic, &json);
        self.world.wait_for_field("battery:neighbour:data", "n", &self.sent.to_string()).await;
    }

    async fn expect_red(&self, reason: &str) {
        eventually(reason, async || {
            let (status, body) = self.service.get("/ready").await;
            status == 503 && body.contains(reason)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_key_has_another_type_costs_only_itself() {
    let world = World::new(1).await;
    let _service = world.start_ingester(&[]).await;
    let wrong: Vec<&str> = TYPES.into_iter().filter(|kind| *kind != "hash").collect();
    for kind in &wrong {
        poison(&world.client, &format!("battery:{kind}:data"), kind).await;
        for id in [*kind, "neighbour"] {
            let json = format!(r#"{{"battery_id":"{id}","v":"{kind}"}}"#);
            world.kafka.enqueue(&world.topic, 0, None, Some(json.as_bytes()));
        }
    }
    let long = "x".repeat(500_000);
    world.send(&format!(r#"{{"battery_id":"{long}","v":"long"}}"#));
    world.wait_for_offset(0, 2 * wrong.len() as i64 + 1).await;
    world.wait_for_field("battery:neighbour:data", "v", "stream").await;
    world.wait_for_field(&format!("battery:{long}:data"), "v", "long").await;
    assert_eq!(world.count_dead_letters().await, wrong.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_service_that_has_another_type_is_told_and_costs_no_message() {
    join_all(TYPES.map(|kind| async move {
        let mut all = Neighbours::start(&[]).await;
        let key = all.world.offsets_key(0);
        all.world.send(r#"{"battery_id":1,"v":"before"}"#);
        all.world.wait_for_offset(0, 1).await;
        if kind != "hash" {
            poison(&all.world.client, &key, kind).await;
            all.world.send(r#"{"battery_id":1,"v":"offsets"}"#);
            all.expect_red(&format!("writing: {key}: WRONGTYPE")).await;
            all.expect_neighbour().await;
            restore(&all.world.client, &key).await;
            all.world.wait_for_field("battery:1:data", "v", "offsets").await;
        }
        if kind != "set" {
            poison(&all.world.client, "info:batteries:ids", kind).await;
            all.world.send(r#"{"battery_id":1,"v":"ids"}"#);
            all.expect_red("writing: info:batteries:ids: WRONGTYPE").await;
            restore(&all.world.client, "info:batteries:ids").await;
            all.world.wait_for_field("battery:1:data", "v", "ids").await;
        }
        if kind != "stream" {
            poison(&all.world.client, DEAD_LETTERS, kind).await;
            all.world.send("bad");
            all.expect_red(&format!("writing: {DEAD_LETTERS}: WRONGTYPE")).await;
            all.expect_neighbour().await;
            restore(&all.world.client, DEAD_LETTERS).await;
            eventually("the dead letter is there", async || all.world.count_dead_letters().await == 1).await;
        }
        all.service.wait_until_ready().await;
        assert_eq!(all.world.count_dead_letters().await, u64::from(kind != "stream"), "{kind}");
    }))
    .await;
}

#[tokio::test]
async fn an_offset_that_is_garbage_is_told_and_other_topics_go_on() {
    let mut all = Neighbours::start(&[]).await;
    all.world.send(r#"{"battery_id":1,"v":1}"#);
    all.world.wait_for_offset(0, 1).await;
    let key = all.world.offsets_key(0);
    for garbage in ["garbage", "-1", "1e3", "99999999999999999999"] {
        all.world.client.hset::<(), _, _>(&key, ("0", garbage)).await.unwrap();
        all.expect_red(&format!("writing: {key}: ")).await;
        all.expect_neighbour().await;
        all.world.client.hset::<(), _, _>(&key, ("0", "1")).await.unwrap();
        all.service.wait_until_ready().await;
    }
    // The other fields are counters, and the owner's epoch.
    for field in ["0:applied", "0:dead", "0:bad", "0:epoch", "0:topic", "x"] {
        all.world.client.hset::<(), _, _>(&key, (field, "garbage")).await.unwrap();
        all.world.send(&format!(r#"{{"battery_id":1,"v":"{field}"}}"#));
        all.world.wait_for_field("battery:1:data", "v", field).await;
    }
    assert_eq!(all.world.count_dead_letters().await, 0);
}

#[tokio::test]
async fn garbage_among_the_dead_letters_holds_up_neither_the_commands_nor_the_forwarder() {
    let world = World::new(1).await;
    let entry = bytes::Bytes::from_static(b"\xff\xfe");
    world
        .client
        .xadd::<(), _, _, _, _>(DEAD_LETTERS, false, None, "*", ("name", entry.clone()))
        .await
        .unwrap();
    let xadd = fred::cmd!("XADD");
    let args: Vec<bytes::Bytes> = vec![DEAD_LETTERS.into(), "*".into(), entry.clone(), entry];
    world.client.custom::<(), _>(xadd, args).await.unwrap();
    let (code, lines, error) = run_command(&world, &["dead-letters", "list"], &[]).await;
    assert_eq!((code, lines.len()), (0, 2), "{error}");
    let (code, left, error) = run_command(&world, &["dead-letters", "replay"], &[]).await;
    assert_eq!((code, left.len()), (0, 2), "{error}");
    let dead = world.kafka.create_unique_topic(1).await;
    let _service = world.start_ingester(&[("DEAD_LETTERS_TOPIC", &dead)]).await;
    world.send("bad");
    eventually("all three are forwarded", async || world.kafka.log_end(&dead, 0) == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_of_another_type_is_told_and_messages_are_applied_meanwhile() {
    let world = World::new(1).await;
    let dead = world.kafka.create_unique_topic(1).await;
    for (forwarded, kind) in (1..).zip(TYPES) {
        poison(&world.client, LEASE, kind).await;
        let mut service = world.spawn_ingester(&[("DEAD_LETTERS_TOPIC", &dead)]).await;
        // A lease without an end is nobody's, so it is taken.
        if kind != "string" {
            eventually("/ready says so", async || {
                let told = format!("dead letters: cannot forward dead letters to {dead}: {LEASE}: WRONGTYPE");
                service.get("/ready").await.1.contains(&told)
            })
            .await;
            world.send(&format!(r#"{{"battery_id":1,"v":"{kind}"}}"#));
            world.wait_for_field("battery:1:data", "v", kind).await;
            world.client.del::<(), _>(LEASE).await.unwrap();
        }
        world.send("bad");
        eventually("the dead letter is forwarded", async || world.kafka.log_end(&dead, 0) == forwarded).await;
        service.wait_until_ready().await;
        assert!(service.log().matches("dead letters is not ready").count() <= 2, "{}", service.log());
        service.terminate().await;
        world.client.del::<(), _>(LEASE).await.unwrap();
    }
}
