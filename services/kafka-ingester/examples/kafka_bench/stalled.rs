//! Memory while Redis answers nothing.

use std::time::{Duration, Instant};

use fred::interfaces::ClientLike;
use fred::types::InfoKind;
use rdkafka::producer::{BaseProducer, Producer};

use crate::instance::{self, Instance};
use crate::world::{PARTITIONS, World, message, send};

const STALL: Duration = Duration::from_secs(60);

/// The most memory an instance holds while Redis stands still for a minute and messages come at `rate` a second, in MiB.
pub(crate) async fn peak_mib(world: &World, rate: f64) -> f64 {
    let topic = world.topic("stalled").await;
    let instance = Instance::start(world, &topic);
    world.produce(&topic, PARTITIONS, |_| false);
    world.wait_applied(&topic, PARTITIONS as i64).await;
    let info: String = world.redis.info(Some(InfoKind::Server)).await.unwrap();
    let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap().trim().parse().unwrap();

    instance::signal(pid, "STOP");
    let producer: BaseProducer = world.config().set("linger.ms", "5").create().unwrap();
    let (begun, mut number) = (Instant::now(), 0);
    while begun.elapsed() < STALL {
        while (number as f64) < begun.elapsed().as_secs_f64() * rate {
            send(&producer, &topic, number, &message(number));
            number += 1;
        }
        producer.poll(Duration::from_millis(1));
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    instance::signal(pid, "CONT");
    // It goes on by itself.
    world.wait_applied(&topic, (PARTITIONS + number / 100) as i64).await;
    instance.peak_mib()
}
