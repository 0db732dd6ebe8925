//! Events of public streams, by the ids that are inside of them. `tests/public_events/README.md` says where they are from.

use std::collections::HashMap;

use fred::interfaces::SetsInterface;
use serde_json::Value;
use serde_json::value::RawValue;
use test_support::eventually;

use super::shapes::read_hash;
use crate::support::World;

const WIKIMEDIA: &str = include_str!("../public_events/wikimedia.ndjson");
const GITHUB: &str = include_str!("../public_events/github.ndjson");

type Hashes = HashMap<String, HashMap<String, String>>;

/// What Redis must hold of these events, whose ids are at `pointer`.
fn hashes(events: &str, prefix: &str, pointer: &str) -> Hashes {
    let mut hashes = Hashes::new();
    for event in events.lines() {
        let value: Value = serde_json::from_str(event).unwrap();
        let id = value.pointer(pointer).unwrap().as_str().unwrap();
        let fields: HashMap<String, &RawValue> = serde_json::from_str(event).unwrap();
        let text = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
        let fields = fields.into_iter().map(|(name, raw)| (name, text(raw)));
        hashes.entry(format!("{prefix}:{id}")).or_default().extend(fields);
    }
    hashes
}

#[tokio::test]
async fn all_of_130_events_of_wikimedia_and_github_go_in_by_their_nested_ids() {
    let world = World::new(1).await;
    let github = world.kafka.create_unique_topic(1).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("topics.toml");
    let table = |topic: &str, template: &str, ids: &str| {
        format!("[[topic]]\nname = '{topic}'\nkey_template = '{template}'\nid_set = '{ids}'\n")
    };
    let tables =
        table(&world.topic, "event:{meta.id}", "events") + &table(&github, "user:{actor.login}", "users");
    std::fs::write(&file, tables).unwrap();
    for (topic, events) in [(&world.topic, WIKIMEDIA), (&github, GITHUB)] {
        events.lines().for_each(|event| world.kafka.enqueue(topic, 0, None, Some(event.as_bytes())));
    }
    world.kafka.flush();
    let vars = [("KAFKA_TOPIC", ""), ("INGEST_CONFIG", file.to_str().unwrap())];
    let service = world.start_ingester(&vars).await;
    eventually("all are applied", async || {
        service.metric("kafka_ingester_messages_applied_total").await == 130.0
    })
    .await;
    assert_eq!(world.count_dead_letters().await, 0);
    for (ids, hashes) in [
        ("events", hashes(WIKIMEDIA, "event", "/meta/id")),
        ("users", hashes(GITHUB, "user", "/actor/login")),
    ] {
        assert_eq!(world.client.scard::<usize, _>(ids).await.unwrap(), hashes.len());
        for (key, hash) in hashes {
            assert_eq!(read_hash(&world, &key).await, hash, "{key}");
        }
    }
}
