//! Messages per second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fred::interfaces::ClientLike;
use kafka_ingester::batch::Batch;
use kafka_ingester::message::Record;
use kafka_ingester::store::{BatchOutcome, PartitionStore};
use kafka_ingester::{Config, TopicPartition};
use rdkafka::{Message, Offset};

use crate::instance::Instance;
use crate::world::{PARTITIONS, World, message};

/// The same batches through the same script. The messages come from memory and are decoded in this process.
pub(crate) async fn measure_without_kafka(world: &World, total: usize) -> f64 {
    let port: &'static str = world.redis_port.clone().leak();
    let vars = [("KAFKA_TOPIC", "t"), ("KAFKA_BROKER", "b"), ("KAFKA_GROUP", "bench"), ("REDIS_PORT", port)];
    let config = chassis::settings::from_vars::<Config>(vars).unwrap();
    let redis = redis_core::Redis::connected(&config.redis).await.unwrap();
    let (store, policy) = (
        PartitionStore::new(redis, "bench", &config.write, config.redis.wait_replicas()),
        config.mapping.policy().unwrap(),
    );
    let share = total / PARTITIONS;
    let messages: Arc<Vec<Vec<u8>>> = Arc::new((0..share).map(message).collect());
    let started = Instant::now();
    let tasks = (0..PARTITIONS).map(|partition| {
        let (store, policy, messages) = (store.clone(), policy.clone(), Arc::clone(&messages));
        tokio::spawn(async move {
            let partition = TopicPartition { topic: "t".to_owned(), partition: partition as i32 };
            let owner = store.claim(&partition, 0, "").await.unwrap().owner;
            assert!(store.set_offset(&partition, &owner, 0).await.unwrap());
            let (mut batch, mut start) = (Batch::default(), 0);
            for chunk in messages.chunks(BATCH) {
                for value in chunk {
                    let record = Record { value: Some(value), ..Record::default() };
                    batch.push(&policy, None, start + batch.len() as i64, &record).unwrap();
                }
                let next = start + chunk.len() as i64;
                let outcome =
                    store.apply(&partition, &owner, start..next, start, &policy, &batch).await.unwrap();
                assert!(matches!(outcome, BatchOutcome::Applied(_)));
                start = next;
                batch.clear();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    (share * PARTITIONS) as f64 / started.elapsed().as_secs_f64()
}

/// A consumer that does nothing with what it reads.
pub(crate) async fn measure_bare_consumer(world: &World, total: usize) -> f64 {
    let topic = world.create_topic("bare").await;
    world.produce(&topic, total, message);
    let consumer = world.bare_consumer(&topic, Offset::Beginning);
    let (mut count, mut started) = (0, Instant::now());
    while count < total {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            assert!(message.unwrap().payload().is_some());
            if count == 0 {
                started = Instant::now();
            }
            count += 1;
        }
    }
    total as f64 / started.elapsed().as_secs_f64()
}

/// Messages per second of `count` instances on a topic that was filled while they were stopped, and their CPU
/// seconds per million messages.
pub(crate) async fn measure_ingesters(
    world: &World,
    count: usize,
    total: usize,
    message: impl Fn(usize) -> Vec<u8>,
) -> (f64, f64) {
    let _: () = world.redis.flushall(false).await.unwrap();
    let topic = world.create_topic("ingest").await;
    let instances: Vec<Instance> = (0..count).map(|_| Instance::start(world, &topic)).collect();
    world.produce(&topic, PARTITIONS, &message);
    world.wait_until_handled(&topic, PARTITIONS as i64).await;
    // Time for the last rebalance, so that every instance has its share.
    tokio::time::sleep(Duration::from_secs(5)).await;
    instances.iter().for_each(|instance| instance.signal("STOP"));
    world.produce(&topic, total, message);
    let cpu_s: f64 = instances.iter().map(Instance::cpu_s).sum();
    let started = Instant::now();
    instances.iter().for_each(|instance| instance.signal("CONT"));
    world.wait_until_handled(&topic, (PARTITIONS + total) as i64).await;
    let seconds = started.elapsed().as_secs_f64();
    let cpu_s = instances.iter().map(Instance::cpu_s).sum::<f64>() - cpu_s;
    (total as f64 / seconds, cpu_s * 1e6 / total as f64)
}

/// The default of BATCH_MAX.
const BATCH: usize = 500;
