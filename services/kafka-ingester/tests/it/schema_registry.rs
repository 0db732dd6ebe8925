//! Messages that a schema registry framed. The registry is a stand-in: `tests/stand_in_registry.py`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::{ServiceProcess, eventually, is_full_size};

use super::dead_letters::run_command;
use super::shapes::{hash, read_hash};
use crate::support::{Registry, World, avro, framed};

const BATTERY: &str = r#"{"type":"record","name":"Battery","fields":[
    {"name":"battery_id","type":"long"},{"name":"soc","type":"int"}]}"#;
const BATTERY_2: &str = r#"{"type":"record","name":"Battery","fields":[
    {"name":"battery_id","type":"long"},{"name":"site","type":["null","string"]},{"name":"soc","type":"double"}]}"#;

fn send(world: &World, key: Option<&[u8]>, value: Option<&[u8]>) {
    world.kafka.enqueue(&world.topic, 0, key, value);
    world.kafka.flush();
}

fn battery(id: u32, soc: i32) -> Vec<u8> {
    framed(id, &avro(BATTERY, json!({"battery_id": 7, "soc": soc})))
}

async fn start(world: &World, registry: &Registry, vars: &[(&str, &str)]) -> ServiceProcess {
    let url = registry.url();
    world.start_ingester(&[&[("SCHEMA_REGISTRY_URL", &*url)], vars].concat()).await
}

async fn wait_until_paused(service: &ServiceProcess, reason: &str) {
    eventually(&format!("/ready says {reason}"), async || {
        let (status, body) = service.get("/ready").await;
        status == 503 && body.contains("schema registry: load schema ") && body.contains(reason)
    })
    .await;
}

#[tokio::test]
async fn a_schema_that_is_evolved_mid_stream_is_read_in_both_versions() {
    let (world, registry) = (World::new(1).await, Registry::start().await);
    let first = registry.add("batteries-value", BATTERY);
    let service = start(&world, &registry, &[]).await;
    let mut notifications = world.subscribe("battery:*").await;
    send(&world, None, Some(&battery(first, 81)));
    world.wait_for_field("battery:7:data", "soc", "81").await;
    let second = registry.add("batteries-value", BATTERY_2);
    for (site, soc) in [(json!("north"), 80.5), (Value::Null, 79.0)] {
        let value = json!({"battery_id": 7, "site": site, "soc": soc});
        send(&world, None, Some(&framed(second, &avro(BATTERY_2, value))));
        send(&world, None, Some(&battery(first, 78)));
    }
    world.wait_for_offset(0, 5).await;
    assert_eq!(read_hash(&world, "battery:7:data").await, hash(&[("soc", "78"), ("site", "null")]));
    for _ in 0..5 {
        assert_eq!(notifications.next().await.0, "battery:7:data");
    }
    assert_eq!((notifications.pending_count(), world.count_dead_letters().await), (0, 0));
    assert_eq!(service.get("/ready").await.0, 200);
}

