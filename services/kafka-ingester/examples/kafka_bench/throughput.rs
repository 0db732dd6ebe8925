//! Messages a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fred::interfaces::ClientLike;
use kafka_ingester::Config;
use kafka_ingester::batch::Batch;
use kafka_ingester::store::{Outcome, Store, TopicPartition};
use rdkafka::{Message, Offset};

use crate::instance::Instance;
use crate::world::{PARTITIONS, World, message};

/// The same batches through the same script, decoded here, from memory.
pub(crate) async fn without_kafka(world: &World, total: usize) -> f64 {
    let port: &'static str = world.redis_port.clone().leak();
    let vars = [("KAFKA_TOPIC", "t"), ("KAFKA_BROKER", "b"), ("KAFKA_GROUP", "bench"), ("REDIS_PORT", port)];
    let config = chassis::settings::from_vars::<Config>(vars).unwrap();
    let pool = redis_core::connect::connected_pool(&config.redis).await.unwrap();
    let (store, policy) = (Store::new(pool, "bench", &config.write), config.write.policy());
    let share = total / PARTITIONS;
    let messages: Arc<Vec<String>> = Arc::new((0..share).map(message).collect());
    let begun = Instant::now();
    let tasks = (0..PARTITIONS).map(|partition| {
        let (store, policy, messages) = (store.clone(), policy.clone(), Arc::clone(&messages));
        tokio::spawn(async move {
            let at = TopicPartition { topic: "t".to_owned(), partition: partition as i32 };
            let epoch = store.claim(&at, 0, "").await.unwrap().epoch;
            assert!(store.begin(&at, epoch, 0).await.unwrap());
            let (mut batch, mut start) = (Batch::default(), 0);
            for chunk in messages.chunks(BATCH) {
                for value in chunk {
                    batch.push(&policy, start + batch.len() as i64, None, Some(value.as_bytes()));
                }
                let next = start + chunk.len() as i64;
                let outcome = store.apply(&at, epoch, (start, next), start, &batch).await.unwrap();
                assert!(matches!(outcome, Outcome::Done(_)));
                start = next;
                batch.clear();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    (share * PARTITIONS) as f64 / begun.elapsed().as_secs_f64()
}

/// A consumer that does nothing with what it reads.
pub(crate) async fn bare_consumer(world: &World, total: usize) -> f64 {
    let topic = world.topic("bare").await;
    world.produce(&topic, total, |_| false);
    let consumer = world.bare_consumer(&topic, Offset::Beginning);
    let (mut seen, mut begun) = (0, Instant::now());
    while seen < total {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            assert!(message.unwrap().payload().is_some());
            if seen == 0 {
                begun = Instant::now();
            }
            seen += 1;
        }
    }
    total as f64 / begun.elapsed().as_secs_f64()
}

/// Messages a second of `count` instances on a topic that was filled while they stood still, and their CPU seconds a
/// million messages.
pub(crate) async fn ingest(
    world: &World,
    count: usize,
    total: usize,
    is_bad: impl Fn(usize) -> bool,
) -> (f64, f64) {
    let _: () = world.redis.flushall(false).await.unwrap();
    let topic = world.topic("ingest").await;
    let instances: Vec<Instance> = (0..count).map(|_| Instance::start(world, &topic)).collect();
    world.produce(&topic, PARTITIONS, |_| false);
    world.wait_applied(&topic, PARTITIONS as i64).await;
    // The last rebalance is over when all have their share.
    tokio::time::sleep(Duration::from_secs(5)).await;
    instances.iter().for_each(|instance| instance.signal("STOP"));
    world.produce(&topic, total, is_bad);
    let cpu_s: f64 = instances.iter().map(Instance::cpu_s).sum();
    let begun = Instant::now();
    instances.iter().for_each(|instance| instance.signal("CONT"));
    world.wait_applied(&topic, (PARTITIONS + total) as i64).await;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu_s = instances.iter().map(Instance::cpu_s).sum::<f64>() - cpu_s;
    (total as f64 / seconds, cpu_s * 1e6 / total as f64)
}

/// The service's default.
const BATCH: usize = 500;
