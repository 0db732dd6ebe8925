//! What strangers and producers can make the service keep is bounded.

use fred::clients::Client;
use fred::interfaces::ClientLike;
use test_support::load::resident_bytes;
use test_support::{ServiceProcess, TestRedis, eventually};

use crate::support::{Producer, Viewer, World, start_service};

/// A path of 32 channels that nobody has used.
fn junk(number: usize) -> String {
    let channels: Vec<String> = (0..32).map(|channel| format!("{number}-{channel}")).collect();
    format!("junk-{number}:{}", channels.join(","))
}

#[tokio::test]
async fn channels_that_never_had_a_line_are_not_kept() {
    for history in ["memory", "redis"] {
        let redis = World::start().await;
        let service = start_service(&redis, &[("STATUS_HISTORY", history)]).await;
        let port = service.port();
        drop(Viewer::connect(&service, "kept:a").await);
        let open = async |range: std::ops::Range<usize>| {
            for chunk in range.collect::<Vec<_>>().chunks(50) {
                let connects = chunk.iter().map(|number| async move {
                    drop(Viewer::connect_to(port, &junk(*number)).await.unwrap());
                });
                futures_util::future::join_all(connects).await;
            }
        };
        open(0..50).await;
        let before = resident_bytes(service.pid());
        open(50..1050).await;
        eventually("no channel is kept", async || service.metric("status_proxy_channels").await == 0.0).await;
        let grown = resident_bytes(service.pid()).saturating_sub(before);
        println!("{history}: {grown} bytes after 32,000 channels");
        assert!(grown < 8 << 20, "{history}: {grown} bytes");
    }
}