/// 30 s with `KAFKA_INGESTER_TEST_FULL=1`.
#[tokio::test]
async fn a_registry_that_is_away_pauses_the_partition_and_nothing_is_lost() {
    let (world, mut registry) = (World::new(2).await, Registry::new());
    let id = registry.add("batteries-value", BATTERY);
    let service = start(&world, &registry, &[]).await;
    send(&world, None, Some(br#"{"battery_id":1,"soc":1}"#));
    (0..100).for_each(|soc| world.kafka.enqueue(&world.topic, 0, None, Some(&battery(id, soc))));
    world.kafka.flush();
    wait_until_paused(&service, &format!("from {}/: ", registry.url())).await;
    // What comes before is applied, and the other partition goes on.
    world.kafka.enqueue(&world.topic, 1, None, Some(br#"{"battery_id":2,"soc":2}"#));
    world.wait_for_offset(1, 1).await;
    assert_eq!(world.read_offset(0).await, Some(1));
    let away = Duration::from_secs(if is_full_size("KAFKA_INGESTER_TEST_FULL") { 30 } else { 2 });
    let since = Instant::now();
    eventually("it was away for long enough", async || {
        assert_eq!(service.get("/ready").await.0, 503);
        since.elapsed() >= away
    })
    .await;
    // Something else on its port that says 404, or a registry that is not well, is no reason to drop a message either.
    for (answer, reason) in [("404 <html>", "404 Not Found"), ("500 {}", "500 Internal Server Error")] {
        std::fs::write(registry.folder().join("answer"), answer).unwrap();
        if answer.starts_with("404") {
            registry.run().await;
        }
        wait_until_paused(&service, reason).await;
    }
    assert_eq!(world.read_offset(0).await, Some(1));
    std::fs::remove_file(registry.folder().join("answer")).unwrap();
    world.wait_for_offset(0, 101).await;
    world.wait_for_field("battery:7:data", "soc", "99").await;
    assert_eq!(world.count_dead_letters().await, 0);
    service.wait_until_ready().await;
    assert!(service.metric("kafka_ingester_paused_seconds_total").await >= away.as_secs_f64() - 1.0);
}

#[tokio::test]
async fn an_unknown_schema_makes_a_dead_letter_once_the_registry_says_so_and_a_replay_applies_it_later() {
    let (world, registry) = (World::new(1).await, Registry::start().await);
    let url = registry.url();
    let service = start(&world, &registry, &[]).await;
    send(&world, None, Some(&battery(1, 81)));
    send(&world, None, Some(br#"{"battery_id":1,"soc":1}"#));
    world.wait_for_offset(0, 2).await;
    let reason = "schema: schema 1 of the registry: Schema 1 not found (40403)";
    assert_eq!(world.dead_letter_reason().await, reason);
    assert_eq!(service.get("/ready").await.0, 200);
    registry.add("batteries-value", BATTERY);
    let vars = [&world.kafka_vars()[..], &[("SCHEMA_REGISTRY_URL", &*url)]].concat();
    let (code, lines, _) = run_command(&world, &["check", "--sample", "1"], &vars).await;
    assert_eq!((code, &lines[0]["set"]), (0, &json!({"soc": "81"})));
    let (code, left, _) = run_command(&world, &["dead-letters", "replay"], &vars).await;
    assert_eq!((code, left), (0, vec![]));
    world.wait_for_field("battery:7:data", "soc", "81").await;
}

#[tokio::test]
async fn bytes_that_do_not_fit_their_schema_are_dead_letters_that_name_it() {
    let (world, registry) = (World::new(1).await, Registry::start().await);
    let id = registry.add("batteries-value", BATTERY);
    let broken = registry.add("other-value", r#"{"type":"record"}"#);
    let _service = start(&world, &registry, &[]).await;
    send(&world, None, Some(&battery(id, 81)[..6]));
    send(&world, None, Some(&battery(broken, 81)));
    world.wait_for_offset(0, 2).await;
    let (_, lines, _) = run_command(&world, &["dead-letters", "list"], &[]).await;
    assert_eq!(lines[0]["reason"], "not_avro: it ends 1 bytes too early, by schema 1 of the registry");
    assert!(
        lines[1]["reason"].as_str().unwrap().starts_with("schema: schema 2 of the registry: "),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_registry_may_ask_for_a_password_and_speak_tls() {
    let (world, mut registry) = (World::new(1).await, Registry::new());
    let id = registry.add("batteries-value", BATTERY);
    let write = |name: &str, text: &str| std::fs::write(registry.folder().join(name), text).unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    write("cert.pem", &certified.cert.pem());
    write("key.pem", &certified.signing_key.serialize_pem());
    write("password", "hush");
    write("secret", "hush\n");
    registry.run().await;
    let file = |name: &str| registry.folder().join(name).to_str().unwrap().to_owned();
    let url = format!("https://localhost:{}", registry.port());
    let (ca, secret) = (file("cert.pem"), file("secret"));
    let mut vars = vec![("SCHEMA_REGISTRY_URL", &*url), ("SCHEMA_REGISTRY_USERNAME", "ann")];
    send(&world, None, Some(&battery(id, 81)));
    {
        // Its certificate is not trusted.
        let mut service = world.spawn_ingester(&vars).await;
        wait_until_paused(&service, "https://localhost").await;
        service.terminate().await;
    }
    vars.push(("SCHEMA_REGISTRY_TLS_CA", &ca));
    {
        let wrong = [&vars[..], &[("SCHEMA_REGISTRY_PASSWORD", "wrong")]].concat();
        let mut service = world.spawn_ingester(&wrong).await;
        wait_until_paused(&service, "the answer is 401 Unauthorized: wrong user or password").await;
        service.terminate().await;
    }
    vars.push(("SCHEMA_REGISTRY_PASSWORD_FILE", &secret));
    let service = world.start_ingester(&vars).await;
    world.wait_for_field("battery:7:data", "soc", "81").await;
    assert!(!service.log().contains("hush"), "{}", service.log());
}

/// As Debezium's and Kafka Connect's AvroConverter write a row's insert, update and delete with its tombstone.
#[tokio::test]
async fn a_table_of_debezium_in_avro_is_mirrored_and_keys_of_every_form_delete_its_rows() {
    let (world, registry) = (World::new(1).await, Registry::start().await);
    let row = r#"{"type":"record","name":"Value","fields":[{"name":"id","type":"int"},{"name":"name","type":"string"}]}"#;
    let envelope = format!(
        r#"{{"type":"record","name":"Envelope","namespace":"db.customers","fields":[
        {{"name":"before","type":["null",{row}],"default":null}},{{"name":"after","type":["null","Value"],"default":null}},
        {{"name":"source","type":{{"type":"record","name":"Source","fields":[{{"name":"lsn","type":["null","long"]}}]}}}},
        {{"name":"op","type":"string"}},{{"name":"ts_ms","type":["null","long"],"default":null}}]}}"#
    );
    let key =
        r#"{"type":"record","name":"Key","namespace":"db.customers","fields":[{"name":"id","type":"int"}]}"#;
    let envelope_id = registry.add("db.customers-value", &envelope);
    let key_id = registry.add("db.customers-key", key);
    let bare_id = registry.add("customers-key", r#""int""#);
    let keys = [
        framed(key_id, &avro(key, json!({"id": 1}))),
        framed(bare_id, &[2]),
        b"1".to_vec(),
        br#""1""#.to_vec(),
        br#"{"id":1}"#.to_vec(),
        br#"{"schema":{"type":"struct"},"payload":{"id":1}}"#.to_vec(),
        br#"{"schema":{"type":"int32"},"payload":1}"#.to_vec(),
        b"\x81\xa2id\x01".to_vec(),
    ];
    let event = |before: Value, after: Value, op: &str| {
        let event = json!({"before": before, "after": after, "source": {"lsn": 7}, "op": op, "ts_ms": null});
        framed(envelope_id, &avro(&envelope, event))
    };
    let (ann, bob) = (json!({"id": 1, "name": "Ann"}), json!({"id": 1, "name": "Bob"}));
    let vars = [("ENVELOPE", "debezium"), ("KEY_TEMPLATE", "customer:{id}"), ("ID_SET", "customers")];
    let mut notifications = world.subscribe("customer:*").await;
    let _service = start(&world, &registry, &vars).await;
    let mut texts = vec![];
    for (number, key) in keys.iter().enumerate() {
        let values = [
            Some(event(Value::Null, ann.clone(), "c")),
            Some(event(ann.clone(), bob.clone(), "u")),
            Some(event(bob.clone(), Value::Null, "d")),
            Some(event(Value::Null, ann.clone(), "c")),
            None,
        ];
        values.iter().for_each(|value| world.kafka.enqueue(&world.topic, 0, Some(key), value.as_deref()));
        world.wait_for_offset(0, 5 * (number as i64 + 1)).await;
        assert_eq!(read_hash(&world, "customer:1").await, hash(&[]), "{key:?}");
        texts.extend(["updates", "updates", "deleted", "updates", "deleted"]);
    }
    for text in texts {
        assert_eq!(notifications.next().await, ("customer:1".to_owned(), text.to_owned()));
    }
    send(&world, Some(&keys[0]), Some(&event(Value::Null, bob, "r")));
    world.wait_for_offset(0, 41).await;
    assert_eq!(read_hash(&world, "customer:1").await, hash(&[("name", "Bob")]));
    assert_eq!(world.count_dead_letters().await, 0);
}
