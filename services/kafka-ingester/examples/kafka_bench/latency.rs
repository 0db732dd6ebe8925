//! From the append to the notification, beside a bare consumer that reads the same messages.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{Message, Offset};

use crate::instance::Instance;
use crate::world::{PARTITIONS, World, send};

const RATE: usize = 20_000;
/// Until the broker has compiled what it runs, and caught up with what came meanwhile; not measured.
const WARM_UP: usize = RATE * 10;
const TOTAL: usize = WARM_UP + RATE * 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// When each message was seen, by its number.
type Seen = Vec<(usize, Duration)>;

pub(crate) async fn measure(world: &World) {
    let topic = world.topic("latency").await;
    let _instance = Instance::start(world, &topic);
    world.produce(&topic, PARTITIONS, |_| false);
    world.wait_applied(&topic, PARTITIONS as i64).await;
    let notices = subscribe(&world.redis_port);
    let consumer = world.bare_consumer(&topic, Offset::End);
    consumer.poll(Duration::from_secs(1));

    let epoch = Instant::now();
    let bare = thread::spawn(move || read(&consumer, epoch));
    let heard = thread::spawn(move || hear(notices, epoch));
    let sent = append(world, &topic, epoch);
    let (bare, heard) =
        (percentiles(&sent, &bare.join().unwrap()), percentiles(&sent, &heard.join().unwrap()));
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
            thread::sleep(Duration::from_micros(200));
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

/// A subscriber as bare as the consumer: it reads lines.
fn subscribe(port: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.write_all(b"PSUBSCRIBE battery:*\r\n").unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut notices = BufReader::new(stream);
    let mut line = String::new();
    while line != ":1\r\n" {
        line.clear();
        notices.read_line(&mut line).unwrap();
    }
    notices
}

fn hear(notices: BufReader<TcpStream>, epoch: Instant) -> Seen {
    let number = |line: &str| line.strip_prefix("battery:")?.strip_suffix(":data")?.parse().ok();
    let numbers = notices.lines().map_while(Result::ok).filter_map(|line| number(&line));
    numbers.map(|number| (number, epoch.elapsed())).take(TOTAL).collect()
}

/// The 50th and the 99th, in ms.
fn percentiles(sent: &[Duration], seen: &[(usize, Duration)]) -> (f64, f64) {
    assert!(seen.len() == sent.len(), "{} of {} came", seen.len(), sent.len());
    let late = |(number, at): &(usize, Duration)| at.saturating_sub(sent[*number]).as_secs_f64() * 1e3;
    let mut late_ms: Vec<f64> = seen.iter().filter(|(number, _)| *number >= WARM_UP).map(late).collect();
    late_ms.sort_by(f64::total_cmp);
    (late_ms[late_ms.len() / 2], late_ms[late_ms.len() * 99 / 100])
}
