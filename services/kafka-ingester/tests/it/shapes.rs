//! Messages of other shapes than the contract's: the README's recipes.

use std::collections::HashMap;

use fred::interfaces::{HashesInterface, KeysInterface, ServerInterface, SetsInterface};
use serde_json::json;

use super::dead_letters::run_command;
use crate::support::World;

const TRIED: &str = " (tried as JSON, since no other format begins with the byte";

pub(crate) async fn read_hash(world: &World, key: &str) -> HashMap<String, String> {
    world.client.hgetall(key).await.unwrap()
}

pub(crate) fn hash(fields: &[(&str, &str)]) -> HashMap<String, String> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_key_is_made_of_nested_fields_the_kafka_key_headers_and_the_topic() {
    let world = World::new(2).await;
    let template = "user:{actor.login}:{key.tenant}:{header.region}:{topic}:{partition}";
    let mut notifications = world.subscribe("user:*").await;
    let _service = world.start_ingester(&[("KEY_TEMPLATE", template), ("ID_SET", "users")]).await;
    let (key, value) = (br#"{"tenant":5}"#, r#"{"actor":{"login":"ann"},"n":1}"#);
    world.kafka.enqueue_with_header(&world.topic, 1, key, value.as_bytes(), ("region", b"eu"));
    world.kafka.enqueue(&world.topic, 1, Some(key), Some(value.as_bytes()));
    world.wait_for_offset(1, 2).await;
    let id = format!("ann:5:eu:{}:1", world.topic);
    assert_eq!(notifications.next().await.0, format!("user:{id}"));
    let stored = read_hash(&world, &format!("user:{id}")).await;
    assert_eq!(stored, hash(&[("actor", r#"{"login":"ann"}"#), ("n", "1")]));
    assert_eq!(world.client.smembers::<Vec<String>, _>("users").await.unwrap(), [id]);
    // The second message has no such header.
    assert_eq!(world.count_dead_letters().await, 1);
}

#[tokio::test]
async fn a_key_field_may_be_a_path() {
    let world = World::new(1).await;
    let vars = [("KEY_FIELD", "meta.id"), ("KEY_TEMPLATE", "event:{meta.id}"), ("ID_SET", "none")];
    let _service = world.start_ingester(&vars).await;
    world.send(r#"{"meta":{"id":"a-1","dt":"2026-11-28"},"type":"edit"}"#);
    world.wait_for_field("event:a-1", "type", "edit").await;
    world.wait_for_field("event:a-1", "meta", r#"{"id":"a-1","dt":"2026-11-28"}"#).await;
}

/// As Debezium's PostgreSQL connector writes a row's insert, update and delete with its tombstone.
#[tokio::test]
async fn a_table_of_debezium_is_mirrored_with_its_deletes() {
    let world = World::new(1).await;
    let vars = [("ENVELOPE", "debezium"), ("KEY_TEMPLATE", "customer:{id}"), ("ID_SET", "customers")];
    let mut notifications = world.subscribe("customer:*").await;
    let service = world.start_ingester(&vars).await;
    let source =
        r#""source":{"connector":"postgresql","table":"customers","lsn":24023128},"ts_ms":1559033904863"#;
    let (ann, bob) = (r#"{"id":1,"name":"Ann"}"#, r#"{"id":1,"name":"Bob"}"#);
    let events = [
        format!(r#"{{"before":null,"after":{ann},{source},"op":"c"}}"#),
        format!(r#"{{"before":{ann},"after":{bob},{source},"op":"u"}}"#),
    ];
    let keys = [r#"{"id":1}"#, r#"{"schema":{"type":"struct"},"payload":{"id":1}}"#];
    let send = |key: &str, value: Option<&str>| {
        world.kafka.enqueue(&world.topic, 0, Some(key.as_bytes()), value.map(str::as_bytes));
    };
    send(keys[0], Some(&events[0]));
    send(keys[1], Some(&format!(r#"{{"schema":{{}},"payload":{}}}"#, events[1])));
    world.wait_for_offset(0, 2).await;
    assert_eq!(read_hash(&world, "customer:1").await, hash(&[("name", "Bob")]));
    for key in keys {
        send(keys[0], Some(&events[0]));
        send(key, Some(&format!(r#"{{"before":{{"id":1}},"after":null,{source},"op":"d"}}"#)));
        send(key, None);
    }
    world.wait_for_offset(0, 8).await;
    assert!(!world.client.exists::<bool, _>("customer:1").await.unwrap());
    assert_eq!(world.client.scard::<u64, _>("customers").await.unwrap(), 0);
    let texts = ["updates", "updates", "updates", "deleted", "deleted", "updates", "deleted", "deleted"];
    for text in texts {
        assert_eq!(notifications.next().await, ("customer:1".to_owned(), text.to_owned()));
    }
    assert_eq!(world.count_dead_letters().await, 0);
    assert_eq!(service.get("/ready").await.0, 200);
}

#[tokio::test]
async fn arrays_and_lines_of_objects_are_applied_whole_or_not_at_all() {
    let world = World::new(1).await;
    let mut notifications = world.subscribe("battery:*").await;
    let _service = world.start_ingester(&[]).await;
    world.send(r#"[{"battery_id":1,"a":1}, {"battery_id":2,"a":2}]"#);
    world.send("{\"battery_id\":1,\"a\":3}\n{\"battery_id\":3,\"a\":4}\n");
    world.send(r#"[{"battery_id":4,"a":1},{"a":2}]"#);
    world.send("[]");
    world.wait_for_offset(0, 4).await;
    for (id, value) in [("1", "3"), ("2", "2"), ("3", "4")] {
        assert_eq!(read_hash(&world, &format!("battery:{id}:data")).await, hash(&[("a", value)]));
    }
    assert_eq!(world.read_ids().await, ["1", "2", "3"]);
    for id in ["1", "2", "1", "3"] {
        assert_eq!(notifications.next().await.0, format!("battery:{id}:data"));
    }
    assert_eq!(notifications.pending_count(), 0);
    // With the right settings a replay applies all rows.
    let (code, lines, _) = run_command(&world, &["dead-letters", "list"], &[]).await;
    let reason = "no_key: the field battery_id is missing, in row 2";
    assert_eq!((code, lines.len(), &lines[0]["reason"]), (0, 1, &json!(reason)));
    let vars = [("KEY_TEMPLATE", "row:{a}")];
    let (_, _, summary) = run_command(&world, &["dead-letters", "replay"], &vars).await;
    assert_eq!(summary.trim(), "1 applied and removed, 0 left");
    assert_eq!(read_hash(&world, "row:1").await, hash(&[("battery_id", "4")]));
    assert!(world.client.sismember::<bool, _, _>("info:batteries:ids", "2").await.unwrap());
}

#[tokio::test]
async fn a_check_prints_what_messages_would_become_and_writes_nothing() {
    let world = World::new(1).await;
    world.send(r#"{"actor":{"login":"ann"},"n":1.50}"#);
    world.send("bad");
    world.kafka.enqueue(&world.topic, 0, Some(br#"{"actor":{"login":"bob"}}"#), None);
    world.kafka.flush();
    world.send("beyond the sample");
    let mapping = [("KEY_TEMPLATE", "user:{actor.login}"), ("TOMBSTONES", "delete")];
    let vars = [&world.kafka_vars()[..], &mapping].concat();
    let (code, lines, summary) = run_command(&world, &["check", "--sample", "3"], &vars).await;
    assert_eq!((code, summary.trim()), (0, "2 would be applied, 1 would become dead letters"));
    let topic = &world.topic;
    let expected = [
        json!({"topic": topic, "partition": 0, "offset": 0, "key": "user:ann", "id": "ann",
            "set": {"actor": r#"{"login":"ann"}"#, "n": "1.50"}}),
        json!({"topic": topic, "partition": 0, "offset": 1, "reason": format!("not_json: expected value at line 1 column 1{TRIED} 0x62)")}),
        json!({"topic": topic, "partition": 0, "offset": 2, "key": "user:bob", "id": "bob", "delete": true}),
    ];
    assert_eq!(lines, expected);
    assert_eq!(world.client.dbsize::<u64>().await.unwrap(), 0);
}
