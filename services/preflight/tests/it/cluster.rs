//! A Redis Cluster, in which each shard tells of its own runs only.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fred::interfaces::HashesInterface;
use parking_lot::Mutex;
use redis_core::key::hash_slot;
use redis_core::{Needs, Redis, RedisError};
use test_support::{RedisCluster, ServiceProcess, eventually};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::support::{NOTIFICATIONS, Viewer, is_full_size, start};

/// Three runs, one on each shard: their slots are 500, 8,630 and 12,695.
const RUNS: [&str; 3] = ["run-2", "run-0", "run-1"];

/// Only notifications show a change in time.
const NO_RECHECK: (&str, &str) = ("PREFLIGHT_RECHECK_INTERVAL", "1h");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_redis_user_of_the_readme_is_enough() {
    let cluster = RedisCluster::start_with(&NOTIFICATIONS).await;
    cluster.set_user(include_str!("../../README.md")).await;
    let service = start(&cluster.url_of("preflight"), &[NO_RECHECK]).await;
    service.wait_until_ready().await;
    let load = Load::start(&cluster, &service).await;
    load.all_see_changes().await;
    cluster.assert_nothing_denied().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_seen_through_a_kill_a_reshard_an_added_node_and_a_planned_failover() {
    let mut cluster = RedisCluster::start_with(&NOTIFICATIONS).await;
    let service = start(&cluster.url(), &[NO_RECHECK]).await;
    service.wait_until_ready().await;
    let load = Load::start(&cluster, &service).await;
    load.all_see_changes().await;

    // The shard of the first run is killed: the others see every change as before.
    let killed = cluster.owner(0).await;
    cluster.kill_without_failover(killed).await;
    eventually("/ready names the shard", async || {
        let (status, body) = service.get("/ready").await;
        status == 503 && body.contains(&format!("shard of 127.0.0.1:{}", cluster.nodes[killed].port()))
    })
    .await;
    load.reset_lags();
    cluster.allow_failover().await;
    cluster.wait_for_failover(0, killed).await;
    load.sees_changes(0).await;
    service.wait_until_ready().await;
    let lags = load.lags();
    println!("a primary killed: at most {lags:?} until a change was seen, by run; {:?}", load.errors());
    assert_eq!(load.errors()[1..], [BTreeSet::new(), BTreeSet::new()], "others' producers");
    assert!(lags[1..].iter().all(|lag| *lag < Duration::from_secs(2)), "others waited too: {lags:?}");
    cluster.nodes[killed].restart().await;
    cluster.wait_until_stable().await;

    let (from, to) = (cluster.owner(0).await, cluster.add_node().await);
    let slots = if is_full_size() { 4_000 } else { hash_slot(RUNS[0]) + 20 };
    load.reset_lags();
    cluster.move_slots(slots, from, to).await;
    load.all_see_changes().await;
    println!("{slots} slots moved to an added node: at most {:?}", load.lags());

    load.reset_lags();
    cluster.fail_over(cluster.owner(8_000).await).await;
    load.all_see_changes().await;
    println!("CLUSTER FAILOVER: at most {:?}", load.lags());
    load.finish().await;
    assert_eq!(service.metric("preflight_connections_closed_total").await, 0.0);
}

#[tokio::test]
async fn a_promoted_replica_that_reports_nothing_is_named_and_its_runs_are_polled() {
    let cluster = RedisCluster::start_with(&NOTIFICATIONS).await;
    let service = start(&cluster.url(), &[NO_RECHECK, ("PREFLIGHT_POLL_INTERVAL", "300ms")]).await;
    service.wait_until_ready().await;
    let redis = connect(&cluster).await;
    let mut viewer = Viewer::connect(&service, &format!("/{}", RUNS[0])).await.unwrap();
    let old = cluster.owner(0).await;
    for (number, node) in cluster.nodes.iter().enumerate() {
        if number != old && !cluster.primaries().await.contains(&number) {
            node.admin("CONFIG SET notify-keyspace-events K").await;
        }
    }
    let new = cluster.fail_over(old).await;
    let note = format!("shard of 127.0.0.1:{}: keyspace notifications are off", cluster.nodes[new].port());
    eventually("/ready names the shard", async || {
        let (status, body) = service.get("/ready").await;
        status == 200 && body.contains(&note)
    })
    .await;
    set(&redis, RUNS[0], 7).await.unwrap();
    viewer.read_until_modified(7).await;
    cluster.nodes[new].admin("CONFIG SET notify-keyspace-events Kghxe").await;
    eventually("the note goes", async || !service.get("/ready").await.1.contains(&note)).await;
}

async fn connect(cluster: &RedisCluster) -> Redis {
    let redis = Redis::connect(&cluster.url().parse().unwrap(), Needs::default()).unwrap();
    eventually("the producer is connected", async || redis.state().borrow().is_ok()).await;
    redis
}

async fn set(redis: &Redis, run: &str, number: u64) -> Result<(), RedisError> {
    let write = |client: fred::clients::Client| async move {
        client.hset::<(), _, _>(run, ("timestamps:a", number.to_string())).await
    };
    redis.run(run, write).await
}

/// For each run a producer that counts up, and a viewer.
struct Load {
    runs: Vec<Arc<Progress>>,
    stop: Arc<AtomicBool>,
    producers: Vec<JoinHandle<()>>,
    viewers: Vec<JoinHandle<()>>,
    redis: Redis,
}

#[derive(Default)]
struct Progress {
    acknowledged: AtomicU64,
    seen: AtomicU64,
    /// The changes that were acknowledged and not seen yet.
    unseen: Mutex<VecDeque<(u64, Instant)>>,
    longest_lag: Mutex<Duration>,
    errors: Mutex<BTreeSet<String>>,
}

impl Load {
    async fn start(cluster: &RedisCluster, service: &ServiceProcess) -> Self {
        let redis = connect(cluster).await;
        let (runs, stop) = (RUNS.map(|_| Arc::<Progress>::default()).to_vec(), Arc::<AtomicBool>::default());
        let mut load = Self { runs, stop, producers: Vec::new(), viewers: Vec::new(), redis };
        for (run, progress) in RUNS.into_iter().zip(&load.runs) {
            let viewer = Viewer::connect(service, &format!("/{run}")).await.unwrap();
            load.viewers.push(tokio::spawn(watch(viewer, Arc::clone(progress))));
            let (redis, stop, progress) = (load.redis.clone(), Arc::clone(&load.stop), Arc::clone(progress));
            load.producers.push(tokio::spawn(async move {
                for number in 1_u64.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    match set(&redis, run, number).await {
                        Ok(()) => progress.acknowledge(number),
                        Err(error) => drop(progress.errors.lock().insert(error.to_string())),
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            }));
        }
        load
    }

    async fn sees_changes(&self, run: usize) {
        let progress = &self.runs[run];
        let before = progress.acknowledged.load(Ordering::Relaxed);
        eventually("a later change is acknowledged and seen", async || {
            progress.seen.load(Ordering::Relaxed) > before + 3
        })
        .await;
    }

    async fn all_see_changes(&self) {
        for run in 0..RUNS.len() {
            self.sees_changes(run).await;
        }
    }

    fn reset_lags(&self) {
        for progress in &self.runs {
            *progress.longest_lag.lock() = Duration::ZERO;
        }
    }

    /// The longest time of each run from an acknowledgement until the change was seen.
    fn lags(&self) -> Vec<Duration> {
        self.runs.iter().map(|progress| progress.lag()).collect()
    }

    fn errors(&self) -> Vec<BTreeSet<String>> {
        self.runs.iter().map(|progress| progress.errors.lock().clone()).collect()
    }

    /// The last state of each run is seen.
    async fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        for producer in self.producers {
            producer.await.unwrap();
        }
        for (run, progress) in RUNS.into_iter().zip(&self.runs) {
            let read = |client: fred::clients::Client| async move {
                client.hget::<u64, _, _>(run, "timestamps:a").await
            };
            let last = self.redis.run(run, read).await.unwrap();
            eventually("the last state is seen", async || progress.seen.load(Ordering::Relaxed) == last)
                .await;
        }
        for viewer in self.viewers {
            viewer.abort();
        }
    }
}

impl Progress {
    fn acknowledge(&self, number: u64) {
        self.acknowledged.store(number, Ordering::Relaxed);
        if self.seen.load(Ordering::Relaxed) < number {
            self.unseen.lock().push_back((number, Instant::now()));
        }
    }

    fn see(&self, shown: u64) {
        self.seen.store(shown, Ordering::Relaxed);
        let mut unseen = self.unseen.lock();
        while let Some((_, since)) = unseen.pop_front_if(|(number, _)| *number <= shown) {
            let mut longest = self.longest_lag.lock();
            *longest = longest.max(since.elapsed());
        }
    }

    fn lag(&self) -> Duration {
        let waits = self.unseen.lock().front().map(|(_, since)| since.elapsed());
        self.longest_lag.lock().max(waits.unwrap_or_default())
    }
}

async fn watch(mut viewer: Viewer, progress: Arc<Progress>) {
    loop {
        let checklist = viewer.next_checklist_or_end().await.expect("the socket stays open");
        if let Some(shown) = checklist["last_modified"].as_u64() {
            progress.see(shown);
        }
    }
}
