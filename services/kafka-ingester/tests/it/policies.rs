use std::collections::HashMap;

use fred::interfaces::{
    HashesInterface, KeysInterface, SetsInterface, SortedSetsInterface, StreamsInterface,
};
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

#[tokio::test]
async fn a_sorted_set_has_the_members_with_their_scores() {
    let world = World::new(1).await;
    let vars = [
        ("KEY_TEMPLATE", "game:{game}"),
        ("ID_SET", "games"),
        ("STORE_AS", "sorted-set"),
        ("MEMBER_TEMPLATE", "{player}"),
        ("SCORE_FROM", "points"),
        ("TOMBSTONES", "delete"),
    ];
    let mut notifications = world.subscribe("game:*").await;
    let _service = world.start_ingester(&vars).await;
    let send = |player: &str, points: Option<&str>| {
        let key = format!(r#"{{"game":"go","player":"{player}"}}"#);
        let value = points.map(|points| format!(r#"{{"game":"go","player":"{player}","points":{points}}}"#));
        world.kafka.enqueue(&world.topic, 0, Some(key.as_bytes()), value.as_ref().map(String::as_bytes));
    };
    for (player, points) in [("ann", "1.5"), ("bob", "-3"), ("ann", "7"), ("eve", "true")] {
        send(player, Some(points));
    }
    send("bob", None);
    world.wait_for_offset(0, 5).await;
    let members = async || -> Vec<(String, f64)> {
        world.client.zrange("game:go", 0, -1, None, false, None, true).await.unwrap()
    };
    assert_eq!(members().await, [("ann".to_owned(), 7.0)]);
    assert_eq!(world.client.smembers::<Vec<String>, _>("games").await.unwrap(), ["go"]);
    send("ann", None);
    world.wait_for_offset(0, 6).await;
    assert_eq!(members().await, []);
    assert_eq!(world.client.scard::<u64, _>("games").await.unwrap(), 0);
    for text in ["updates", "updates", "updates", "deleted", "deleted"] {
        assert_eq!(notifications.next().await, ("game:go".to_owned(), text.to_owned()));
    }
    assert_eq!(world.count_dead_letters().await, 1);
}

#[tokio::test]
async fn a_message_says_how_long_its_key_lives_in_a_field_or_a_header() {
    let mut world = World::new(1).await;
    let in_an_hour = jiff::Timestamp::now().as_second() + 3_600;
    let vars = [("TTL_FROM", "expires"), ("TTL_UNIT", "epoch"), ("KEY_TTL", "30m")];
    let service = world.start_ingester(&vars).await;
    world.send(&format!(r#"{{"battery_id":1,"expires":{in_an_hour}}}"#));
    world.send(&format!(r#"{{"battery_id":1,"expires":{in_an_hour},"a":1}}"#));
    world.send(r#"{"battery_id":2,"a":1}"#);
    world.send(r#"{"battery_id":3,"a":1,"expires":1}"#);
    world.wait_for_offset(0, 4).await;
    let client = world.client.clone();
    let seconds = async |key: &str| client.ttl::<i64, _>(key).await.unwrap();
    assert!((3_500..=3_600).contains(&seconds("battery:1:data").await));
    assert!((1_700..=1_800).contains(&seconds("battery:2:data").await));
    assert_eq!(seconds("battery:3:data").await, -2);
    drop(service);
    "second".clone_into(&mut world.group);
    world.topic = world.kafka.create_unique_topic(1).await;
    let _service = world.start_ingester(&[("TTL_FROM", "header.ttl"), ("TTL_UNIT", "ms")]).await;
    let value = br#"{"battery_id":4,"a":1}"#;
    world.kafka.enqueue_with_header(&world.topic, 0, b"", value, ("ttl", b"7200000"));
    world.wait_for_offset(0, 1).await;
    assert!((7_100..=7_200).contains(&seconds("battery:4:data").await));
}

#[tokio::test]
async fn an_older_message_is_ignored_and_does_not_bring_back_a_deleted_key() {
    let world = World::new(1).await;
    let vars = [("NEWER_BY", "v"), ("ENVELOPE", "debezium"), ("VERSIONS_KEPT", "1h")];
    let mut notifications = world.subscribe("battery:*").await;
    let service = world.start_ingester(&vars).await;
    let write = |v: u64, a: &str| world.send(&format!(r#"{{"battery_id":1,"v":{v},"a":"{a}"}}"#));
    let delete =
        |v: u64| world.send(&format!(r#"{{"op":"d","before":{{"battery_id":1,"v":{v}}},"after":null}}"#));
    // Two numbers that are equal as floating-point numbers.
    let (old, new) = (9_007_199_254_740_992, 9_007_199_254_740_993);
    write(new, "new");
    write(old, "old");
    delete(old);
    write(new, "equal");
    world.wait_for_offset(0, 4).await;
    assert_eq!(world.read_field("battery:1:data", "a").await.unwrap(), "equal");
    let version_ttl =
        async || world.client.ttl::<i64, _>("kafka-ingester:version:battery:1:data").await.unwrap();
    assert_eq!(version_ttl().await, -1);
    delete(new);
    write(old, "late");
    world.wait_for_offset(0, 6).await;
    assert!(!world.client.exists::<bool, _>("battery:1:data").await.unwrap());
    assert_eq!(world.read_ids().await, Vec::<String>::new());
    assert!((3_500..=3_600).contains(&version_ttl().await));
    write(new + 1, "again");
    // A delete that does not know the version counts, and the version stays known.
    world.kafka.enqueue(&world.topic, 0, Some(b"1"), None);
    world.kafka.flush();
    write(new, "late");
    write(new + 2, "last");
    world.wait_for_offset(0, 10).await;
    assert_eq!(world.read_field("battery:1:data", "a").await.unwrap(), "last");
    for text in ["updates", "updates", "deleted", "updates", "deleted", "updates"] {
        assert_eq!(notifications.next().await.1, text);
    }
    assert_eq!((notifications.pending_count(), world.count_dead_letters().await), (0, 0));
    assert_eq!(service.get("/ready").await.0, 200);
}

#[tokio::test]
async fn the_records_timestamp_may_say_which_message_is_newer() {
    let world = World::new(1).await;
    let vars = [("NEWER_BY", "timestamp"), ("STORE_AS", "json"), ("TOMBSTONES", "delete"), ("KEY_TTL", "1h")];
    let _service = world.start_ingester(&vars).await;
    let send = |ms, value: Option<&[u8]>| world.kafka.enqueue_at(&world.topic, ms, b"1", value);
    send(2_000, Some(br#"{"battery_id":1,"a":1}"#));
    send(1_000, Some(br#"{"battery_id":1,"a":0}"#));
    world.wait_for_offset(0, 2).await;
    assert_eq!(world.client.get::<String, _>("battery:1:data").await.unwrap(), r#"{"a":1}"#);
    let version_ttl: i64 = world.client.ttl("kafka-ingester:version:battery:1:data").await.unwrap();
    assert!((7 * 86_400 + 3_500..=7 * 86_400 + 3_600).contains(&version_ttl), "{version_ttl}");
    send(1_500, None);
    send(3_000, None);
    send(2_500, Some(br#"{"battery_id":1,"a":2}"#));
    world.wait_for_offset(0, 5).await;
    assert!(!world.client.exists::<bool, _>("battery:1:data").await.unwrap());
}
