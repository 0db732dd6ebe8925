//! Dead letters over HTTP, and the page.

use fantoccini::Locator;
use fred::interfaces::KeysInterface;
use reqwest_tls::{Client, Method};
use serde_json::{Value, json};
use test_support::{Browser, Haproxy, ServiceProcess, check_token, eventually};

use crate::support::World;

const TOKEN: (&str, &str) = ("OPERATOR_TOKEN", "secret");

/// The status and the body of an answer to the operator.
async fn ask(service: &ServiceProcess, method: Method, path: &str) -> (u16, String) {
    let request = Client::new().request(method, format!("{}{path}", service.base_url()));
    let response = request.bearer_auth("secret").send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn get(service: &ServiceProcess, path: &str) -> Value {
    let (status, body) = ask(service, Method::GET, path).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

async fn wait_for_count(service: &ServiceProcess, dead_letters: f64) {
    eventually(&format!("the metrics say {dead_letters}"), async || {
        service.metric("kafka_ingester_dead_letters").await == dead_letters
    })
    .await;
}

/// The values of all dead letters, the oldest first.
async fn values(service: &ServiceProcess) -> Vec<Value> {
    let listing = get(service, "/dead-letters").await;
    listing["dead_letters"].as_array().unwrap().iter().map(|letter| letter["value"].clone()).collect()
}

#[tokio::test]
async fn dead_letters_are_listed_with_their_reasons_and_values_page_by_page() {
    let world = World::new(1).await;
    let service = world.start_ingester(&[TOKEN]).await;
    let empty = r#"{"count":0,"can_change":true,"dead_letters":[],"next":null,"last":null}"#;
    assert_eq!(ask(&service, Method::GET, "/dead-letters").await, (200, empty.to_owned()));

    world.kafka.enqueue(&world.topic, 0, Some(b"k"), Some(b"[7]"));
    world.kafka.enqueue(&world.topic, 0, None, Some(b"\xff\xfe{}"));
    world.kafka.enqueue(&world.topic, 0, None, Some("ä".repeat(5000).as_bytes()));
    world.kafka.flush();
    world.wait_for_offset(0, 3).await;
    let listing = get(&service, "/dead-letters?limit=2").await;
    let letters = listing["dead_letters"].as_array().unwrap();
    let id = letters[0]["id"].as_str().unwrap();
    let expected = json!({"id": id, "topic": world.topic, "partition": 0, "offset": 0, "key": "k", "value": "[7]",
        "reason": "not_object: the value is not a JSON object, in row 1", "value_size": 3});
    assert_eq!((&listing["count"], &letters[0]), (&json!(3), &expected));
    assert_eq!((&letters[1]["value_base64"], &letters[1]["key"]), (&json!("//57fQ=="), &json!("")));
    assert_eq!(listing["next"], letters[1]["id"]);

    let rest = get(&service, &format!("/dead-letters?after={}", listing["next"].as_str().unwrap())).await;
    let [cut] = rest["dead_letters"].as_array().unwrap().as_slice() else { panic!("{rest}") };
    assert_eq!((&rest["next"], &rest["last"]), (&Value::Null, &cut["id"]));
    // A text is cut off between two characters.
    assert_eq!((&cut["value"], &cut["value_size"]), (&json!("ä".repeat(2048)), &json!(10_000)));
    let whole = get(&service, &format!("/dead-letters/{}", cut["id"].as_str().unwrap())).await;
    assert_eq!(whole["value"], "ä".repeat(5000));

    for (path, status) in [
        ("/dead-letters/1-1", 404),
        ("/dead-letters/x", 404),
        ("/dead-letters?after=x", 400),
        ("/dead-letters?size=1", 400),
    ] {
        assert_eq!(ask(&service, Method::GET, path).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn dead_letters_are_replayed_and_dropped_one_by_one_and_all() {
    let world = World::new(1).await;
    world.client.set::<(), _, _>("battery:9:data", "not a hash", None, None, false).await.unwrap();
    let service = world.start_ingester(&[TOKEN]).await;
    for value in ["garbage", r#"{"battery_id":9,"soc":1}"#, r#"{"battery_id":9,"soc":2}"#, "more garbage"] {
        world.send(value);
    }
    world.wait_for_offset(0, 4).await;
    wait_for_count(&service, 4.0).await;
    let listing = get(&service, "/dead-letters").await;
    let id = |index: usize| listing["dead_letters"][index]["id"].as_str().unwrap().to_owned();
    let (replay, remove) = (Method::POST, Method::DELETE);

    let (status, reason) = ask(&service, replay.clone(), &format!("/dead-letters/{}/replay", id(1))).await;
    assert!(status == 409 && reason.starts_with("redis: WRONGTYPE"), "{status} {reason}");
    world.client.del::<(), _>("battery:9:data").await.unwrap();
    assert_eq!(ask(&service, replay.clone(), &format!("/dead-letters/{}/replay", id(1))).await.0, 204);
    assert_eq!(world.read_field("battery:9:data", "soc").await.unwrap(), "1");
    assert_eq!(ask(&service, replay.clone(), &format!("/dead-letters/{}/replay", id(1))).await.0, 404);

    let path = format!("/dead-letters/replay?through={}", id(2));
    let expected = r#"{"applied":1,"left":1,"next":null}"#.to_owned();
    assert_eq!(ask(&service, replay, &path).await, (200, expected));
    assert_eq!(world.read_field("battery:9:data", "soc").await.unwrap(), "2");
    assert_eq!(values(&service).await, ["garbage", "more garbage"]);

    assert_eq!(ask(&service, remove.clone(), &format!("/dead-letters/{}", id(0))).await.0, 204);
    assert_eq!(ask(&service, remove.clone(), &format!("/dead-letters/{}", id(0))).await.0, 404);
    for number in 0..250 {
        world.send(&format!("bad {number}"));
    }
    world.wait_for_offset(0, 254).await;
    let through = get(&service, "/dead-letters?limit=200").await["next"].as_str().unwrap().to_owned();
    let dropped = ask(&service, remove.clone(), &format!("/dead-letters?through={through}")).await;
    assert_eq!(dropped, (200, r#"{"dropped":200,"next":null}"#.to_owned()));
    assert_eq!(ask(&service, remove, "/dead-letters").await.1, r#"{"dropped":51,"next":null}"#);
    assert_eq!(world.count_dead_letters().await, 0);
    wait_for_count(&service, 0.0).await;
}

#[tokio::test]
async fn only_the_operator_changes_dead_letters() {
    let world = World::new(1).await;
    let service = world.start_ingester(&[TOKEN]).await;
    let everything = [
        "GET /",
        "GET /dead-letters",
        "GET /dead-letters/1-1",
        "DELETE /dead-letters",
        "DELETE /dead-letters/1-1",
        "POST /dead-letters/replay",
        "POST /dead-letters/1-1/replay",
    ];
    check_token(&service, &everything).await;
    world.send("garbage");
    world.wait_for_offset(0, 1).await;
    assert_eq!(world.count_dead_letters().await, 1);

    let open = world.start_ingester(&[]).await;
    let (status, reason) = ask(&open, Method::DELETE, "/dead-letters").await;
    assert_eq!((status, reason.trim()), (403, "dead letters are changed where OPERATOR_TOKEN is set only"));
    assert_eq!(get(&open, "/dead-letters").await["can_change"], false);
    assert_eq!(world.count_dead_letters().await, 1);
}

#[tokio::test]
async fn without_redis_dead_letters_are_answered_with_the_reason() {
    let mut world = World::new(1).await;
    let service = world.start_ingester(&[TOKEN]).await;
    world.redis.kill().await;
    eventually("it says so", async || {
        let (status, reason) = ask(&service, Method::GET, "/dead-letters").await;
        status == 503 && !reason.is_empty()
    })
    .await;
}

/// Waits for a sample of the last hour in which a series of the metric has this value.
async fn wait_until_remembered(service: &ServiceProcess, metric: &str, value: f64) {
    eventually(&format!("{metric} was {value}"), async || {
        let past = service.get(&format!("/metrics/history?names={metric}")).await.1;
        let past: Value = serde_json::from_str(&past).unwrap();
        let series = past["series"].as_object().unwrap();
        series.values().any(|values| values.as_array().unwrap().contains(&json!(value)))
    })
    .await;
}

#[tokio::test]
async fn the_page_shows_partitions_with_their_last_hour_and_a_person_replays_and_drops_dead_letters() {
    let world = World::new(2).await;
    world.client.set::<(), _, _>("battery:9:data", "not a hash", None, None, false).await.unwrap();
    let service = world.start_ingester(&[TOKEN]).await;
    world.send(r#"{"battery_id":9,"soc":1}"#);
    world.send("<b>garbage</b>");
    world.kafka.enqueue(&world.topic, 0, None, Some(b"\xff\x00"));
    world.kafka.flush();
    eventually("they are dead letters", async || world.count_dead_letters().await == 3).await;
    wait_until_remembered(&service, "kafka_ingester_partition_messages_applied_total", 0.0).await;
    world.kafka.enqueue(&world.topic, 1, None, Some(br#"{"battery_id":1,"soc":1}"#));
    wait_until_remembered(&service, "kafka_ingester_partition_messages_applied_total", 1.0).await;

    let haproxy = Haproxy::start_entry(&[("kafka-ingester", &[service.port()])]).await;
    let (browser, port) = (Browser::start().await, haproxy.port());
    let page = &browser.client;
    // The browser remembers the password. A page whose address has one may not ask for anything.
    page.goto(&format!("http://operator:secret@127.0.0.1:{port}/kafka-ingester/page.js")).await.unwrap();
    page.goto(&format!("http://127.0.0.1:{port}/kafka-ingester/")).await.unwrap();
    let text = async |id: &str| {
        let script = format!("return document.getElementById('{id}').innerText");
        page.execute(&script, vec![]).await.unwrap().as_str().unwrap_or_default().to_owned()
    };
    let shows = async |id: &str, part: &str| {
        eventually(&format!("{id} shows {part}"), async || text(id).await.contains(part)).await;
    };
    let press =
        async |selector: &str| page.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();

    shows("service", &format!("kafka-ingester-{}", service.port())).await;
    shows("service", "partitions\n2").await;
    shows("service", "dead letters\n3").await;
    eventually("both partitions have a row", async || {
        text("partitions").await.matches(&world.topic).count() == 2
    })
    .await;
    // It was applied before the page was opened.
    let title = "document.querySelector('#partitions tr:nth-child(2) title').textContent";
    eventually("partition 1 has a plot of its rate", async || {
        let title = page.execute(&format!("return {title}"), vec![]).await.unwrap();
        title.as_str().unwrap().starts_with("the last 5 min: 0 to 0.1")
    })
    .await;
    shows("count", "3 in Redis").await;
    shows("dead-letters", "<b>garbage</b>").await;
    shows("dead-letters", "ff 00").await;
    assert_eq!(browser.find_violations().await, Vec::<String>::new());
    press("#hex").await;
    shows("dead-letters", "3c 62 3e 67").await;
    press("#hex").await;

    press("#dead-letters tr:first-child button:first-child").await;
    shows("problem", "redis: WRONGTYPE").await;
    world.client.del::<(), _>("battery:9:data").await.unwrap();
    press("#replay-all").await;
    shows("count", "2 in Redis").await;
    assert_eq!(world.read_field("battery:9:data", "soc").await.unwrap(), "1");
    press("#dead-letters tr:first-child button:last-child").await;
    shows("count", "1 in Redis").await;
    press("#drop-all").await;
    page.accept_alert().await.unwrap();
    shows("count", "none").await;
    browser.close().await;
}
