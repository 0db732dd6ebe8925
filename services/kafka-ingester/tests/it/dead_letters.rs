use std::collections::HashMap;

use fred::interfaces::{HashesInterface, KeysInterface, StreamsInterface};
use serde_json::{Value, json};
use test_support::eventually;
use tokio::process::Command;

use crate::support::{BINARY, DEAD_LETTERS, Kafka, World, unique_name};

pub(crate) async fn run_command(
    world: &World,
    args: &[&str],
    vars: &[(&str, &str)],
) -> (i32, Vec<Value>, String) {
    let mut command = Command::new(BINARY);
    command.args(args).env_clear().envs(world.redis_vars()).envs(vars.iter().copied());
    let output = command.output().await.unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), lines, String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn every_bad_message_becomes_a_dead_letter_and_the_other_messages_are_applied() {
    let world = World::new(2).await;
    world.client.set::<(), _, _>("battery:9:data", "not a hash", None, None, false).await.unwrap();
    let bad: [(Option<&[u8]>, &str); 9] = [
        (None, "empty"),
        (Some(b""), "empty"),
        (Some(b"\xff\xfe{}"), "not_utf8"),
        (Some(b"{\"battery_id\":"), "not_json"),
        (Some(b"[7]"), "not_object"),
        (Some(b"{\"soc\":1}"), "no_key"),
        (Some(b"{\"battery_id\":true}"), "bad_key"),
        (Some(b"{\"battery_id\":9,\"soc\":1}"), "redis: WRONGTYPE"),
        (Some(b"{\"battery_id\":9,\"soc\":2}"), "redis: WRONGTYPE"),
    ];
    for (number, (value, _)) in bad.iter().enumerate() {
        world.kafka.enqueue(&world.topic, 1, Some(b"k"), *value);
        let good = format!(r#"{{"battery_id":1,"n":{number}}}"#);
        world.kafka.enqueue(&world.topic, 1, None, Some(good.as_bytes()));
    }
    world.kafka.flush();
    let service = world.start_ingester(&[]).await;
    world.wait_for_offset(1, 18).await;
    world.wait_for_field("battery:1:data", "n", "8").await;

    let entries: Vec<(String, HashMap<String, bytes::Bytes>)> =
        world.client.xrange(DEAD_LETTERS, "-", "+", None).await.unwrap();
    assert_eq!(entries.len(), bad.len());
    for (index, ((_, fields), (value, reason))) in entries.iter().zip(bad).enumerate() {
        assert_eq!(fields["topic"], world.topic.as_bytes());
        assert_eq!(fields["partition"], &b"1"[..]);
        assert_eq!(fields["offset"], (2 * index).to_string().as_bytes());
        assert_eq!(fields["key"], &b"k"[..]);
        assert_eq!(fields["value"], value.unwrap_or_default());
        assert!(fields["reason"].starts_with(reason.as_bytes()), "{:?} is not {reason}", fields["reason"]);
        assert_eq!(fields.len(), 6);
    }
    eventually("all are counted", async || {
        service.metric("kafka_ingester_dead_letters_total").await == 9.0
            && service.metric("kafka_ingester_messages_applied_total").await == 9.0
    })
    .await;

    let (code, lines, _) = run_command(&world, &["dead-letters", "list"], &[]).await;
    assert_eq!((code, lines.len()), (0, 9));
    assert_eq!(lines[2]["value_base64"], "//57fQ==");
    let expected = json!({"id": entries[4].0, "topic": world.topic, "partition": 1, "offset": 8, "key": "k",
        "reason": "not_object: the value is not a JSON object, in row 1", "value": "[7]"});
    assert_eq!(lines[4], expected);
}

#[tokio::test]
async fn a_replay_applies_what_has_become_good_and_keeps_the_other_dead_letters() {
    let world = World::new(1).await;
    world.client.set::<(), _, _>("battery:9:data", "not a hash", None, None, false).await.unwrap();
    let _service = world.start_ingester(&[]).await;
    world.send("garbage");
    world.send(r#"{"battery_id":9,"soc":1.50}"#);
    world.send(r#"{"device":3,"soc":2}"#);
    world.wait_for_offset(0, 3).await;
    assert_eq!(world.count_dead_letters().await, 3);

    world.client.del::<(), _>("battery:9:data").await.unwrap();
    let (code, left, summary) = run_command(&world, &["dead-letters", "replay"], &[]).await;
    assert_eq!((code, left.len(), summary.trim()), (0, 2, "1 applied and removed, 2 left"));
    assert_eq!(world.read_field("battery:9:data", "soc").await.unwrap(), "1.50");
    assert_eq!(world.count_dead_letters().await, 2);

    let other = [("KEY_FIELD", "device"), ("KEY_TEMPLATE", "device:{device}")];
    let (_, left, _) = run_command(&world, &["dead-letters", "replay"], &other).await;
    assert_eq!(left.len(), 1);
    assert_eq!(world.client.hget::<String, _, _>("device:3", "soc").await.unwrap(), "2");
    assert_eq!(run_command(&world, &["dead-letters", "list"], &[]).await.1[0]["value"], "garbage");
}

#[tokio::test]
async fn the_commands_fail_with_a_reason_if_redis_is_away() {
    let mut world = World::with(Kafka::start(), test_support::TestRedis::start().await, 1).await;
    world.redis.kill().await;
    let (code, lines, error) = run_command(&world, &["dead-letters", "list"], &[]).await;
    assert_eq!((code, lines.len()), (1, 0));
    assert!(error.contains("connect to redis at 127.0.0.1"), "{error}");
}

#[tokio::test]
async fn old_dead_letters_are_dropped_above_the_limit() {
    let world = World::new(1).await;
    let _service = world.start_ingester(&[("DEAD_LETTERS_MAX", "100")]).await;
    for number in 0..1000 {
        world.kafka.enqueue(&world.topic, 0, None, Some(format!("bad {number}").as_bytes()));
    }
    world.wait_for_offset(0, 1000).await;
    let count = world.count_dead_letters().await;
    assert!((100..300).contains(&count), "{count}");
}

#[tokio::test]
async fn dead_letters_are_forwarded_to_a_kafka_topic() {
    use rdkafka::Message;
    use rdkafka::consumer::Consumer;
    use rdkafka::message::Headers;

    let world = World::new(1).await;
    let dead = world.kafka.create_unique_topic(1).await;
    let _service = world.start_ingester(&[("DEAD_LETTERS_TOPIC", &dead)]).await;
    world.kafka.enqueue(&world.topic, 0, Some(b"k"), Some(b"\xff"));
    world.kafka.flush();
    eventually("the dead letter has left redis", async || {
        world.read_offset(0).await == Some(1) && world.count_dead_letters().await == 0
    })
    .await;
    let consumer = world.kafka.create_consumer(&unique_name("dead"));
    consumer.subscribe(&[&dead]).unwrap();
    let message = loop {
        if let Some(message) = consumer.poll(std::time::Duration::from_secs(20)) {
            break message.unwrap().detach();
        }
    };
    assert_eq!((message.key().unwrap(), message.payload().unwrap()), (&b"k"[..], &b"\xff"[..]));
    let header = |name: &str| {
        let header = message.headers().unwrap().iter().find(|header| header.key == name).unwrap();
        String::from_utf8(header.value.unwrap().to_vec()).unwrap()
    };
    let headers = ["topic", "partition", "offset", "reason"].map(header);
    let reason =
        "not_utf8: byte 0 is not UTF-8 (tried as JSON, since no other format begins with the byte 0xff)";
    assert_eq!(headers, [&world.topic, "0", "0", reason]);
}

#[tokio::test]
async fn one_percent_of_bad_messages_all_become_dead_letters_with_their_offsets() {
    let world = World::new(3).await;
    let total: i64 = 20_000;
    let _service = world.start_ingester(&[]).await;
    for number in 0..total {
        let good = format!(r#"{{"battery_id":{},"n":{number}}}"#, number % 1000);
        let value = if number % 100 == 42 { &good[1..] } else { &good };
        world.kafka.enqueue(&world.topic, (number % 3) as i32, None, Some(value.as_bytes()));
    }
    world.kafka.flush();
    for partition in 0..3 {
        world.wait_for_offset(partition, world.kafka.log_end(&world.topic, partition)).await;
    }
    assert_eq!(world.count_dead_letters().await as i64, total / 100);
    let entries: Vec<(String, HashMap<String, String>)> =
        world.client.xrange(DEAD_LETTERS, "-", "+", None).await.unwrap();
    for (_, fields) in entries {
        let number: i64 = fields["value"].rsplit_once(':').unwrap().1.trim_end_matches('}').parse().unwrap();
        assert_eq!(number % 100, 42);
        assert_eq!(
            (fields["partition"].clone(), fields["offset"].clone()),
            ((number % 3).to_string(), (number / 3).to_string())
        );
    }
}
