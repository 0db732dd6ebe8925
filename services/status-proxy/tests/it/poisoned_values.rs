//! Others have written something else in the place of the service's keys.

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::Value;
use test_support::{ServiceProcess, TestRedis, eventually};

use crate::support::{Producer, Viewer, start_service};

/// In the database that the test's own clients use.
const REDIS: [(&str, &str); 2] = [("STATUS_HISTORY", "redis"), ("REDIS_DB", "0")];
const KEYS: [&str; 5] = [
    "status-proxy:mark",
    "status-proxy:recorder",
    "status-proxy:recorded",
    "status-proxy:history:r:poisoned",
    "status-proxy:channels:r",
];

/// What is put in the place of a key: commands, each word of which follows a space. `KEY` is the key.
const VALUES: [&str; 12] = [
    "SET KEY garbage",
    "SET KEY 999999999999999999999999",
    "SET KEY nan",
    "RPUSH KEY x",
    "HSET KEY x y",
    "HSET KEY upto garbage complete x",
    "HSET KEY upto 9007199254740000 complete 9007199254740001",
    "SADD KEY x",
    "ZADD KEY 1 x",
    "XADD KEY * foo bar",
    "XADD KEY 18446744073709551615-1 line x",
    "XADD KEY 1-1 line \u{fffd}",
];

/// Puts something else in the place of a key, before the service can write it again.
async fn replace(client: &Client, key: &str, value: &str) {
    let script = "redis.call('DEL', KEYS[1]) return redis.call(unpack(ARGV))";
    let args = [script, "1", key]
        .into_iter()
        .chain(value.split(' ').map(|word| if word == "KEY" { key } else { word }));
    client.custom::<Value, _>(fred::cmd!("EVAL"), args.map(str::to_owned).collect::<Vec<_>>()).await.unwrap();
}

/// Publishes a line on both channels, and checks that both viewers get it.
async fn check_live(producer: &Producer, viewers: &mut [(&str, Viewer); 2], text: &str) {
    for (channel, viewer) in viewers {
        producer.publish(channel, text.to_owned()).await;
        assert_eq!(viewer.next_line().await, text, "{channel}");
    }
}

/// The recorded lines of a channel.
async fn recorded(client: &Client, channel: &str) -> Vec<String> {
    let range = vec![format!("status-proxy:history:{channel}"), "-".to_owned(), "+".to_owned()];
    let entries = client.custom::<Value, _>(fred::cmd!("XRANGE"), range).await.unwrap_or(Value::Null);
    let entries: Vec<(String, Vec<String>)> = entries.convert().unwrap_or_default();
    entries.into_iter().filter_map(|(_, fields)| (fields[0] == "line").then(|| fields[1].clone())).collect()
}

#[tokio::test]
async fn what_others_wrote_in_the_place_of_a_key_costs_no_other_channel_a_line() {
    let redis = TestRedis::start().await;
    let first = start_service(&redis, &REDIS).await;
    let (producer, client) = (Producer::connect(&redis).await, redis.client().await);
    let mut viewers = [
        ("r:poisoned", Viewer::connect(&first, "r:poisoned").await),
        ("r:neighbour", Viewer::connect(&first, "r:neighbour").await),
    ];
    let mut published = Vec::new();
    for key in KEYS {
        for value in VALUES {
            let what = format!("{value} {key}");
            replace(&client, key, value).await;
            for half in ["1", "2"] {
                let text = format!("{what} {half}");
                check_live(&producer, &mut viewers, &text).await;
                published.push(text.clone());
                eventually(&format!("{text}: recorded"), async || {
                    let last = async |channel| recorded(&client, channel).await.last() == Some(&text);
                    last("r:neighbour").await && last("r:poisoned").await
                })
                .await;
            }
        }
        // An instance that starts now works with what is there.
        replace(&client, key, "RPUSH KEY x").await;
        let second: ServiceProcess = start_service(&redis, &REDIS).await;
        let mut late = Viewer::connect(&second, "r:neighbour?history=1").await;
        assert_eq!(late.next_json().await["type"], "resume");
        assert_eq!(late.next_line().await, *published.last().unwrap(), "{key}");
    }
    assert_eq!(recorded(&client, "r:neighbour").await, published, "the neighbour lost nothing");
    assert_eq!(first.metric("status_proxy_gaps_total").await, 1.0, "that of the start");
    assert_eq!(first.get("/ready").await.0, 200);
    println!("{} log lines", first.log().lines().count());
    assert!(first.log().lines().count() < 30, "{}", first.log());
}

#[tokio::test]
async fn a_recorded_line_that_is_not_utf_8_costs_nobody_his_history() {
    let redis = TestRedis::start().await;
    let service = start_service(&redis, &REDIS).await;
    let producer = Producer::connect(&redis).await;
    producer.publish("r:a", Value::Bytes(b"\xff\xfe"[..].into())).await;
    producer.publish("r:b", "text").await;
    eventually("both are recorded", async || {
        service.metric("status_proxy_recorded_lines_total").await == 2.0
    })
    .await;
    let client = redis.client().await;
    let garbage = vec![Value::from("status-proxy:history:r:a"), "*".into(), "line".into()];
    let garbage = [garbage, vec![Value::Bytes(b"\xff"[..].into())]].concat();
    client.custom::<(), _>(fred::cmd!("XADD"), garbage).await.unwrap();
    let second = start_service(&redis, &REDIS).await;
    let mut viewer = Viewer::connect(&second, "r:a,b?history=5").await;
    viewer.next_text().await;
    viewer.next_text().await;
    assert_eq!(viewer.next_line().await, "\u{fffd}\u{fffd}");
    assert_eq!(viewer.next_line().await, "text");
    assert_eq!(viewer.next_line().await, "\u{fffd}");
}
