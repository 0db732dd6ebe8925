//! The time from the append to the notification, and that of a bare consumer of the same messages to compare.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{Message, Offset};

use crate::instance::Instance;
use crate::world::{PARTITIONS, World, message, send};

const RATE: usize = 20_000;
/// Not measured: the JVM of the broker is still compiling, and the broker has to catch up with what came
/// meanwhile.
const WARM_UP: usize = RATE * 10;
const TOTAL: usize = WARM_UP + RATE * 20;
const TIMEOUT: Duration = Duration::from_secs(60);

/// When each message arrived, by its number.
type Arrivals = Vec<(usize, Duration)>;

pub(crate) async fn measure(world: &World) {
    let topic = world.create_topic("latency").await;
    let _instance = Instance::start(world, &topic);
    world.produce(&topic, PARTITIONS, message);
    world.wait_until_handled(&topic, PARTITIONS as i64).await;
    let notifications = subscribe(&world.redis_port);
    let consumer = world.bare_consumer(&topic, Offset::End);
    consumer.poll(Duration::from_secs(1));

    let epoch = Instant::now();
    let bare = thread::spawn(move || consume(&consumer, epoch));
    let notified = thread::spawn(move || receive(notifications, epoch));
    let sent = produce(world, &topic, epoch);
    let (bare, notified) =
        (percentiles(&sent, &bare.join().unwrap()), percentiles(&sent, &notified.join().unwrap()));
    println!(
        "append to notification at {RATE}/s, linger 5 ms     p50 {:.1} ms, p99 {:.1} ms",
        notified.0, notified.1
    );
    println!(
        "  a bare consumer beside it                     p50 {:.1} ms, p99 {:.1} ms: {:.2} times (limit 10 ms or 1.2 times)",
        bare.0,
        bare.1,
        notified.1 / bare.1
    );
}

/// Sends [`RATE`] messages a second with librdkafka's default linger. Returns when each was sent.
fn produce(world: &World, topic: &str, epoch: Instant) -> Vec<Duration> {
    let producer: BaseProducer = world.config().set("acks", "1").set("linger.ms", "5").create().unwrap();
    let mut sent = Vec::with_capacity(TOTAL);
    for number in 0..TOTAL {
        let due = Duration::from_secs_f64(number as f64 / RATE as f64);
        while epoch.elapsed() < due {
            producer.poll(Duration::ZERO);
            thread::sleep(Duration::from_micros(200));
        }
        let value = format!(r#"{{"battery_id":{number},"soc":81,"pad":"{}","n":{number}}}"#, "x".repeat(90));
        sent.push(epoch.elapsed());
        send(&producer, topic, number, value.as_bytes());
    }
    producer.flush(TIMEOUT).unwrap();
    sent
}

fn consume(consumer: &BaseConsumer, epoch: Instant) -> Arrivals {
    let mut arrivals = Vec::with_capacity(TOTAL);
    while arrivals.len() < TOTAL && epoch.elapsed() < TIMEOUT {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let text = std::str::from_utf8(message.payload().unwrap()).unwrap();
            let number = text.rsplit_once(':').unwrap().1.trim_end_matches('}').parse().unwrap();
            arrivals.push((number, epoch.elapsed()));
        }
    }
    arrivals
}

/// A subscriber that does as little as the bare consumer: it reads lines.
fn subscribe(port: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.write_all(b"PSUBSCRIBE battery:*\r\n").unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut notifications = BufReader::new(stream);
    let mut line = String::new();
    while line != ":1\r\n" {
        line.clear();
        notifications.read_line(&mut line).unwrap();
    }
    notifications
}

fn receive(notifications: BufReader<TcpStream>, epoch: Instant) -> Arrivals {
    let number = |line: &str| line.strip_prefix("battery:")?.strip_suffix(":data")?.parse().ok();
    let numbers = notifications.lines().map_while(Result::ok).filter_map(|line| number(&line));
    numbers.map(|number| (number, epoch.elapsed())).take(TOTAL).collect()
}

/// The 50th and 99th percentile of the latency, in ms.
fn percentiles(sent: &[Duration], arrivals: &[(usize, Duration)]) -> (f64, f64) {
    assert!(arrivals.len() == sent.len(), "{} of {} came", arrivals.len(), sent.len());
    let latency_ms =
        |(number, arrived): &(usize, Duration)| arrived.saturating_sub(sent[*number]).as_secs_f64() * 1e3;
    let measured = arrivals.iter().filter(|(number, _)| *number >= WARM_UP);
    let mut latencies_ms: Vec<f64> = measured.map(latency_ms).collect();
    latencies_ms.sort_by(f64::total_cmp);
    (latencies_ms[latencies_ms.len() / 2], latencies_ms[latencies_ms.len() * 99 / 100])
}
