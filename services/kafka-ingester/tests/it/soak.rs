//! All kinds of failure at once, on writes, deletes and messages that are too old. `KAFKA_INGESTER_MESSAGES` and `KAFKA_INGESTER_KILLS` set the size.
//! `KAFKA_BROKER_RESTART` is the command that restarts a real broker.

use std::collections::HashMap;
use std::time::Duration;

use fred::interfaces::HashesInterface;
use test_support::{FlakyProxy, ServiceProcess, TestRedis, eventually};
use tokio::process::Command;

use crate::support::{Kafka, Model, TRAFFIC_VARS, World, env_var, random, report_not_run};

const PARTITIONS: i64 = 6;
const INSTANCES: usize = 3;
/// The mock cluster keeps only 5 MB of a partition. All messages that are not yet applied can be in one
/// partition.
const MAX_BACKLOG: i64 = 25_000;

#[derive(Clone, Copy)]
enum Fault {
    KillInstance,
    CutRedis,
    RestartBroker,
}

async fn count_applied(world: &World) -> i64 {
    let fields: Vec<String> = (0..PARTITIONS).map(|partition| format!("{partition}:applied")).collect();
    let counts: Vec<Option<i64>> = world.client.hmget(world.offsets_key(), fields).await.unwrap();
    counts.into_iter().flatten().sum()
}

async fn restart_broker(kafka: &Kafka) {
    if let Some(mock) = &kafka.mock {
        mock.broker_down(1).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        mock.broker_up(1).unwrap();
    } else if let Some(command) = env_var("KAFKA_BROKER_RESTART") {
        assert!(Command::new("sh").args(["-c", &command]).status().await.unwrap().success(), "{command}");
    } else {
        report_not_run("the broker's restart in the soak needs KAFKA_BROKER_RESTART, the command for it");
    }
}

async fn spawn_instance(world: &World, redis_port: &str) -> ServiceProcess {
    world.spawn_ingester(&[&TRAFFIC_VARS[..], &[("REDIS_PORT", redis_port)]].concat()).await
}

async fn assert_redis_holds(world: &World, model: &Model, keys: i64) {
    assert_eq!(world.count_dead_letters().await, 0);
    assert_eq!(world.read_ids().await.len(), model.hashes.len());
    for battery in 0..keys {
        let key = format!("battery:{battery}:data");
        let hash: HashMap<String, String> = world.client.hgetall(&key).await.unwrap();
        assert_eq!(hash, model.hashes.get(&key).cloned().unwrap_or_default(), "{key}");
    }
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_through_kills_cuts_and_a_broker_restart() {
    let total: i64 = env_var("KAFKA_INGESTER_MESSAGES").map_or(30_000, |text| text.parse().unwrap());
    let kills: i64 = env_var("KAFKA_INGESTER_KILLS").map_or(3, |text| text.parse().unwrap());
    let keys = (total / 10).clamp(1, 10_000);
    let mut seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    eprintln!("seed {seed}");

    let mut world = World::with(Kafka::start(), TestRedis::start().await, PARTITIONS as i32).await;
    let proxy = FlakyProxy::start(world.redis.port()).await;
    let port = proxy.port().to_string();
    let notifications = world.subscribe("battery:*").await;
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        instances.push(spawn_instance(&world, &port).await);
    }

    let mut model = Model::default();
    // Each with the number of the message after which it happens.
    let kill_times = (0..kills).map(|kill| (kill + 1) * total / (kills + 2));
    let mut faults: Vec<(i64, Fault)> = kill_times.map(|due| (due, Fault::KillInstance)).collect();
    faults.extend([
        (total / 3, Fault::CutRedis),
        (2 * total / 3, Fault::CutRedis),
        (total / 2, Fault::RestartBroker),
    ]);
    for number in 0..total {
        let event = model.next(number, keys, &mut seed);
        let (partition, key) = ((event.battery % PARTITIONS) as i32, event.battery.to_string());
        let value = event.value.as_ref().map(String::as_bytes);
        world.kafka.enqueue(&world.topic, partition, Some(key.as_bytes()), value);
        if number == total / 2 {
            world.redis.admin("SAVE").await;
        }
        if number % 2_500 == 0 {
            eventually("the ingesters keep up", async || number - count_applied(&world).await < MAX_BACKLOG)
                .await;
        }
        let Some(index) = faults.iter().position(|(due, _)| *due == number) else { continue };
        match faults.swap_remove(index).1 {
            Fault::KillInstance => {
                let victim = random(&mut seed, INSTANCES as u64) as usize;
                instances[victim].kill().await;
                instances[victim] = spawn_instance(&world, &port).await;
            }
            Fault::CutRedis => {
                proxy.cut();
                tokio::time::sleep(Duration::from_millis(500)).await;
                proxy.restore();
            }
            Fault::RestartBroker => restart_broker(&world.kafka).await,
        }
    }
    world.kafka.flush();
    let in_log: i64 =
        (0..PARTITIONS).map(|partition| world.kafka.log_end(&world.topic, partition as i32)).sum();
    // If the answer to a batch is lost, the producer sends it again. A real broker drops the second copy; the
    // mock cluster does not.
    assert!(in_log == total || (in_log > total && world.kafka.mock.is_some()), "{in_log} of {total}");
    eventually("all are applied", async || count_applied(&world).await >= in_log).await;

    assert_eq!(count_applied(&world).await, in_log);
    eventually("all notifications have come", async || notifications.pending_count() >= model.notifications)
        .await;
    // The second copy of a batch leads to the same hashes, but its messages are told again.
    if in_log == total {
        assert_eq!(notifications.pending_count(), model.notifications);
    }
    assert_redis_holds(&world, &model, keys).await;
    // Redis is restored from the copy of half-way, and is filled from its offsets.
    world.redis.restart().await;
    world.client = world.redis.client().await;
    assert!(count_applied(&world).await < in_log);
    eventually("all are applied again", async || count_applied(&world).await >= in_log).await;
    assert_eq!(count_applied(&world).await, in_log);
    assert_redis_holds(&world, &model, keys).await;
    for instance in &mut instances {
        assert_eq!(instance.terminate().await, 0);
    }
}
