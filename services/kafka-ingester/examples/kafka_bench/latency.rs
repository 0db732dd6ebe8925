//! From the append to the notification, beside a bare consumer that reads the same messages.

use std::time::{Duration, Instant};

use fred::interfaces::{EventInterface, PubsubInterface};
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{Message, Offset};
use tokio::sync::broadcast::Receiver;

use crate::instance::Instance;
use crate::world::{PARTITIONS, World, client, send};

const RATE: usize = 20_000;
/// Until the broker has compiled what it runs, and caught up with what came meanwhile; not measured.
const WARM_UP: usize = RATE * 10;
const TOTAL: usize = WARM_UP + RATE * 5;
const PATIENCE: Duration = Duration::from_secs(45);

/// When each message was seen, by its number.
type Seen = Vec<(usize, Duration)>;

pub(crate) async fn measure(world: &World) {
    let topic = world.topic("latency").await;
    let _instance = Instance::start(world, &topic);
    let subscriber = client(&world.redis_port).await;
    let mut notices = subscriber.message_rx();
    subscriber.psubscribe("battery:*").await.unwrap();
    world.produce(&topic, PARTITIONS, |_| false);
    world.wait_applied(&topic, PARTITIONS as i64).await;
    while notices.try_recv().is_ok() {}
    let consumer = world.bare_consumer(&topic, Offset::End);
    consumer.poll(Duration::from_secs(1));

    let epoch = Instant::now();
    let bare = std::thread::spawn(move || read(&consumer, epoch));
    let heard = tokio::spawn(hear(notices, epoch));
    let sent = append(world, &topic, epoch);
    let (bare, heard) =
        (percentiles(&sent, &bare.join().unwrap()), percentiles(&sent, &heard.await.unwrap()));
    println!(
        "append to notification at {RATE}/s, linger 5 ms     p50 {:.1} ms, p99 {:.1} ms",
        heard.0, heard.1
    );
    println!(
        "  a bare consumer beside it                     p50 {:.1} ms, p99 {:.1} ms: {:.2} times (limit 10 ms or 1.2 times)",
        bare.0,
        bare.1,
        heard.1 / bare.1
    );
}

/// Sends at the rate, by librdkafka's default linger; gives when each was sent.
fn append(world: &World, topic: &str, epoch: Instant) -> Vec<Duration> {
    let producer: BaseProducer = world.config().set("acks", "1").set("linger.ms", "5").create().unwrap();
    let mut sent = Vec::with_capacity(TOTAL);
    for number in 0..TOTAL {
        let due = Duration::from_secs_f64(number as f64 / RATE as f64);
        while epoch.elapsed() < due {
            producer.poll(Duration::ZERO);
            std::thread::sleep(Duration::from_micros(200));
        }
        let value = format!(r#"{{"battery_id":{number},"soc":81,"pad":"{}","n":{number}}}"#, "x".repeat(90));
        sent.push(epoch.elapsed());
        send(&producer, topic, number, &value);
    }
    producer.flush(PATIENCE).unwrap();
    sent
}

fn read(consumer: &BaseConsumer, epoch: Instant) -> Seen {
    let mut seen = Vec::with_capacity(TOTAL);
    while seen.len() < TOTAL && epoch.elapsed() < PATIENCE {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let text = std::str::from_utf8(message.payload().unwrap()).unwrap();
            let number = text.rsplit_once(':').unwrap().1.trim_end_matches('}').parse().unwrap();
            seen.push((number, epoch.elapsed()));
        }
    }
    seen
}

async fn hear(mut notices: Receiver<fred::types::Message>, epoch: Instant) -> Seen {
    let mut seen = Vec::with_capacity(TOTAL);
    while seen.len() < TOTAL && epoch.elapsed() < PATIENCE {
        if let Ok(Ok(notice)) = tokio::time::timeout(Duration::from_secs(1), notices.recv()).await {
            seen.push((notice.channel.split(':').nth(1).unwrap().parse().unwrap(), epoch.elapsed()));
        }
    }
    seen
}

/// The 50th and the 99th, in ms.
fn percentiles(sent: &[Duration], seen: &[(usize, Duration)]) -> (f64, f64) {
    assert!(seen.len() == sent.len(), "{} of {} came", seen.len(), sent.len());
    let late = |(number, at): &(usize, Duration)| at.saturating_sub(sent[*number]).as_secs_f64() * 1e3;
    let mut late_ms: Vec<f64> = seen.iter().filter(|(number, _)| *number >= WARM_UP).map(late).collect();
    late_ms.sort_by(f64::total_cmp);
    (late_ms[late_ms.len() / 2], late_ms[late_ms.len() * 99 / 100])
}
