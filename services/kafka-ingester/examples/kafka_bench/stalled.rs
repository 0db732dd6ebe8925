//! Memory while Redis does not answer.

use std::time::{Duration, Instant};

use fred::interfaces::ClientLike;
use fred::types::InfoKind;
use rdkafka::producer::{BaseProducer, Producer};

use crate::instance::{self, Instance};
use crate::world::{PARTITIONS, World, message, send};

const STALL: Duration = Duration::from_secs(60);

/// The most memory of an instance, in MiB, while Redis is stopped for a minute and `rate` messages come per
/// second.
pub(crate) async fn peak_mib(world: &World, rate: f64) -> f64 {
    let topic = world.create_topic("stalled").await;
    let instance = Instance::start(world, &topic);
    world.produce(&topic, PARTITIONS, message);
    world.wait_until_handled(&topic, PARTITIONS as i64).await;
    let info: String = world.redis.info(Some(InfoKind::Server)).await.unwrap();
    let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap().trim().parse().unwrap();

    instance::signal(pid, "STOP");
    let producer: BaseProducer = world.config().set("linger.ms", "5").create().unwrap();
    let (started, mut number) = (Instant::now(), 0);
    while started.elapsed() < STALL {
        while (number as f64) < started.elapsed().as_secs_f64() * rate {
            send(&producer, &topic, number, &message(number));
            number += 1;
        }
        producer.poll(Duration::from_millis(1));
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    instance::signal(pid, "CONT");
    // Ingesting must resume by itself.
    world.wait_until_handled(&topic, (PARTITIONS + number / 100) as i64).await;
    instance.peak_mib()
}