#[tokio::test]
async fn requests_that_wait_for_redis_take_about_the_memory_of_their_text() {
    let redis = TestRedis::start().await;
    let service = start_service(&redis, &[]).await;
    let mut viewers = Vec::new();
    for _ in 0..300 {
        viewers.push(Viewer::connect(&service, "r:a").await);
    }
    let before = resident_bytes(service.pid());
    redis.pause().await;
    // The first one waits, and the second behind it. As texts of their own its names would take many times its 60 KB.
    let many =
        format!(r#"{{"type":"subscribe","run":"r","channels":[{}]}}"#, vec![r#""a""#; 15_000].join(","));
    for viewer in &mut viewers {
        viewer.send(r#"{"type":"subscribe","run":"r","channels":["b"]}"#).await;
        viewer.send(&many).await;
    }
    for viewer in &mut viewers {
        viewer.ping().await;
    }
    let grown = resident_bytes(service.pid()).saturating_sub(before);
    println!("{grown} bytes for {} of requests", 300 * many.len());
    assert!(grown < 48 << 20, "{grown} bytes");
    redis.resume().await;
    for viewer in &mut viewers {
        assert_eq!(viewer.next_json().await["type"], "subscribed");
        assert_eq!(viewer.next_json().await["code"], 4400);
    }
}

#[tokio::test]
async fn a_client_that_would_exceed_the_number_of_channels_is_refused_and_nobody_else() {
    for history in ["memory", "redis"] {
        let redis = World::start().await;
        let vars = [("STATUS_HISTORY", history), ("STATUS_MAX_CHANNELS", "40")];
        let service = start_service(&redis, &vars).await;
        let mut viewer = Viewer::connect(&service, "r:a").await;
        let many = Viewer::connect(&service, &junk(1)).await;
        assert_eq!(Viewer::refused_status(service.port(), &junk(2), &[]).await, 503);
        let _same = Viewer::connect(&service, &junk(1)).await;
        Producer::connect(&redis).await.publish("r:a", "x").await;
        assert_eq!(viewer.next_line().await, "x");
        drop((many, _same));
        eventually("there is room again", async || {
            Viewer::connect_to(service.port(), &junk(2)).await.is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn the_lines_of_all_channels_together_are_bounded_and_what_is_dropped_is_not_called_recovered() {
    for history in ["memory", "redis"] {
        let redis = World::start().await;
        let vars = [
            ("STATUS_HISTORY", history),
            ("STATUS_HISTORY_TOTAL_SIZE", "8MB"),
            ("STATUS_HISTORY_SIZE", "1MB"),
        ];
        let service = start_service(&redis, &vars).await;
        let producer = Producer::connect(&redis).await;
        let mut viewers = Vec::new();
        for number in 0..100 {
            viewers.push(Viewer::connect(&service, &format!("r{number}:a?history=0")).await);
        }
        let before = resident_bytes(service.pid());
        for round in 0..20 {
            for (number, viewer) in viewers.iter_mut().enumerate() {
                producer.publish(&format!("r{number}:a"), "x".repeat(50_000)).await;
                if round == 0 {
                    assert_eq!(viewer.next_json().await["recovered"], true);
                }
                viewer.next_line().await;
            }
        }
        let grown = resident_bytes(service.pid()).saturating_sub(before);
        println!("{history}: {grown} bytes after 100 MB of lines");
        assert!(grown < 56 << 20, "{history}: {grown} bytes");
        if history == "memory" {
            let mut late = Viewer::connect(&service, "r0:a?history=10").await;
            assert_eq!(late.next_json().await["recovered"], false);
        }
    }
}

#[tokio::test]
async fn a_line_that_is_too_long_for_clients_is_cut_off_with_a_mark() {
    for history in ["memory", "redis"] {
        let redis = World::start().await;
        let service = start_service(&redis, &[("STATUS_HISTORY", history)]).await;
        let producer = Producer::connect(&redis).await;
        let mut viewer = Viewer::connect(&service, "r:a?history=0").await;
        viewer.next_text().await;
        producer.publish("r:a", "ä\"".repeat(1_000_000)).await;
        let frame = viewer.next_text().await;
        assert!(frame.len() <= 1 << 20, "{} bytes", frame.len());
        let line =
            serde_json::from_str::<serde_json::Value>(&frame).unwrap()["data"].as_str().unwrap().to_owned();
        assert!(line.starts_with("ä\"ä\"") && line.ends_with(" … [cut off: 3000000 bytes in all]"));
        let same = "x".repeat(1_000_000);
        producer.publish("r:a", same.clone()).await;
        assert_eq!(viewer.next_line().await, same);
    }
}

/// The recorded lines of a channel.
async fn recorded(client: &Client, channel: &str) -> Vec<String> {
    let range = vec![format!("status-proxy:history:{channel}"), "-".to_owned(), "+".to_owned()];
    let entries: Vec<(String, Vec<String>)> = client.custom(fred::cmd!("XRANGE"), range).await.unwrap();
    let lines = entries.into_iter().filter(|(_, fields)| fields[0] == "line");
    lines.map(|(_, mut fields)| fields.swap_remove(1)).collect()
}

#[tokio::test]
async fn a_limit_that_was_lowered_is_reached_in_small_steps() {
    let redis = TestRedis::start().await;
    let (producer, client) = (Producer::connect(&redis).await, redis.client().await);
    let vars = [("STATUS_HISTORY", "redis"), ("REDIS_DB", "0"), ("STATUS_HISTORY_SIZE", "1MB")];
    let mut generous = start_service(&redis, &vars).await;
    let publish = async |numbers: std::ops::Range<usize>| {
        for number in numbers {
            producer.publish("r:long", format!("{number} {}", "x".repeat(2000))).await;
            producer.publish("r:short", number.to_string()).await;
        }
    };
    let all_recorded = async |service: &ServiceProcess, count: f64| {
        eventually("all are recorded", async || {
            service.metric("status_proxy_recorded_lines_total").await == count
        })
        .await;
    };
    publish(0..200).await;
    all_recorded(&generous, 400.0).await;
    generous.terminate().await;
    let vars = [vars[0], vars[1], ("STATUS_HISTORY_SIZE", "100KB"), ("STATUS_HISTORY_LINES", "150")];
    let strict = start_service(&redis, &vars).await;
    publish(200..201).await;
    all_recorded(&strict, 2.0).await;
    for channel in ["r:long", "r:short"] {
        let count = recorded(&client, channel).await.len();
        assert!((195..=200).contains(&count), "{channel}: {count} lines");
    }
    publish(201..300).await;
    all_recorded(&strict, 200.0).await;
    let (long, short) = (recorded(&client, "r:long").await, recorded(&client, "r:short").await);
    let bytes: usize = long.iter().map(String::len).sum();
    assert!((98 << 10..=100 << 10).contains(&bytes), "{bytes}");
    assert_eq!(short.len(), 150);
}

#[tokio::test]
async fn the_recorded_lines_of_a_channel_are_bounded_in_number_and_bytes() {
    let redis = TestRedis::start().await;
    let vars = [("STATUS_HISTORY", "redis"), ("STATUS_HISTORY_LINES", "500"), ("REDIS_DB", "0")];
    let service = start_service(&redis, &vars).await;
    let producer = Producer::connect(&redis).await;
    let client = redis.client().await;
    for number in 0..1000 {
        producer.publish("r:long", format!("{number} {}", "x".repeat(10_000))).await;
        producer.publish("r:short", number.to_string()).await;
    }
    eventually("all are recorded", async || {
        service.metric("status_proxy_recorded_lines_total").await == 2000.0
    })
    .await;
    let (long, short) = (recorded(&client, "r:long").await, recorded(&client, "r:short").await);
    let bytes: usize = long.iter().map(String::len).sum();
    println!("{} long lines of {bytes} bytes, {} short ones", long.len(), short.len());
    assert!((200 << 10..=256 << 10).contains(&bytes), "{bytes}");
    assert_eq!(short.len(), 500);
    assert!(long.last().unwrap().starts_with("999 ") && short.last().unwrap() == "999");
    let mut viewer = Viewer::connect(&service, "r:long?history=1000").await;
    assert_eq!(viewer.next_json().await["recovered"], false, "there were more");
}
