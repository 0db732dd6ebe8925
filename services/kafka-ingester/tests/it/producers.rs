//! Messages of the clients that people have, with each codec and with the serializers of a schema registry. The registry is
//! the one that `SCHEMA_REGISTRY_URL` names, or a stand-in: `tests/stand_in_registry.py`.

use std::path::{Path, PathBuf};

use test_support::find_python;
use tokio::process::Command;

use super::shapes::{hash, read_hash};
use crate::support::{Registry, World, env_var, framed, report_not_run};

async fn succeed(command: &mut Command) {
    let output = command.kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A Python that has these packages.
async fn python_with(packages: &str) -> Option<PathBuf> {
    let python = find_python("kafka-ingester with the clients of Python")?;
    let import = Command::new(&python).args(["-c", &format!("import {packages}")]).output().await.unwrap();
    if !import.status.success() {
        report_not_run(&format!("clients of Python: {} lacks {packages}", python.display()));
    }
    import.status.success().then_some(python)
}

async fn produce(python: &Path, args: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/producers.py");
    succeed(Command::new(python).arg(script).args(args)).await;
}

#[tokio::test]
async fn messages_of_every_client_and_codec_are_applied() {
    let Some(python) = python_with("aiokafka, confluent_kafka, cramjam, kafka, lz4, snappy, zstandard").await
    else {
        return;
    };
    let world = World::new(1).await;
    let _service = world.start_ingester(&[]).await;
    let clients = ["aiokafka", "confluent-kafka", "kafka-python"];
    for (number, client) in clients.into_iter().enumerate() {
        produce(&python, &[client, &world.kafka.broker, &world.topic]).await;
        world.wait_for_offset(0, 5 * (number as i64 + 1)).await;
    }
    let mut ids: Vec<String> =
        clients.iter().flat_map(|client| (0..5).map(move |codec| format!("{client}-{codec}"))).collect();
    match env_var("BACKPLANE_NODE_MODULES").filter(|modules| Path::new(modules).join("kafkajs").exists()) {
        None => report_not_run("kafkajs needs BACKPLANE_NODE_MODULES, which scripts/test.sh sets"),
        Some(modules) => {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafkajs.js");
            let mut node = Command::new("node");
            node.args([script, &world.kafka.broker, &world.topic]).env("NODE_PATH", modules);
            succeed(&mut node).await;
            world.wait_for_offset(0, 17).await;
            ids.extend(["kafkajs-GZIP", "kafkajs-None"].map(str::to_owned));
        }
    }
    ids.sort();
    assert_eq!(world.read_ids().await, ids);
    assert_eq!(world.read_field("battery:aiokafka-4:data", "codec").await.as_deref(), Some("zstd"));
    assert_eq!(world.count_dead_letters().await, 0);
}

#[tokio::test]
async fn orders_of_the_serializers_for_avro_json_schema_and_protobuf_are_applied_and_deleted() {
    let Some(python) = python_with("confluent_kafka.schema_registry.avro, google.protobuf, jsonschema").await
    else {
        return;
    };
    let (world, stand_in) = (World::new(1).await, Registry::start().await);
    let url = env_var("SCHEMA_REGISTRY_URL").unwrap_or_else(|| stand_in.url());
    let vars = [
        ("SCHEMA_REGISTRY_URL", &*url),
        ("KEY_TEMPLATE", "order:{id}"),
        ("ID_SET", "orders"),
        ("TOMBSTONES", "delete"),
    ];
    let service = world.start_ingester(&vars).await;
    produce(&python, &["serializers", &world.kafka.broker, &world.topic, &url]).await;
    // The registry has no such schema.
    world.kafka.enqueue(&world.topic, 0, None, Some(&framed(999_999, b"x")));
    world.wait_for_offset(0, 7).await;
    let customer = |name: &str| format!(r#"{{"name":"{name}"}}"#);
    let (ann, bob) = (customer("Ann"), customer("Bob"));
    let avro = [("customer", &*ann), ("amount", "12.50"), ("at", "2026-11-28T12:00:00Z"), ("note", "null")];
    let protobuf = [("customer", &*bob), ("at", "1970-01-01T00:00:01Z"), ("amount", "0.0")];
    let evolved = [&avro[..], &[("site", "north")]].concat();
    assert_eq!(read_hash(&world, "order:1").await, hash(&avro));
    assert_eq!(read_hash(&world, "order:5").await, hash(&evolved));
    assert_eq!(read_hash(&world, "order:2").await, hash(&[]));
    assert_eq!(read_hash(&world, "order:3").await, hash(&[("amount", "12.5")]));
    assert_eq!(read_hash(&world, "order:4").await, hash(&protobuf));
    let reason = world.dead_letter_reason().await;
    let is_expected =
        reason.starts_with("schema: schema 999999 of the registry: ") && reason.ends_with("(40403)");
    assert!(is_expected, "{reason}");
    assert_eq!(service.get("/ready").await.0, 200);
}
