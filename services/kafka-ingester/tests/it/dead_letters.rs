use std::collections::HashMap;

use fred::interfaces::{HashesInterface, KeysInterface, StreamsInterface};
use serde_json::{Value, json};
use test_support::eventually;
use tokio::process::Command;

use crate::support::{BINARY, DEAD_LETTERS, Kafka, World, unique, var};

async fn run(world: &World, args: &[&str], vars: &[(&str, &str)]) -> (i32, Vec<Value>, String) {
    let port = world.redis.port().to_string();
    let mut command = Command::new(BINARY);
    command.args(args).env_clear().env("REDIS_PORT", port).envs(vars.iter().copied());
    let output = command.output().await.unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), lines, String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn every_bad_message_is_put_aside_with_its_place_and_reason_and_the_rest_goes_on() {
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
    for (place, (value, _)) in bad.iter().enumerate() {
        world.kafka.queue(&world.topic, 1, Some(b"k"), *value);
        let good = format!(r#"{{"battery_id":1,"n":{place}}}"#);
        world.kafka.queue(&world.topic, 1, None, Some(good.as_bytes()));
    }
    world.kafka.flush();
    let service = world.ingester(&[]).await;
    world.offset_becomes(1, 18).await;
    world.field_becomes("battery:1:data", "n", "8").await;

    let entries: Vec<(String, HashMap<String, bytes::Bytes>)> =
        world.client.xrange(DEAD_LETTERS, "-", "+", None).await.unwrap();
    assert_eq!(entries.len(), bad.len());
    for (place, ((_, fields), (value, reason))) in entries.iter().zip(bad).enumerate() {
        assert_eq!(fields["topic"], world.topic.as_bytes());
        assert_eq!(fields["partition"], &b"1"[..]);
        assert_eq!(fields["offset"], (2 * place).to_string().as_bytes());
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

    let (code, lines, _) = run(&world, &["dead-letters", "list"], &[]).await;
    assert_eq!((code, lines.len()), (0, 9));
    assert_eq!(lines[2]["value_base64"], "//57fQ==");
    let expected = json!({"id": entries[4].0, "topic": world.topic, "partition": 1, "offset": 8, "key": "k",
        "reason": "not_object: the value is not a JSON object", "value": "[7]"});
    assert_eq!(lines[4], expected);
}

#[tokio::test]
async fn a_replay_applies_what_has_become_good_and_keeps_the_rest() {
    let world = World::new(1).await;
    world.client.set::<(), _, _>("battery:9:data", "not a hash", None, None, false).await.unwrap();
    let _service = world.ingester(&[]).await;
    world.send("garbage");
    world.send(r#"{"battery_id":9,"soc":1.50}"#);
    world.send(r#"{"device":3,"soc":2}"#);
    world.offset_becomes(0, 3).await;
    assert_eq!(world.dead_letter_count().await, 3);

    world.client.del::<(), _>("battery:9:data").await.unwrap();
    let (code, left, summary) = run(&world, &["dead-letters", "replay"], &[]).await;
    assert_eq!((code, left.len(), summary.trim()), (0, 2, "1 applied and removed, 2 left"));
    assert_eq!(world.field("battery:9:data", "soc").await.unwrap(), "1.50");
    assert_eq!(world.dead_letter_count().await, 2);

    let other = [("KEY_FIELD", "device"), ("KEY_TEMPLATE", "device:{device}")];
    let (_, left, _) = run(&world, &["dead-letters", "replay"], &other).await;
    assert_eq!(left.len(), 1);
    assert_eq!(world.client.hget::<String, _, _>("device:3", "soc").await.unwrap(), "2");
    assert_eq!(run(&world, &["dead-letters", "list"], &[]).await.1[0]["value"], "garbage");
}

#[tokio::test]
async fn the_commands_say_when_redis_is_not_there() {
    let mut world = World::with(Kafka::start(), test_support::TestRedis::start().await, 1).await;
    world.redis.kill().await;
    let (code, lines, error) = run(&world, &["dead-letters", "list"], &[]).await;
    assert_eq!((code, lines.len()), (1, 0));
    assert!(error.contains("connect to redis at localhost"), "{error}");
}

#[tokio::test]
async fn dead_letters_stay_within_their_bound() {
    let world = World::new(1).await;
    let _service = world.ingester(&[("DEAD_LETTERS_MAX", "100")]).await;
    for number in 0..1000 {
        world.kafka.queue(&world.topic, 0, None, Some(format!("bad {number}").as_bytes()));
    }
    world.offset_becomes(0, 1000).await;
    let kept = world.dead_letter_count().await;
    assert!((100..300).contains(&kept), "{kept}");
}

#[tokio::test]
async fn dead_letters_move_on_to_a_kafka_topic() {
    use rdkafka::Message;
    use rdkafka::consumer::Consumer;
    use rdkafka::message::Headers;

    let world = World::new(1).await;
    let dead = world.kafka.topic(1).await;
    let _service = world.ingester(&[("DEAD_LETTERS_TOPIC", &dead)]).await;
    world.kafka.queue(&world.topic, 0, Some(b"k"), Some(b"\xff"));
    world.kafka.flush();
    eventually("it has left redis", async || {
        world.offset(0).await == Some(1) && world.dead_letter_count().await == 0
    })
    .await;
    let consumer = world.kafka.consumer(&unique("dead"));
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
    let place = ["topic", "partition", "offset", "reason"].map(header);
    assert_eq!(place, [&world.topic, "0", "0", "not_utf8: byte 0 is not UTF-8"]);
}

#[tokio::test]
async fn one_percent_of_bad_messages_are_all_put_aside_with_their_places() {
    let world = World::new(3).await;
    let total: i64 = var("KAFKA_INGESTER_MESSAGES").map_or(20_000, |text| text.parse().unwrap());
    let _service = world.ingester(&[]).await;
    for number in 0..total {
        let good = format!(r#"{{"battery_id":{},"n":{number}}}"#, number % 1000);
        let value = if number % 100 == 42 { &good[1..] } else { &good };
        world.kafka.queue(&world.topic, (number % 3) as i32, None, Some(value.as_bytes()));
    }
    world.kafka.flush();
    for partition in 0..3 {
        world.offset_becomes(partition, world.kafka.end(&world.topic, partition)).await;
    }
    assert_eq!(world.dead_letter_count().await as i64, total / 100);
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
