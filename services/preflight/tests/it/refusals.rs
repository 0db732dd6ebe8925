//! Redis is there and refuses, and keys hold something else than runs.

use std::path::Path;
use std::time::{Duration, Instant};

use fred::interfaces::{ClientLike, HashesInterface};
use fred::types::Value;
use futures_util::future::join_all;
use test_support::{
    FlakyProxy, ManagedRedis, Refusal, ServiceProcess, TestRedis, eventually, redis_versions,
};

use crate::support::{NOTIFICATIONS, TestEnv, Viewer, start};

/// How long it may take until `/ready` says what is so: 5 s, and twice as long on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);
/// The most log lines for one condition, its end included.
const MAX_LOG_LINES: usize = 20;

/// Waits until `/ready` has this status and contains the text.
async fn wait_until_ready_says(service: &ServiceProcess, what: &str, status: u16, text: &str) {
    let started = Instant::now();
    loop {
        let (now, body) = service.get("/ready").await;
        if now == status && body.contains(text) {
            println!("{:>5} ms: {what}", started.elapsed().as_millis());
            return;
        }
        assert!(started.elapsed() < LIMIT, "{what}: {now} {body}\n{}", service.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What `/ready` says while it lasts. preflight writes its canary only, and polls where it may not subscribe, so there is
/// work that is not refused.
fn expected(refusal: Refusal) -> Option<(u16, &'static str)> {
    match refusal {
        Refusal::ScriptsFlushed | Refusal::HalfOpen => None,
        // The canary cannot be written, or nothing at all: both are told.
        Refusal::Misconf => Some((503, "Redis cannot save to its disk")),
        // Deleting a key is allowed, and the canary is written every 10 s only.
        Refusal::OutOfMemory => None,
        Refusal::ChannelsForbidden => Some((200, "may not be subscribed to, so watched runs are polled")),
        _ => Some((503, refusal.reason()?)),
    }
}

async fn change(redis: &TestRedis, second: &mut u64) {
    *second += 1;
    let producer = redis.client().await;
    producer.hset::<(), _, _>("run", ("timestamps:a", second.to_string())).await.unwrap();
}

/// Every second condition, from this one on.
async fn run_matrix(name: &str, binary: &Path, first: usize) {
    let mut redis = TestRedis::start_binary(binary, &NOTIFICATIONS).await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let service = start(&format!("redis://127.0.0.1:{}", proxy.port()), &[]).await;
    service.wait_until_ready().await;
    let mut viewer = Viewer::connect(&service, "/run").await.unwrap();
    let mut second = 0;
    for refusal in Refusal::all("HSCAN").into_iter().skip(first).step_by(2) {
        let what = format!("{name}, {refusal:?}");
        let lines_before = service.log().lines().count();
        change(&redis, &mut second).await;
        viewer.read_until_modified(second).await;
        refusal.apply(&mut redis, &proxy).await;
        if let Some((status, text)) = expected(refusal) {
            wait_until_ready_says(&service, &format!("{what}: told"), status, text).await;
            assert!(
                service.get("/ready").await.0 == status || matches!(refusal, Refusal::Paused(_)),
                "{what}"
            );
        }
        if refusal == Refusal::ChannelsForbidden {
            change(&redis, &mut second).await;
            viewer.read_until_modified(second).await;
        }
        refusal.lift(&mut redis, &proxy).await;
        let lifted = Instant::now();
        // As some of these conditions would have it, a change that nobody reports.
        change(&redis, &mut second).await;
        wait_until_ready_says(&service, &format!("{what}: green"), 200, "").await;
        viewer.read_until_modified(second).await;
        println!("{:>5} ms: {what}: the change is seen", lifted.elapsed().as_millis());
        assert!(lifted.elapsed() < LIMIT * 2, "{what}");
        let log = service.log();
        let lines: Vec<&str> = log.lines().skip(lines_before).collect();
        println!("{what}: {} log lines", lines.len());
        assert!(lines.len() <= MAX_LOG_LINES, "{what}: {lines:#?}");
        eventually(&format!("{what}: changes are reported again"), async || {
            service.metric("preflight_notifications_enabled").await == 1.0
        })
        .await;
        assert_eq!(service.metric("preflight_connections_closed_total").await, 0.0, "{what}");
    }
}

#[tokio::test]
async fn whatever_redis_refuses_is_told_and_ends_by_itself_and_the_last_change_is_seen() {
    let versions = redis_versions();
    let of_version = |(name, binary)| [0, 1].map(|first| run_matrix(name, binary, first));
    join_all(versions.iter().map(|(name, binary)| (*name, binary.as_path())).flat_map(of_version)).await;
}

#[tokio::test]
async fn a_failover_behind_an_endpoint_that_keeps_old_connections_is_followed() {
    let redis = ManagedRedis::start().await;
    for server in [&redis.first, &redis.second] {
        server.admin("CONFIG SET notify-keyspace-events Kghxe").await;
    }
    let service = start(&redis.url(), &[("PREFLIGHT_RECHECK_INTERVAL", "1h")]).await;
    service.wait_until_ready().await;
    let mut viewer = Viewer::connect(&service, "/run").await.unwrap();
    let mut second = 0;
    change(&redis.first, &mut second).await;
    viewer.read_until_modified(second).await;
    redis.fail_over().await;
    let started = Instant::now();
    change(&redis.second, &mut second).await;
    viewer.read_until_modified(second).await;
    println!("{:>5} ms: the change is seen", started.elapsed().as_millis());
    eventually("the new primary is subscribed to", async || {
        let channels = redis.second.admin("PUBSUB CHANNELS __keyspace@0__:run").await;
        channels.array_len() == Some(1)
    })
    .await;
    assert!(started.elapsed() < LIMIT);
    change(&redis.second, &mut second).await;
    viewer.read_until_modified(second).await;
    service.wait_until_ready().await;
}

#[tokio::test]
async fn the_redis_user_of_the_readme_is_enough() {
    let readme = include_str!("../../README.md");
    let user = readme.lines().find(|line| line.starts_with("ACL SETUSER preflight ")).unwrap();
    let runs = redis_versions().into_iter().map(async |(name, binary)| {
        let redis = TestRedis::start_binary(&binary, &NOTIFICATIONS).await;
        redis.admin(user).await;
        let url = format!("redis://preflight:SECRET@127.0.0.1:{}", redis.port());
        let service = start(&url, &[("PREFLIGHT_RECHECK_INTERVAL", "1h")]).await;
        service.wait_until_ready().await;
        let mut viewer = Viewer::connect(&service, "/run").await.unwrap();
        viewer.next_text().await;
        let mut second = 0;
        for _ in 0..5 {
            change(&redis, &mut second).await;
            viewer.read_until_modified(second).await;
        }
        drop(viewer);
        eventually("the run is forgotten", async || service.metric("preflight_runs").await == 0.0).await;
        let denied = redis.admin("ACL LOG").await;
        assert_eq!(denied.array_len(), Some(0), "{name}: {denied:?}");
        assert_eq!(service.get("/ready").await.1, r#"{"ready":true}"#, "{name}");
    });
    join_all(runs).await;
}

#[tokio::test]
async fn a_key_that_is_no_run_or_has_odd_fields_costs_no_other_run_anything() {
    let env = TestEnv::start(&[]).await;
    let longest = "r".repeat(256);
    let values = [
        ("text", "SET text x"),
        ("list", "RPUSH list x"),
        ("set", "SADD set x"),
        ("sorted", "ZADD sorted 1 x"),
        ("stream", "XADD stream 1-1 a b"),
        ("numbers", "HSET numbers timestamps:a 99999999999999999999999999999999999999999999 locked: true"),
        (longest.as_str(), "PING"),
    ];
    let mut viewers = Vec::new();
    for (run, command) in values {
        env.redis.admin(command).await;
        viewers.push((run, env.watch(run).await));
    }
    let raw = [&b"bytes"[..], b"\xff\xfe", b"\x00\x80", b"timestamps:a", b"\xff"]
        .map(|arg| Value::Bytes(arg.into()));
    env.producer("raw").custom::<(), _>(fred::cmd!("HSET"), raw.to_vec()).await.unwrap();
    viewers.push(("bytes", env.watch("bytes").await));
    let mut neighbour = env.watch("neighbour").await;
    neighbour.next_text().await;
    for (run, viewer) in &mut viewers {
        assert!(viewer.next_checklist().await["last_modified"].is_null(), "{run}");
    }
    for second in 1..=20 {
        for (run, _) in &values[..5] {
            env.producer(run).custom::<(), _>(fred::cmd!("EXPIRE"), vec![*run, "1000"]).await.unwrap();
        }
        env.set("neighbour", "timestamps:a", second).await;
        neighbour.read_until_modified(second).await;
    }
    // A key that becomes a run is one.
    for (run, viewer) in &mut viewers {
        env.redis.admin(&format!("DEL {run}")).await;
        env.set(run, "timestamps:a", 7).await;
        viewer.read_until_modified(7).await;
    }
    assert_eq!(env.service.metric("preflight_read_failures_total").await, 0.0);
}
