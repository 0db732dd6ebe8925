use std::collections::HashMap;

use fred::interfaces::{HashesInterface, SetsInterface};
use test_support::eventually;

use crate::support::World;

#[tokio::test]
async fn a_message_becomes_an_id_a_hash_and_a_notification() {
    let world = World::new(1).await;
    let mut notifications = world.subscribe("battery:7:data").await;
    let service = world.start_ingester(&[]).await;

    world.send(r#"{"battery_id": 7, "soc": 81, "voltage": 402.50, "big": 12345678901234567890123, "name": "A \"7\"", "on": true, "off": null, "cells": [ 1, {"t": 2.0} ]}"#);
    assert_eq!(notifications.next().await, ("battery:7:data".to_owned(), "updates".to_owned()));
    let hash: HashMap<String, String> = world.client.hgetall("battery:7:data").await.unwrap();
    let expected = [
        ("soc", "81"),
        ("voltage", "402.50"),
        ("big", "12345678901234567890123"),
        ("name", "A \"7\""),
        ("on", "true"),
        ("off", "null"),
        ("cells", r#"[1,{"t":2.0}]"#),
    ];
    assert_eq!(hash, expected.map(|(field, value)| (field.to_owned(), value.to_owned())).into());
    assert_eq!(world.read_ids().await, ["7"]);

    world.send(r#"{"battery_id": "7", "soc": 80}"#);
    notifications.next().await;
    assert_eq!(world.read_field("battery:7:data", "soc").await.unwrap(), "80");
    assert_eq!(world.read_field("battery:7:data", "voltage").await.unwrap(), "402.50");

    world.send(r#"{"battery_id": 7}"#);
    notifications.next().await;
    assert_eq!(world.client.hlen::<u64, _>("battery:7:data").await.unwrap(), 7);
    eventually("three are counted", async || {
        service.metric("kafka_ingester_messages_applied_total").await == 3.0
    })
    .await;
}

#[tokio::test]
async fn a_message_with_only_its_key_field_adds_the_id_and_notifies() {
    let world = World::new(1).await;
    let mut notifications = world.subscribe("battery:x y:data").await;
    let _service = world.start_ingester(&[]).await;
    world.send(r#"{"battery_id": "x y"}"#);
    notifications.next().await;
    assert!(world.client.sismember::<bool, _, _>("info:batteries:ids", "x y").await.unwrap());
    assert_eq!(world.client.hlen::<u64, _>("battery:x y:data").await.unwrap(), 0);
}

#[tokio::test]
async fn a_megabyte_of_fields_is_applied_whole() {
    let world = World::new(1).await;
    let _service = world.start_ingester(&[]).await;
    let fields: String = (0..65_000).map(|field| format!(r#","f{field}":{field}"#)).collect();
    let message = format!(r#"{{"battery_id":1{fields}}}"#);
    assert!((950_000..1_000_000).contains(&message.len()), "{}", message.len());
    world.send(&message);
    world.wait_for_offset(0, 1).await;
    assert_eq!(world.client.hlen::<u64, _>("battery:1:data").await.unwrap(), 65_000);
    assert_eq!(world.read_field("battery:1:data", "f64999").await.unwrap(), "64999");
}

#[tokio::test]
async fn a_subscriber_that_reads_the_hash_never_sees_an_older_value() {
    let world = World::new(3).await;
    let mut notifications = world.subscribe("battery:*").await;
    let _service = world.start_ingester(&[("BATCH_MAX", "50")]).await;
    let (keys, rounds) = (30, 100);
    for round in 1..=rounds {
        for key in 0..keys {
            let value = format!(r#"{{"battery_id":{key},"round":{round}}}"#);
            world.kafka.enqueue(&world.topic, key % 3, None, Some(value.as_bytes()));
        }
    }
    let mut seen: HashMap<String, u32> = HashMap::new();
    for _ in 0..keys as u32 * rounds {
        let key = notifications.next().await.0;
        let count = seen.entry(key.clone()).or_default();
        *count += 1;
        let round: u32 = world.client.hget(&key, "round").await.unwrap();
        assert!(round >= *count, "{key}: notification {count} found round {round}");
    }
    assert!(seen.values().all(|count| *count == rounds));
}
