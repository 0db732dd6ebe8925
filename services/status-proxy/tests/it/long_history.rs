//! What a long history costs: memory of the service, and time of Redis.

use std::time::Duration;

use fred::interfaces::ClientLike;
use fred::types::Value;
use futures_util::future::join_all;
use test_support::load::{peak_bytes, reset_peak};
use test_support::{ServiceProcess, TestRedis, eventually};

use crate::support::{Producer, Viewer, is_full, start_service};

const LINE_BYTES: usize = 100_000;
/// The most memory that ten viewers of a long history cost.
const MAX_MEMORY: u64 = 64 << 20;
/// Redis is busy for less than 2 ms with each command; a busy machine interrupts some of them for longer.
const MAX_COMMAND: Duration = Duration::from_millis(50);

const VARS: [(&str, &str); 6] = [
    // More than are published, so that live lines push out no old ones.
    ("STATUS_HISTORY_LINES", "2000"),
    // On a busy machine a viewer may pause for a while, too.
    ("STATUS_WRITE_TIMEOUT", "5s"),
    ("STATUS_HISTORY_SIZE", "200MB"),
    ("STATUS_HISTORY_TOTAL_SIZE", "1GB"),
    ("STATUS_HISTORY_AGE", "1h"),
    ("REDIS_DB", "0"),
];

async fn publish(producer: &Producer, number: usize, bytes: usize) {
    producer.publish("r:a", format!("{number} {}", "x".repeat(bytes))).await;
}

/// Reads the lines with these numbers, and checks that they come in order and once. Returns the id of the first.
async fn read_numbers(viewer: &mut Viewer, numbers: std::ops::Range<usize>) -> String {
    let mut id = None;
    for number in numbers {
        let frame = viewer.next_json().await;
        let text = frame["data"].as_str().unwrap_or_else(|| panic!("{frame} in place of line {number}"));
        assert_eq!(text.split(' ').next(), Some(number.to_string().as_str()));
        id.get_or_insert_with(|| frame["id"].as_str().unwrap().to_owned());
    }
    id.unwrap()
}

/// How long the commands since the last call took that took longer than 1 ms, the longest first.
async fn long_commands(redis: &TestRedis) -> Vec<Duration> {
    let entries: Vec<Vec<Value>> =
        redis.client().await.custom(fred::cmd!("SLOWLOG"), vec!["GET", "1000"]).await.unwrap();
    redis.admin("SLOWLOG RESET").await;
    let mut durations: Vec<_> =
        entries.iter().map(|entry| Duration::from_micros(entry[2].as_u64().unwrap())).collect();
    durations.sort_by(|one, other| other.cmp(one));
    durations
}

/// Ten viewers take all lines, and those that are published meanwhile; one of them resumes. Another one does not read.
async fn check_viewers(redis: &TestRedis, producer: &Producer, service: &ServiceProcess, lines: usize) {
    reset_peak(service.pid());
    let before = peak_bytes(service.pid());
    let mut first = Viewer::connect(service, &format!("r:a?history={lines}")).await;
    assert_eq!(first.next_json().await["recovered"], true);
    let id = read_numbers(&mut first, 0..1).await;
    first.close().await;
    let stalled = Viewer::connect(service, &format!("r:a?history={lines}")).await;
    let half = lines / 2;
    let paths = [(format!("since={id}"), 1), (format!("history={half}"), half)];
    let paths = paths.into_iter().chain(std::iter::repeat_n((format!("history={lines}"), 0), 8));
    let viewers = join_all(paths.map(async |(query, number)| {
        let mut viewer = Viewer::connect(service, &format!("r:a?{query}")).await;
        assert_eq!(viewer.next_json().await["recovered"], true, "{query}");
        (viewer, number)
    }))
    .await;
    let read = join_all(viewers.into_iter().map(async |(mut viewer, from)| {
        read_numbers(&mut viewer, from..lines + 20).await;
    }));
    // Short ones: these do wait in the outbox, if all history has been sent.
    let publish_live = async {
        for number in lines..lines + 20 {
            publish(producer, number, 100).await;
        }
    };
    tokio::join!(read, publish_live);
    eventually("it is closed", async || {
        service.metric("status_proxy_connections_closed_total{cause=\"slow\"}").await == 1.0
    })
    .await;
    drop(stalled);
    let grown = peak_bytes(service.pid()).saturating_sub(before);
    let commands = long_commands(redis).await;
    println!("{} MB more, {} commands over 1 ms: {commands:.1?}", grown >> 20, commands.len());
    assert!(grown < MAX_MEMORY, "{grown} bytes");
    assert!(commands.iter().filter(|duration| **duration > MAX_COMMAND).count() < 5, "{commands:?}");
}

fn lines() -> usize {
    if is_full() { 1000 } else { 100 }
}

#[tokio::test]
async fn a_long_recorded_history_is_read_in_small_pieces_and_sent_as_each_viewer_takes_it() {
    let redis = TestRedis::start().await;
    let vars = [&VARS[..], &[("STATUS_HISTORY", "redis")]].concat();
    let recorder = start_service(&redis, &vars).await;
    let producer = Producer::connect(&redis).await;
    redis.admin("CONFIG SET slowlog-log-slower-than 1000").await;
    for number in 0..lines() {
        publish(&producer, number, LINE_BYTES).await;
    }
    eventually("all are recorded", async || {
        recorder.metric("status_proxy_recorded_lines_total").await == lines() as f64
    })
    .await;
    println!("recorded: {:.1?}", long_commands(&redis).await);
    // An instance that has received none of them.
    let service = start_service(&redis, &vars).await;
    eventually("the recording reaches its start", async || {
        let mut viewer = Viewer::connect(&service, "r:a?history=1").await;
        viewer.next_json().await["recovered"] == true
    })
    .await;
    check_viewers(&redis, &producer, &service, lines()).await;
}

#[tokio::test]
async fn a_long_history_in_memory_is_sent_as_each_viewer_takes_it() {
    let redis = TestRedis::start().await;
    let service = start_service(&redis, &VARS).await;
    let producer = Producer::connect(&redis).await;
    let mut watcher = Viewer::connect(&service, "r:a?history=0").await;
    watcher.next_text().await;
    for number in 0..lines() {
        publish(&producer, number, LINE_BYTES).await;
        read_numbers(&mut watcher, number..number + 1).await;
    }
    drop(watcher);
    check_viewers(&redis, &producer, &service, lines()).await;
}
