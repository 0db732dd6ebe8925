//! Messages of other formats than JSON: the README's recipes.

use serde_json::json;

use super::shapes::{hash, read_hash};
use crate::support::{World, avro};

#[tokio::test]
async fn messagepack_is_stored_as_json_would_be_without_a_setting() {
    let world = World::new(1).await;
    let _service = world.start_ingester(&[]).await;
    // {"battery_id": 7, "soc": 81, "cells": [1.5, null], "at": the second 1 of 1970}
    let value = b"\x84\xaabattery_id\x07\xa3soc\x51\xa5cells\x92\xca\x3f\xc0\x00\x00\xc0\xa2at\xd6\xff\x00\x00\x00\x01";
    world.kafka.enqueue(&world.topic, 0, None, Some(value));
    world.kafka.enqueue(&world.topic, 0, None, Some(&value[..20]));
    world.wait_for_offset(0, 2).await;
    let expected = hash(&[("soc", "81"), ("cells", "[1.5,null]"), ("at", "1970-01-01T00:00:01Z")]);
    assert_eq!(read_hash(&world, "battery:7:data").await, expected);
    assert!(world.dead_letter_reason().await.starts_with("not_msgpack: "));
}

#[tokio::test]
async fn texts_and_integers_are_a_field_or_the_key() {
    let world = World::new(1).await;
    let vars = [("VALUE_FORMAT", "text"), ("KEY_FORMAT", "integer"), ("TOMBSTONES", "delete")];
    let vars = [&vars[..], &[("KEY_TEMPLATE", "note:{key}"), ("ID_SET", "none")]].concat();
    let _service = world.start_ingester(&vars).await;
    world.kafka.enqueue(&world.topic, 0, Some(&7_i64.to_be_bytes()), Some(b"{any \"text\""));
    world.kafka.enqueue(&world.topic, 0, Some(&8_i32.to_be_bytes()), Some(b"gone"));
    world.kafka.enqueue(&world.topic, 0, Some(&8_i32.to_be_bytes()), None);
    world.kafka.enqueue(&world.topic, 0, Some(b"abc"), Some(b"x"));
    world.wait_for_offset(0, 4).await;
    assert_eq!(read_hash(&world, "note:7").await, hash(&[("value", "{any \"text\"")]));
    assert_eq!(read_hash(&world, "note:8").await, hash(&[]));
    let reason = "not_integer: 3 bytes are not 1, 2, 4 or 8, in the Kafka key";
    assert_eq!(world.dead_letter_reason().await, reason);
}

#[tokio::test]
async fn avro_is_read_by_the_schema_of_a_file() {
    let world = World::new(1).await;
    let folder = tempfile::tempdir().unwrap();
    let (path, schema) = (folder.path().join("battery.avsc"), include_str!("../battery.avsc"));
    std::fs::write(&path, schema).unwrap();
    let vars = [("VALUE_FORMAT", "avro"), ("VALUE_SCHEMA", path.to_str().unwrap())];
    let _service = world.start_ingester(&vars).await;
    let battery = json!({"battery_id": 7, "soc": 81.5, "site": "north", "cells": [1, 2], "status": "FULL"});
    world.kafka.enqueue(&world.topic, 0, None, Some(&avro(schema, battery)));
    world.kafka.enqueue(&world.topic, 0, None, Some(b"{}"));
    world.wait_for_offset(0, 2).await;
    let expected = hash(&[("soc", "81.5"), ("site", "north"), ("cells", "[1,2]"), ("status", "FULL")]);
    assert_eq!(read_hash(&world, "battery:7:data").await, expected);
    assert!(world.dead_letter_reason().await.starts_with("not_avro: "));
}
