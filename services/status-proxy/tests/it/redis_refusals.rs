//! Redis is there and refuses: everything, some commands, or some channels.

use std::path::Path;
use std::time::{Duration, Instant};

use test_support::{
    FlakyProxy, ManagedRedis, Refusal, ServiceProcess, TestRedis, eventually, redis_versions,
};

use crate::support::{BINARY, Producer, Viewer, start_service};

/// How long it may take until `/ready` says what is so: 5 s, and twice as long on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);
/// The most log lines for one condition, its end included.
const MAX_LOG_LINES: usize = 20;

/// Waits until `/ready` is as wanted.
async fn wait_until_ready_says(service: &ServiceProcess, what: &str, is_so: impl Fn(u16, &str) -> bool) {
    let started = Instant::now();
    loop {
        let (status, body) = service.get("/ready").await;
        if is_so(status, &body) {
            println!("{:>5} ms: {what}", started.elapsed().as_millis());
            return;
        }
        assert!(started.elapsed() < LIMIT, "{what}: {status} {body}\n{}", service.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A viewer of numbered lines who is told of each that is missing.
struct NumberedViewer {
    viewer: Viewer,
    next: usize,
    gap: bool,
}

impl NumberedViewer {
    async fn connect(service: &ServiceProcess) -> Self {
        let mut viewer = Viewer::connect(service, "r:a?history=0").await;
        viewer.next_text().await;
        Self { viewer, next: 0, gap: false }
    }

    /// Reads what has arrived. Fails if a line is missing without a gap, or came twice.
    async fn read(&mut self) {
        while let Ok(frame) = tokio::time::timeout(Duration::from_millis(100), self.viewer.next_json()).await
        {
            if frame["type"] == "gap" {
                self.gap = true;
                continue;
            }
            let number: usize = frame["data"].as_str().unwrap().parse().unwrap();
            assert!(number == self.next || (self.gap && number > self.next), "{frame} after {}", self.next);
            (self.next, self.gap) = (number + 1, false);
        }
    }
}

/// Publishes the next number, and returns how many there are.
async fn publish(redis: &TestRedis, number: &mut usize) -> usize {
    Producer::connect(redis).await.publish("r:a", number.to_string()).await;
    *number += 1;
    *number
}

async fn run_matrix(history: &str, name: &str, binary: &Path) {
    let mut redis = TestRedis::start_binary(binary, &[]).await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let service = start_service(&redis, &[("STATUS_HISTORY", history), ("REDIS_URL", &url)]).await;
    let mut viewer = NumberedViewer::connect(&service).await;
    let mut number = 0;
    let command = if history == "redis" { "XADD" } else { "PUBLISH" };
    for refusal in Refusal::all(command) {
        let what = format!("{name}, {history}, {refusal:?}");
        let lines_before = service.log().lines().count();
        publish(&redis, &mut number).await;
        refusal.apply(&mut redis, &proxy).await;
        // Without a recording nothing is written.
        let is_refused = history == "redis" || !matches!(refusal, Refusal::Misconf | Refusal::OutOfMemory);
        if let Some(reason) = refusal.reason().filter(|_| is_refused && refusal.lasts()) {
            wait_until_ready_says(&service, &format!("{what}: red"), |status, body| {
                status == 503 && body.contains(reason)
            })
            .await;
        }
        if !matches!(refusal, Refusal::Loading | Refusal::Paused(_)) {
            publish(&redis, &mut number).await;
        }
        if refusal.reason().is_some()
            && is_refused
            && refusal.lasts()
            && !matches!(refusal, Refusal::Paused(_))
        {
            assert_eq!(service.get("/ready").await.0, 503, "{what} lasts");
        }
        refusal.lift(&mut redis, &proxy).await;
        wait_until_ready_says(&service, &format!("{what}: green"), |status, _| status == 200).await;
        let lifted = Instant::now();
        loop {
            let last = publish(&redis, &mut number).await;
            viewer.read().await;
            if viewer.next == last {
                break;
            }
            assert!(lifted.elapsed() < LIMIT, "{what}: {last} lines, the next is {}", viewer.next);
        }
        println!("{:>5} ms: {what}: a line arrives", lifted.elapsed().as_millis());
        wait_until_ready_says(&service, &format!("{what}: green at the end"), |status, _| status == 200)
            .await;
        let log = service.log();
        let lines: Vec<&str> = log.lines().skip(lines_before).collect();
        println!("{what}: {} log lines", lines.len());
        assert!(lines.len() <= MAX_LOG_LINES, "{what}: {lines:#?}");
    }
}

#[tokio::test]
async fn whatever_redis_refuses_is_told_and_ends_by_itself_and_no_line_is_missing_without_a_gap() {
    let versions = redis_versions();
    let runs = versions
        .iter()
        .flat_map(|(name, binary)| ["memory", "redis"].map(|history| run_matrix(history, name, binary)));
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn a_failover_behind_an_endpoint_that_keeps_old_connections_is_followed_and_missed_lines_are_a_gap() {
    for history in ["memory", "redis"] {
        let redis = ManagedRedis::start().await;
        let vars = [("STATUS_HISTORY", history), ("REDIS_URL", &redis.url())];
        let service = start_service(&redis.first, &vars).await;
        let mut viewer = NumberedViewer::connect(&service).await;
        let mut number = 0;
        for _ in 0..10 {
            publish(&redis.first, &mut number).await;
        }
        viewer.read().await;
        redis.fail_over().await;
        let started = Instant::now();
        loop {
            // Of the new primary's own subscribers. The old one passes its messages on.
            let receivers = Producer::connect(&redis.second).await.publish("r:a", number.to_string()).await;
            number += 1;
            viewer.read().await;
            if receivers > 0 && viewer.next == number {
                break;
            }
            assert!(started.elapsed() < LIMIT, "{history}: {number} lines, the next is {}", viewer.next);
        }
        println!("{:>5} ms: {history}: at the new primary", started.elapsed().as_millis());
        wait_until_ready_says(&service, history, |status, _| status == 200).await;
    }
}

#[tokio::test]
async fn a_viewer_of_a_forbidden_channel_is_403_and_nobody_else_notices() {
    let redis = TestRedis::start().await;
    let user = "ACL SETUSER limited on >key ~* +@all resetchannels &status-proxy/* &other:*";
    redis.admin(&format!("{user} &ok:*")).await;
    let url = format!("redis://limited:key@127.0.0.1:{}", redis.port());
    let service = start_service(&redis, &[("REDIS_URL", &url)]).await;
    let producer = Producer::connect(&redis).await;
    let mut viewer = Viewer::connect(&service, "ok:a,b?history=0").await;
    viewer.next_text().await;
    viewer.next_text().await;
    let mut other = Viewer::connect(&service, "other:a").await;
    for number in 0..20 {
        assert_eq!(Viewer::refused_status(service.port(), &format!("no:{number}"), &[]).await, 403);
        producer.publish("ok:b", number.to_string()).await;
        assert_eq!(viewer.next_line().await, number.to_string());
    }
    assert_eq!(service.metric("status_proxy_gaps_total").await, 0.0);
    assert_eq!(service.get("/ready").await.0, 200);

    // What was allowed is forbidden, and allowed again: those who watch it stay, and are told.
    redis.admin(user).await;
    eventually("the channel is refused", async || Viewer::connect_to(service.port(), "ok:a").await.is_err())
        .await;
    eventually("the other channel is subscribed", async || producer.publish("other:a", "x").await == 1).await;
    assert_eq!(other.next_line().await, "x");
    redis.admin(&format!("{user} &ok:*")).await;
    eventually("the channel is subscribed again", async || producer.publish("ok:a", "again").await == 1)
        .await;
    assert_eq!(viewer.next_line_after_gaps().await, "again");
    service.wait_until_ready().await;
}

#[tokio::test]
async fn with_history_in_redis_a_permission_that_was_taken_and_given_again_is_told_as_a_gap() {
    let redis = TestRedis::start().await;
    let user = "ACL SETUSER limited on >key ~* +@all resetchannels &status-proxy/*";
    redis.admin(&format!("{user} &*:*")).await;
    let url = format!("redis://limited:key@127.0.0.1:{}", redis.port());
    let service = start_service(&redis, &[("REDIS_URL", &url), ("STATUS_HISTORY", "redis")]).await;
    let producer = Producer::connect(&redis).await;
    let mut viewer = Viewer::connect(&service, "r:a?history=0").await;
    viewer.next_text().await;
    producer.publish("r:a", "before").await;
    assert_eq!(viewer.next_line().await, "before");
    redis.admin(user).await;
    eventually("it is told", async || service.get("/ready").await.0 == 503).await;
    producer.publish("r:a", "missed").await;
    redis.admin(&format!("{user} &*:*")).await;
    service.wait_until_ready().await;
    producer.publish("r:a", "after").await;
    assert_eq!(viewer.next_json().await["type"], "gap", "a line was missed");
    assert_eq!(viewer.next_line_after_gaps().await, "after");
    eventually("lines are recorded again", async || {
        let mut late = Viewer::connect(&service, "r:a?history=1").await;
        late.next_json().await["recovered"] == true && late.next_line().await == "after"
    })
    .await;
}

#[tokio::test]
async fn the_redis_user_of_the_readme_is_enough() {
    let versions = redis_versions();
    let runs = versions.iter().flat_map(|(name, binary)| {
        ["memory", "redis"].map(|history| check_readme_user(history, name, binary))
    });
    futures_util::future::join_all(runs).await;
}

async fn check_readme_user(history: &str, name: &str, binary: &Path) {
    let readme = include_str!("../../README.md");
    let user = readme.lines().find(|line| line.starts_with("ACL SETUSER status-proxy ")).unwrap();
    let redis = TestRedis::start_binary(binary, &[]).await;
    redis.admin(user).await;
    let url = format!("redis://status-proxy:SECRET@127.0.0.1:{}", redis.port());
    let service = ServiceProcess::start(BINARY, &[("REDIS_URL", &url), ("STATUS_HISTORY", history)]).await;
    service.wait_until_ready().await;
    let producer = Producer::connect(&redis).await;
    let mut viewer = Viewer::connect(&service, "r:a?history=0").await;
    viewer.next_text().await;
    producer.publish_all("r:a", 100).await;
    for number in 0..100 {
        assert_eq!(viewer.next_line().await, number.to_string());
    }
    viewer.close().await;
    let mut late = Viewer::connect(&service, "r:a?history=50").await;
    assert_eq!(late.next_text().await, r#"{"type":"resume","recovered":true}"#);
    eventually("a probe has arrived", async || {
        service.metric("status_proxy_probe_seconds_count").await >= 1.0
    })
    .await;
    if history == "redis" {
        eventually("lines are recorded", async || {
            service.metric("status_proxy_recorded_lines_total").await == 100.0
        })
        .await;
    }
    let denied = redis.admin("ACL LOG").await;
    assert_eq!(denied.array_len(), Some(0), "{name}, {history}: {denied:?}");
    assert_eq!(service.get("/ready").await.1, r#"{"ready":true}"#);
}
