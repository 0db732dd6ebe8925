//! Failovers by Sentinel while a run changes all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use fred::interfaces::HashesInterface;
use redis_core::{RedisConfig, connect};
use test_support::{Loss, TestSentinel, eventually};
use tokio::time::sleep;

use crate::support::{Viewer, is_full_size, start};

/// What a viewer has seen in all rounds.
struct Outcome {
    /// Checklists that were older than one that was shown before and that a replica had confirmed.
    set_back: u64,
    /// The longest time from the producer's acknowledgement until the viewer saw the change.
    longest_lag: Duration,
}

fn rounds() -> usize {
    if is_full_size() { 10 } else { 1 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_the_primary_viewers_stay_connected_and_see_every_confirmed_change() {
    let outcomes = tokio::join!(run(Loss::Killed, "1"), run(Loss::Hung, "1"), run(Loss::Planned, "1"));
    for outcome in <[Outcome; 3]>::from(outcomes) {
        assert_eq!(outcome.set_back, 0, "nothing older than acknowledged is shown");
        assert!(outcome.longest_lag < Duration::from_secs(60), "{:?}", outcome.longest_lag);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failover_loses_in_redis_is_gone_for_viewers_too_and_they_see_what_is_there() {
    let outcomes = tokio::join!(run(Loss::Killed, "0"), run(Loss::Planned, "0"));
    for outcome in <[Outcome; 2]>::from(outcomes) {
        assert!(outcome.longest_lag < Duration::from_secs(60), "{:?}", outcome.longest_lag);
    }
}

/// What the producer and the viewer have got to.
#[derive(Default)]
struct Progress {
    stop: AtomicBool,
    acknowledged: AtomicU64,
    seen: AtomicU64,
    set_back: AtomicU64,
}

async fn run(loss: Loss, wait_replicas: &'static str) -> Outcome {
    let mut sentinel = TestSentinel::start(3).await;
    report_changes(&sentinel).await;
    let service = start(&sentinel.url(), &[("PREFLIGHT_RECHECK_INTERVAL", "1h")]).await;
    service.wait_until_ready().await;
    let viewer = Viewer::connect(&service, "/run").await.unwrap();
    let progress = Arc::new(Progress::default());
    let producer = tokio::spawn(produce(sentinel.url(), wait_replicas, Arc::clone(&progress)));
    let watcher = tokio::spawn(watch(viewer, Arc::clone(&progress)));
    let mut longest_lag = Duration::ZERO;
    for _ in 0..rounds() {
        longest_lag = longest_lag.max(lag(&progress).await);
        let old = sentinel.lose_primary(loss).await;
        sentinel.recover(loss, old).await;
        report_changes(&sentinel).await;
        sentinel.wait_until_stable().await;
        longest_lag = longest_lag.max(lag(&progress).await);
    }
    progress.stop.store(true, Ordering::Relaxed);
    producer.await.unwrap();
    let last = sentinel.servers[sentinel.primary().await].client().await;
    let last: u64 = last.hget("run", "timestamps:a").await.unwrap();
    eventually("the last state is seen", async || progress.seen.load(Ordering::Relaxed) == last).await;
    assert_eq!(service.metric("preflight_connections_closed_total").await, 0.0);
    watcher.abort();
    let set_back = progress.set_back.load(Ordering::Relaxed);
    println!(
        "{loss:?}, {} rounds, the producer waits for {wait_replicas} replicas: {last} changes, {set_back} checklists older \
         than acknowledged, at most {longest_lag:.1?} until a change was seen",
        rounds()
    );
    Outcome { set_back, longest_lag }
}

/// A server that is started again has forgotten it.
async fn report_changes(sentinel: &TestSentinel) {
    for server in &sentinel.servers {
        server.admin("CONFIG SET notify-keyspace-events Kghxe").await;
    }
}

/// How long it takes until the viewer has seen what is acknowledged next.
async fn lag(progress: &Progress) -> Duration {
    let before = progress.acknowledged.load(Ordering::Relaxed);
    eventually("changes are acknowledged", async || {
        progress.acknowledged.load(Ordering::Relaxed) > before + 10
    })
    .await;
    let (acknowledged, since) = (progress.acknowledged.load(Ordering::Relaxed), Instant::now());
    eventually("the viewer sees it", async || progress.seen.load(Ordering::Relaxed) >= acknowledged).await;
    since.elapsed()
}

#[derive(Parser)]
struct ProducerSettings {
    #[command(flatten)]
    redis: RedisConfig,
}

/// Counts up. With a replica that confirms, it knows what no failover loses.
async fn produce(url: String, wait_replicas: &str, progress: Arc<Progress>) {
    let args = ["producer", &format!("--redis-url={url}"), &format!("--redis-wait-replicas={wait_replicas}")];
    let config = ProducerSettings::parse_from(args).redis;
    let pool = connect::pool(&config).unwrap().client;
    for number in 1.. {
        if progress.stop.load(Ordering::Relaxed) {
            return;
        }
        let client = pool.next();
        let write = client.hset::<(), _, _>("run", ("timestamps:a", number.to_string()));
        if config.wait_replicas().confirm(client, write).await.is_ok() {
            progress.acknowledged.store(number, Ordering::Relaxed);
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn watch(mut viewer: Viewer, progress: Arc<Progress>) {
    // What was both shown and acknowledged.
    let mut confirmed = 0;
    loop {
        let checklist = viewer.next_checklist_or_end().await.expect("the socket stays open");
        let Some(shown) = checklist["last_modified"].as_u64() else { continue };
        if shown < confirmed {
            progress.set_back.fetch_add(1, Ordering::Relaxed);
        }
        progress.seen.store(shown, Ordering::Relaxed);
        confirmed = confirmed.max(shown.min(progress.acknowledged.load(Ordering::Relaxed)));
    }
}
