//! All kinds of failure at once, on change events with writes, deletes and messages that are too old, in JSON and in Avro.
//! `KAFKA_BROKER_RESTART` is the command that restarts a real broker.

use std::collections::HashMap;
use std::time::Duration;

use fred::interfaces::HashesInterface;
use futures_util::future::join_all;
use test_support::{FlakyProxy, ServiceProcess, TestRedis, eventually, is_full_size};
use tokio::process::Command;

use crate::support::{Kafka, Model, Registry, TRAFFIC_VARS, Wire, World, env_var, random, report_not_run};

const PARTITIONS: usize = 6;
const INSTANCES: usize = 3;
/// The mock cluster keeps only 5 MB of a partition. All messages that are not yet applied can be in one
/// partition.
const MAX_BACKLOG: usize = 25_000;

#[derive(Clone, Copy)]
enum Fault {
    /// Any but the first.
    KillInstance,
    /// The first one stands still, until the others have its partitions. Then it goes on as if it had them.
    FreezeInstance,
    ThawInstance,
    /// A rebalance.
    AddInstance,
    /// Another one.
    RemoveInstance,
    CutRedis,
    RestartBroker,
}

/// Each fault with the number of the message after which it happens.
fn faults(total: usize, kills: usize) -> Vec<(usize, Fault)> {
    let kill_times = (0..kills).map(|kill| ((kill + 1) * total / (kills + 2), Fault::KillInstance));
    let others = [
        (2, Fault::CutRedis),
        (3, Fault::FreezeInstance),
        (5, Fault::ThawInstance),
        (6, Fault::AddInstance),
        (7, Fault::RestartBroker),
        (9, Fault::CutRedis),
        (11, Fault::RemoveInstance),
    ];
    kill_times.chain(others.map(|(twelfth, fault)| (twelfth * total / 12 + 1, fault))).collect()
}

struct Soak {
    world: World,
    proxy: FlakyProxy,
    vars: Vec<(String, String)>,
    instances: Vec<ServiceProcess>,
}

impl Soak {
    async fn spawn_instance(&self) -> ServiceProcess {
        let vars: Vec<(&str, &str)> = self.vars.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.world.spawn_ingester(&vars).await
    }

    async fn count_applied(&self) -> usize {
        let mut count = 0;
        for partition in 0..PARTITIONS as i32 {
            count += self.world.read_state(partition, "applied").await.unwrap_or_default() as usize;
        }
        count
    }

    async fn inject(&mut self, fault: Fault, seed: &mut u64) {
        match fault {
            Fault::KillInstance => {
                let victim = 1 + random(seed, INSTANCES as u64 - 1) as usize;
                self.instances[victim].kill().await;
                self.instances[victim] = self.spawn_instance().await;
            }
            Fault::FreezeInstance => self.instances[0].signal("STOP").await,
            Fault::ThawInstance => {
                eventually("the others have all partitions", async || {
                    let mut partitions = 0.0;
                    for other in &self.instances[1..] {
                        partitions += other.metric("kafka_ingester_partitions").await;
                    }
                    partitions == PARTITIONS as f64
                })
                .await;
                self.instances[0].signal("CONT").await;
            }
            Fault::AddInstance => self.instances.push(self.spawn_instance().await),
            Fault::RemoveInstance => {
                let mut last = self.instances.pop().unwrap();
                assert_eq!(last.terminate().await, 0, "{}", last.log());
            }
            Fault::CutRedis => {
                self.proxy.cut();
                tokio::time::sleep(Duration::from_millis(500)).await;
                self.proxy.restore();
            }
            Fault::RestartBroker => self.restart_broker().await,
        }
    }

    async fn restart_broker(&self) {
        if let Some(mock) = &self.world.kafka.mock {
            mock.stop_broker();
            tokio::time::sleep(Duration::from_millis(500)).await;
            mock.start_broker();
        } else if let Some(command) = env_var("KAFKA_BROKER_RESTART") {
            assert!(Command::new("sh").args(["-c", &command]).status().await.unwrap().success(), "{command}");
        } else {
            report_not_run("the broker's restart in the soak needs KAFKA_BROKER_RESTART, the command for it");
        }
    }

    async fn wait_until_applied(&self, count: usize) {
        eventually("all are applied", async || self.count_applied().await >= count).await;
        assert_eq!(self.count_applied().await, count);
    }

    async fn assert_redis_holds(&self, model: &Model, keys: usize) {
        assert_eq!(self.world.count_dead_letters().await, 0);
        assert_eq!(self.world.read_ids().await.len(), model.hashes.len());
        for battery in 0..keys {
            let key = format!("battery:{battery}:data");
            let hash: HashMap<String, String> = self.world.client.hgetall(&key).await.unwrap();
            assert_eq!(hash, model.hashes.get(&key).cloned().unwrap_or_default(), "{key}");
        }
    }
}

