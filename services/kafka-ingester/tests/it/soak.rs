//! Everything at once. `KAFKA_INGESTER_MESSAGES` and `KAFKA_INGESTER_KILLS` give the size; `KAFKA_BROKER_RESTART` is a
//! command that restarts a real broker.

use std::collections::HashMap;
use std::time::Duration;

use fred::interfaces::HashesInterface;
use test_support::{FlakyProxy, ServiceProcess, TestRedis, eventually};
use tokio::process::Command;

use crate::support::{Kafka, World, not_run, var};

const PARTITIONS: i64 = 6;
const INSTANCES: usize = 3;
/// The mock cluster keeps 5 MB of a partition, and all that is missing may be of one.
const MOST_BEHIND: i64 = 25_000;

/// A pseudo-random number below `below` (Knuth's MMIX generator).
fn random(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

async fn applied(world: &World) -> i64 {
    let offsets = format!("kafka-ingester:{}:{}:offsets", world.group, world.topic);
    let fields: Vec<String> = (0..PARTITIONS).map(|partition| format!("{partition}:applied")).collect();
    let counts: Vec<Option<i64>> = world.client.hmget(offsets, fields).await.unwrap();
    counts.into_iter().flatten().sum()
}

async fn restart_broker(kafka: &Kafka) {
    if let Some(mock) = &kafka.mock {
        mock.broker_down(1).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        mock.broker_up(1).unwrap();
    } else if let Some(command) = var("KAFKA_BROKER_RESTART") {
        assert!(Command::new("sh").args(["-c", &command]).status().await.unwrap().success(), "{command}");
    } else {
        not_run("the broker's restart in the soak needs KAFKA_BROKER_RESTART, the command for it");
    }
}

async fn start(world: &World, redis_port: &str) -> ServiceProcess {
    world.starting(&[("REDIS_PORT", redis_port)]).await
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_through_kills_cuts_and_a_broker_restart() {
    let total: i64 = var("KAFKA_INGESTER_MESSAGES").map_or(30_000, |text| text.parse().unwrap());
    let kills: i64 = var("KAFKA_INGESTER_KILLS").map_or(3, |text| text.parse().unwrap());
    let keys = (total / 10).clamp(1, 10_000);
    let mut seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    eprintln!("seed {seed}");

    let world = World::with(Kafka::start(), TestRedis::start().await, PARTITIONS as i32).await;
    let proxy = FlakyProxy::start(world.redis.port()).await;
    let port = proxy.port().to_string();
    let notices = world.notices("battery:*").await;
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        instances.push(start(&world, &port).await);
    }

    let mut model: HashMap<String, HashMap<String, String>> = HashMap::new();
    let mut events: Vec<(i64, u8)> =
        (0..kills).map(|kill| ((kill + 1) * total / (kills + 2), b'k')).collect();
    events.extend([(total / 3, b'c'), (2 * total / 3, b'c'), (total / 2, b'b')]);
    for number in 0..total {
        let key = random(&mut seed, keys as u64) as i64;
        let field = format!("f{}", number % 5);
        let json = format!(
            r#"{{"battery_id":{key},"seq":{number},"{field}":{number}.50,"pad":"{}"}}"#,
            "x".repeat(80)
        );
        world.kafka.queue(&world.topic, (key % PARTITIONS) as i32, None, Some(json.as_bytes()));
        let hash = model.entry(format!("battery:{key}:data")).or_default();
        hash.insert("seq".to_owned(), number.to_string());
        hash.insert(field, format!("{number}.50"));
        if number % 2_500 == 0 {
            eventually("the ingesters keep up", async || number - applied(&world).await < MOST_BEHIND).await;
        }
        let Some(place) = events.iter().position(|(at, _)| *at == number) else { continue };
        match events.swap_remove(place).1 {
            b'k' => {
                let victim = random(&mut seed, INSTANCES as u64) as usize;
                instances[victim].kill().await;
                instances[victim] = start(&world, &port).await;
            }
            b'c' => {
                proxy.cut();
                tokio::time::sleep(Duration::from_millis(500)).await;
                proxy.restore();
            }
            _ => restart_broker(&world.kafka).await,
        }
    }
    world.kafka.flush();
    let in_log: i64 = (0..PARTITIONS).map(|partition| world.kafka.end(&world.topic, partition as i32)).sum();
    // A batch whose answer was lost is sent again, which a real broker notices and the mock cluster does not.
    assert!(in_log == total || (in_log > total && world.kafka.mock.is_some()), "{in_log} of {total}");
    eventually("all are applied", async || applied(&world).await >= in_log).await;

    assert_eq!(applied(&world).await, in_log);
    eventually("all notices have come", async || notices.so_far() as i64 >= in_log).await;
    assert_eq!(notices.so_far() as i64, in_log);
    assert_eq!(world.dead_letter_count().await, 0);
    assert_eq!(world.ids().await.len(), model.len());
    for (key, expected) in model {
        let mut hash: HashMap<String, String> = world.client.hgetall(&key).await.unwrap();
        hash.remove("pad");
        assert_eq!(hash, expected, "{key}");
    }
    for instance in &mut instances {
        assert_eq!(instance.terminate().await, 0);
    }
}
