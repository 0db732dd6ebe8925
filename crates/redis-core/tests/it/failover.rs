//! Writes through failovers: by Sentinel, and of a managed endpoint.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fred::clients::Pool;
use fred::interfaces::{EventInterface, HashesInterface, KeysInterface, ListInterface, PubsubInterface};
use parking_lot::Mutex;
use redis_core::{Connection, RedisConfig, connect};
use test_support::{Loss, ManagedRedis, TestSentinel, eventually, eventually_ok, is_full_size};

use crate::{healed, parse};

/// `REDIS_CORE_TEST_FULL=1`: as many as the issue asks for.
fn rounds() -> usize {
    if is_full_size("REDIS_CORE_TEST_FULL") { 10 } else { 2 }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_that_a_replica_has_is_lost_when_the_primary_is_killed() {
    assert!(run(Loss::Killed, 3, 1, 1).await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_that_a_replica_has_is_lost_when_the_primary_hangs() {
    assert!(run(Loss::Hung, 1, 1, 1).await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_that_a_replica_has_is_lost_in_a_planned_failover() {
    assert!(run(Loss::Planned, 3, 1, 1).await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_that_all_of_two_replicas_have_is_lost_in_a_planned_failover() {
    assert!(run(Loss::Planned, 3, 2, 2).await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_without_wait_is_bounded_by_the_switch() {
    let outcomes =
        tokio::join!(run(Loss::Killed, 3, 1, 0), run(Loss::Hung, 3, 1, 0), run(Loss::Planned, 3, 1, 0));
    for outcome in <[Outcome; 3]>::from(outcomes) {
        assert!(outcome.longest_loss < Duration::from_secs(5), "{outcome:?}");
    }
}

#[derive(Debug, Default)]
struct Outcome {
    acknowledged: usize,
    lost: usize,
    /// Reads that did not see an acknowledged write.
    older: usize,
    /// From the first to the last acknowledgement of what one failover lost.
    longest_loss: Duration,
    /// From the loss of the primary to the next acknowledgement.
    longest_pause: Duration,
}

impl Outcome {
    fn is_clean(&self) -> bool {
        (self.lost, self.older) == (0, 0)
    }
}

async fn run(loss: Loss, sentinels: usize, replicas: usize, wait: u8) -> Outcome {
    let mut redis = TestSentinel::start_with_replicas(sentinels, replicas).await;
    let args = [format!("--redis-url={}", redis.url()), format!("--redis-wait-replicas={wait}")];
    let config = parse(&args);
    let pool = connect::pool(&config).unwrap();
    let mut outcome = Outcome::default();
    for round in 0..rounds() {
        healed(&pool).await;
        redis.wait_until_stable().await;
        let load = Load::start(&config, &pool, round);
        eventually("writes are acknowledged", async || load.acknowledged.lock().len() > 20).await;
        let lost_at = Instant::now();
        let old = redis.lose_primary(loss).await;
        if wait == 0 {
            acknowledge_more(&load).await;
        }
        redis.recover(loss, old).await;
        // With WAIT nothing is acknowledged before there is a replica again.
        acknowledge_more(&load).await;
        redis.wait_until_stable().await;
        load.finish(&pool, lost_at, &mut outcome).await;
    }
    println!("{loss:?}, {sentinels} sentinels, {replicas} replicas, REDIS_WAIT_REPLICAS={wait}: {outcome:?}");
    outcome
}

async fn acknowledge_more(load: &Load) {
    let before = load.acknowledged.lock().len();
    eventually("writes are acknowledged again", async || load.acknowledged.lock().len() > before + 20).await;
}

/// Writers, each of which sets one field after the other and reads it back.
struct Load {
    key: String,
    acknowledged: Arc<Mutex<Vec<(String, Instant)>>>,
    older: Arc<Mutex<usize>>,
    stop: Arc<AtomicBool>,
    writers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(config: &RedisConfig, pool: &Connection<Pool>, round: usize) -> Self {
        let key = format!("load:{round}");
        let (acknowledged, older, stop) = (Arc::default(), Arc::default(), Arc::default());
        let mut load = Self { key, acknowledged, older, stop, writers: Vec::new() };
        for writer in 0..4 {
            let (pool, wait, key) = (pool.client.clone(), config.wait_replicas(), load.key.clone());
            let (acknowledged, older) = (Arc::clone(&load.acknowledged), Arc::clone(&load.older));
            let stop = Arc::clone(&load.stop);
            load.writers.push(tokio::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let (client, field) = (pool.next(), format!("{writer}:{number}"));
                    let write = client.hset::<(), _, _>(&key, (field.clone(), "x"));
                    if wait.confirm(client, write).await.is_ok() {
                        acknowledged.lock().push((field.clone(), Instant::now()));
                        if pool.next().hexists::<bool, _, _>(&key, &field).await.is_ok_and(|found| !found) {
                            *older.lock() += 1;
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }));
        }
        load
    }

    async fn finish(self, pool: &Connection<Pool>, lost_at: Instant, outcome: &mut Outcome) {
        self.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            writer.await.unwrap();
        }
        let read = async || pool.client.hkeys::<HashSet<String>, _>(&self.key).await;
        let kept = eventually_ok("the writes can be read", read).await;
        let acknowledged = self.acknowledged.lock();
        let lost: Vec<Instant> =
            acknowledged.iter().filter(|(field, _)| !kept.contains(field)).map(|(_, time)| *time).collect();
        let times: Vec<Instant> =
            acknowledged.iter().map(|(_, time)| *time).filter(|time| *time > lost_at).collect();
        let pause = times.windows(2).map(|pair| pair[1].duration_since(pair[0])).max().unwrap_or_default();
        let loss = lost.iter().max().zip(lost.iter().min()).map(|(last, first)| *last - *first);
        outcome.acknowledged += acknowledged.len();
        outcome.lost += lost.len();
        outcome.older += *self.older.lock();
        outcome.longest_loss = outcome.longest_loss.max(loss.unwrap_or_default());
        outcome.longest_pause = outcome.longest_pause.max(pause);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_on_within_five_seconds_after_a_managed_failover() {
    let redis = ManagedRedis::start().await;
    let config = parse(&[format!("--redis-url={}", redis.url())]);
    let pool = connect::pool(&config).unwrap();
    let (blocking, subscriber) = (connect::client(&config).unwrap(), connect::subscriber(&config).unwrap());
    healed(&pool).await;
    eventually_ok("the subscriber is connected", async || subscriber.state.borrow().clone()).await;
    subscriber.client.subscribe("news").await.unwrap();
    let messages = Mutex::new(subscriber.client.message_rx());
    let popped = Arc::new(Mutex::new(Vec::<String>::new()));
    let pops = Arc::clone(&popped);
    let reader = tokio::spawn(async move {
        loop {
            match blocking.client.blpop::<Option<(String, String)>, _>("jobs", 5.0).await {
                Ok(job) => pops.lock().extend(job.map(|(_, value)| value)),
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
    });
    pool.client.rpush::<(), _, _>("jobs", "first").await.unwrap();
    eventually("the first job is read", async || *popped.lock() == ["first"]).await;

    redis.fail_over().await;
    let failed_over = Instant::now();
    eventually("a write succeeds", async || {
        pool.client.set::<(), _, _>("k", "v", None, None, false).await.is_ok()
    })
    .await;
    eventually("a job is read", async || {
        let _ = pool.client.rpush::<(), _, _>("jobs", "second").await;
        popped.lock().iter().any(|job| job == "second")
    })
    .await;
    let new = redis.second.client().await;
    eventually("a message is heard", async || {
        new.publish::<(), _, _>("news", "hello").await.unwrap();
        messages.lock().try_recv().is_ok()
    })
    .await;
    println!("after {:?}", failed_over.elapsed());
    assert!(failed_over.elapsed() < Duration::from_secs(10), "5 s, and twice as long on a busy machine");
    reader.abort();
}
