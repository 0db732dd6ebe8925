use std::collections::HashMap;

use fred::interfaces::{HashesInterface, KeysInterface, SetsInterface, StreamsInterface};
use test_support::eventually;

use crate::support::World;

#[tokio::test]
async fn nulls_and_tombstones_delete_fields_and_keys() {
    let world = World::new(1).await;
    let mut notifications = world.subscribe("battery:*").await;
    let _service =
        world.start_ingester(&[("NULLS", "delete"), ("TOMBSTONES", "delete"), ("NOTIFY", "fields")]).await;
    world.kafka.enqueue(&world.topic, 0, Some(b"1"), Some(br#"{"battery_id":1,"a":1,"b":{"c": 2}}"#));
    world.kafka.enqueue(&world.topic, 0, Some(b"1"), Some(br#"{"battery_id":1,"a":null}"#));
    world.kafka.enqueue(&world.topic, 0, Some(b"2"), Some(br#"{"battery_id":2,"a":1}"#));
    world.kafka.enqueue(&world.topic, 0, Some(b"2"), None);
    world.kafka.enqueue(&world.topic, 0, Some(b"3"), Some(br#"{"battery_id":3,"a":1}"#));
    world.kafka.enqueue(&world.topic, 0, Some(b"3"), None);
    world.kafka.enqueue(&world.topic, 0, Some(b"3"), Some(br#"{"battery_id":3,"b":1}"#));
    world.wait_for_offset(0, 7).await;
    let hash = async |key| world.client.hgetall::<HashMap<String, String>, _>(key).await.unwrap();
    assert_eq!(hash("battery:1:data").await, HashMap::from([("b".to_owned(), r#"{"c":2}"#.to_owned())]));
    assert!(hash("battery:2:data").await.is_empty());
    assert_eq!(hash("battery:3:data").await, HashMap::from([("b".to_owned(), "1".to_owned())]));
    assert_eq!(world.read_ids().await, ["1", "3"]);
    let expected = [r#"{"a":1,"b":{"c":2}}"#, "{}", r#"{"a":1}"#, "null", r#"{"a":1}"#, "null", r#"{"b":1}"#];
    for text in expected {
        assert_eq!(notifications.next().await.1, text);
    }
}

#[tokio::test]
async fn a_key_may_be_a_json_string_that_expires() {
    let world = World::new(1).await;
    let vars = [
        ("KEY_FIELD", "device"),
        ("KEY_TEMPLATE", "device/{device}"),
        ("ID_SET", "none"),
        ("STORE_AS", "json"),
        ("KEY_TTL", "1h"),
        ("NOTIFY_TEXT", "changed"),
    ];
    let mut notifications = world.subscribe("device/*").await;
    let _service = world.start_ingester(&vars).await;
    world.send(r#"{ "t": 1.50, "device": "x", "o": [ 1 ] }"#);
    assert_eq!(notifications.next().await, ("device/x".to_owned(), "changed".to_owned()));
    assert_eq!(world.client.get::<String, _>("device/x").await.unwrap(), r#"{"t":1.50,"o":[1]}"#);
    let ttl: i64 = world.client.pttl("device/x").await.unwrap();
    assert!((3_500_000..=3_600_000).contains(&ttl), "{ttl}");
    assert_eq!(world.client.scard::<u64, _>("info:batteries:ids").await.unwrap(), 0);
}

#[tokio::test]
async fn a_key_may_be_a_stream_of_flattened_messages_from_several_topics() {
    let mut world = World::new(1).await;
    let first = world.topic.clone();
    let second = world.kafka.create_unique_topic(1).await;
    world.topic = format!("{first}, {second}");
    let vars = [("STORE_AS", "stream"), ("NESTED", "flatten"), ("NOTIFY", "none")];
    let mut notifications = world.subscribe("*").await;
    let _service = world.start_ingester(&vars).await;
    world.kafka.send(&first, r#"{"battery_id":1,"cell":{"t":2.0}}"#);
    world.kafka.send(&second, r#"{"battery_id":1,"a":1}"#);
    world.kafka.send(&second, r#"{"battery_id":1}"#);
    eventually("both topics are in the stream", async || {
        world.client.xlen::<u64, _>("battery:1:data").await.unwrap() == 2
    })
    .await;
    let entries: Vec<(String, HashMap<String, String>)> =
        world.client.xrange("battery:1:data", "-", "+", None).await.unwrap();
    let mut fields: Vec<_> = entries.into_iter().flat_map(|(_, fields)| fields).collect();
    fields.sort();
    assert_eq!(fields, [("a".to_owned(), "1".to_owned()), ("cell.t".to_owned(), "2.0".to_owned())]);
    assert_eq!(notifications.pending_count(), 0);
    let _ = &mut notifications;
}