async fn soak(wire: Wire, more_vars: &[(&str, &str)]) {
    let (total, kills) = if is_full_size("KAFKA_INGESTER_TEST_FULL") { (1_000_000, 10) } else { (12_000, 1) };
    let max_backlog = MAX_BACKLOG.min(total / 6);
    let keys = (total / 10).clamp(1, 10_000);
    let mut seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    eprintln!("seed {seed}");

    let world = World::with(Kafka::start(), TestRedis::start().await, PARTITIONS as i32).await;
    let proxy = FlakyProxy::start(world.redis.port()).await;
    let port = proxy.port().to_string();
    let vars = [&TRAFFIC_VARS[..], &[("REDIS_PORT", &port)], more_vars].concat();
    let vars = vars.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut soak = Soak { world, proxy, vars, instances: Vec::new() };
    let notifications = soak.world.subscribe("battery:*").await;
    for _ in 0..INSTANCES {
        soak.instances.push(soak.spawn_instance().await);
    }

    let mut model = Model::default();
    // For each message of a partition, whether it leads to a notification.
    let mut told = vec![Vec::new(); PARTITIONS];
    let mut faults = faults(total, kills);
    for number in 0..total {
        let event = model.next(number as i64, keys as i64, &mut seed);
        let partition = event.battery as usize % PARTITIONS;
        told[partition].push(event.is_told);
        let (key, value) = wire.encode(&event);
        soak.world.kafka.enqueue(&soak.world.topic, partition as i32, Some(&key), value.as_deref());
        if number == total / 2 {
            soak.world.redis.admin("SAVE").await;
        }
        if number % (max_backlog / 10) == 0 {
            eventually("the ingesters keep up", async || {
                number - soak.count_applied().await.min(number) < max_backlog
            })
            .await;
        }
        while let Some(index) = faults.iter().position(|(due, _)| *due <= number) {
            let (_, fault) = faults.swap_remove(index);
            soak.inject(fault, &mut seed).await;
        }
    }
    soak.world.kafka.flush();
    let log_end = |partition| soak.world.kafka.log_end(&soak.world.topic, partition as i32) as usize;
    let in_log: usize = (0..PARTITIONS).map(log_end).sum();
    // If the answer to a batch is lost, the producer sends it again. A real broker drops the second copy; the
    // mock cluster does not.
    let is_exact = in_log == total;
    assert!(is_exact || (in_log > total && soak.world.kafka.mock.is_some()), "{in_log} of {total}");
    soak.wait_until_applied(in_log).await;
    let count = told.iter().flatten().filter(|is_told| **is_told).count();
    eventually("all notifications have come", async || notifications.pending_count() >= count).await;
    // The second copy of a batch leads to the same hashes, but its messages are told again.
    if is_exact {
        assert_eq!(notifications.pending_count(), count);
    }
    soak.assert_redis_holds(&model, keys).await;

    // Redis is restored from the copy of half-way, and is filled from its offsets.
    soak.proxy.cut();
    soak.world.redis.restart().await;
    soak.world.client = soak.world.redis.client().await;
    let mut count = 0;
    for (partition, told) in told.iter().enumerate() {
        let offset = soak.world.read_offset(partition as i32).await.unwrap_or_default() as usize;
        count += told[offset.min(told.len())..].iter().filter(|is_told| **is_told).count();
    }
    assert!(count > 0 && soak.count_applied().await < in_log);
    let notifications = soak.world.subscribe("battery:*").await;
    soak.proxy.restore();
    soak.wait_until_applied(in_log).await;
    eventually("all are told again", async || notifications.pending_count() >= count).await;
    if is_exact {
        assert_eq!(notifications.pending_count(), count);
    }
    soak.assert_redis_holds(&model, keys).await;
    eprintln!("{total} messages, {in_log} in the log, {kills} kills; {count} told again after the copy");
    let codes = join_all(soak.instances.iter_mut().map(ServiceProcess::terminate)).await;
    assert_eq!(codes, [0; INSTANCES]);
}

#[tokio::test]
async fn nothing_in_json_is_lost_or_repeated_through_failures_of_every_kind() {
    soak(Wire::Json, &[]).await;
}

#[tokio::test]
async fn nothing_in_avro_is_lost_or_repeated_through_failures_of_every_kind() {
    let registry = Registry::start().await;
    soak(Wire::avro(&registry), &[("SCHEMA_REGISTRY_URL", &registry.url())]).await;
}
