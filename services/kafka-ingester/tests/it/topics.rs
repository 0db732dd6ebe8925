//! Several topics: patterns, and a file with what is done with each.

use fred::interfaces::KeysInterface;
use test_support::{ServiceProcess, eventually};

use crate::dead_letters::run_command;
use crate::support::{BINARY, World, unique_name};

/// A file with a mapping of `topic`, and one of all topics that begin with `prefix`.
fn ingest_config(topic: &str, prefix: &str) -> tempfile::NamedTempFile {
    let text = format!(
        "[[topic]]\nname = '{topic}'\n\n\
         [[topic]]\nname = '^{prefix}\\..*'\nkey_template = 'sensor:{{topic}}:{{id}}'\nid_set = 'sensors'\n\
         store_as = 'json'\nnotify = 'none'\n"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[tokio::test]
async fn each_topic_is_stored_as_the_file_says_and_a_new_topic_of_a_pattern_is_picked_up() {
    let world = World::new(1).await;
    let prefix = unique_name("sensors");
    let file = ingest_config(&world.topic, &prefix);
    let vars = [("KAFKA_TOPIC", ""), ("INGEST_CONFIG", file.path().to_str().unwrap())];
    let service = world.spawn_ingester(&vars).await;
    eventually("the pattern that has no topic is named", async || {
        service.get("/ready").await.1.contains(&format!("kafka: no topic matches ^{prefix}"))
    })
    .await;
    world.send(r#"{"battery_id":1,"soc":81}"#);
    world.wait_for_field("battery:1:data", "soc", "81").await;
    let new = format!("{prefix}.hot");
    world.kafka.create_topic(&new, 1).await;
    world.kafka.create_topic(&unique_name("other"), 1).await;
    world.kafka.send(&new, r#"{"id":7,"a":1.50}"#);
    let key = format!("sensor:{new}:7");
    eventually("the new topic is read", async || {
        world.client.get::<Option<String>, _>(&key).await.unwrap().as_deref() == Some(r#"{"a":1.50}"#)
    })
    .await;
    service.wait_until_ready().await;
    assert_eq!(service.metric("kafka_ingester_partitions").await, 2.0);
}

#[tokio::test]
async fn a_dead_letter_is_replayed_as_its_topic_is_mapped_and_kept_if_it_is_not() {
    let world = World::new(1).await;
    let service = world.start_ingester(&[]).await;
    world.send(r#"{"id":7,"a":1}"#);
    world.wait_for_offset(0, 1).await;
    drop(service);
    let replay = async |file: tempfile::NamedTempFile| {
        let vars = [("INGEST_CONFIG", file.path().to_str().unwrap())];
        run_command(&world, &["dead-letters", "replay"], &vars).await
    };
    let (_, lines, _) = replay(ingest_config("another", "none")).await;
    let reason = "no_key: the field battery_id is missing, and no setting is about this topic now";
    assert_eq!(lines[0]["reason"], reason);
    let prefix = world.topic.split('-').next().unwrap();
    let file = ingest_config("another", "x");
    let text = std::fs::read_to_string(file.path()).unwrap().replace("^x\\.", &format!("^{prefix}-"));
    std::fs::write(file.path(), text).unwrap();
    let (_, lines, summary) = replay(file).await;
    assert_eq!((lines.len(), summary.trim()), (0, "1 applied and removed, 0 left"));
}

#[tokio::test]
async fn a_file_that_cannot_be_used_ends_the_start_with_line_and_reason() {
    let file = ingest_config("t", "x");
    let path = file.path().to_str().unwrap();
    let refused = async |vars: &[(&str, &str)]| {
        let vars = [&[("KAFKA_BROKER", "127.0.0.1:1"), ("KAFKA_GROUP", "g")], vars].concat();
        let mut service = ServiceProcess::spawn(BINARY, &vars);
        (service.wait_for_exit().await, service.log().trim().to_owned())
    };
    let beside = "kafka-ingester: INGEST_CONFIG must have the settings of messages: none of them may be a variable beside it";
    assert_eq!(refused(&[("INGEST_CONFIG", path), ("NESTED", "flatten")]).await, (2, beside.to_owned()));
    let missing = refused(&[("INGEST_CONFIG", "/no/file.toml")]).await;
    assert_eq!(missing.0, 2);
    assert!(
        missing.1.starts_with("kafka-ingester: INGEST_CONFIG must be a file: /no/file.toml: "),
        "{}",
        missing.1
    );
    let text = std::fs::read_to_string(path).unwrap().replace("'json'", "'xml'");
    std::fs::write(path, text).unwrap();
    let line = format!(
        "kafka-ingester: store_as in line 8 of {path} (STORE_AS) must be one of hash, json, stream, sorted-set"
    );
    assert_eq!(refused(&[("INGEST_CONFIG", path)]).await, (2, line));
}

#[tokio::test]
async fn a_pattern_may_be_a_variable_and_a_check_reads_its_topics() {
    let world = World::new(1).await;
    world.send(r#"{"battery_id":1}"#);
    let prefix = &world.topic[..world.topic.len() - 2];
    let pattern = format!("^{prefix}..,none");
    let vars = [("KAFKA_TOPIC", &*pattern), ("KAFKA_BROKER", &world.kafka.broker), ("KAFKA_GROUP", "g")];
    let (code, _, reason) = run_command(&world, &["check"], &vars).await;
    assert_eq!((code, reason.contains("topic none does not exist")), (1, true), "{reason}");
    let vars = [("KAFKA_TOPIC", &pattern[..pattern.len() - 5]), vars[1], vars[2]];
    let (code, lines, _) = run_command(&world, &["check", "--sample", "1"], &vars).await;
    assert_eq!((code, lines[0]["topic"].as_str()), (0, Some(&*world.topic)));
    let _service = world.start_ingester(&vars[..1]).await;
    world.wait_for_offset(0, 1).await;
}
