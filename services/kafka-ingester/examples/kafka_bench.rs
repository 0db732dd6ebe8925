//! Measures the ingester beside its limits. `scripts/bench.sh kafka-ingester` runs it.
//!
//! Wants `REDIS_PORT` of an empty Redis and `BIN`, the folder of the built ingester; uses the broker of `KAFKA_BROKER`, or
//! librdkafka's mock cluster in this process.
#![expect(clippy::unwrap_used, reason = "a failure of a measurement has nobody to be reported to")]
#![expect(clippy::disallowed_methods, reason = "a measurement has no settings of a service")]

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface, HashesInterface, PubsubInterface, SetsInterface};
use fred::types::Builder;
use kafka_ingester::Config;
use kafka_ingester::batch::Batch;
use kafka_ingester::store::{Outcome, Store, TopicPartition};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};

const PARTITIONS: usize = 6;
const KEYS: usize = 10_000;
const BATCH: usize = 500;
const LATENCY_RATE: usize = 20_000;
const LATENCY_SECONDS: usize = 5;

struct Bench {
    mock: Option<MockCluster<'static, DefaultProducerContext>>,
    broker: String,
    redis_port: String,
    bin: String,
    redis: Client,
}

fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn message(number: usize) -> String {
    let key = number.wrapping_mul(2_654_435_761) % KEYS;
    format!(
        r#"{{"battery_id":{key},"soc":{},"voltage":402.{:02},"current":-12.50,"temperature":{},"status":"charging","site":"north-east-{}","ts":{}}}"#,
        number % 101,
        number % 100,
        20 + number % 15,
        number % 50,
        1_700_000_000_000_u64 + number as u64
    )
}

#[tokio::main]
async fn main() {
    let mock = if var("KAFKA_BROKER").is_none() { Some(MockCluster::new(1).unwrap()) } else { None };
    let broker = mock.as_ref().map_or_else(|| var("KAFKA_BROKER").unwrap(), MockCluster::bootstrap_servers);
    let default = if mock.is_some() { 150_000 } else { 600_000 };
    let total = var("BENCH_MESSAGES").map_or(default, |text| text.parse().unwrap());
    let redis_port = var("REDIS_PORT").unwrap();
    let redis = client(&redis_port).await;
    let kind = if mock.is_some() { "librdkafka's mock cluster" } else { "the broker of KAFKA_BROKER" };
    let bench = Bench { mock, broker, redis_port, bin: var("BIN").unwrap(), redis };
    println!(
        "{kind}, {total} messages of {} bytes, {KEYS} keys, {PARTITIONS} partitions",
        message(total).len()
    );

    let loop_rate = bench.original_loop(20_000).await;
    rate("the original's loop, one by one (Rust client)", loop_rate, "");
    let alone = bench.without_kafka(total).await;
    rate("the same batches without Kafka", alone, "");

    let clean = bench.topic("clean", total, |_| false).await;
    rate("a bare Kafka consumer", bench.bare_consumer(&clean, total), "");
    let (one, cpu) = bench.ingest(1, total, |_| false).await;
    rate(
        "one instance",
        one,
        &format!(
            "{:.0} % of without Kafka (limit 80), {:.0} x the loop (limit 20)",
            100.0 * one / alone,
            one / loop_rate
        ),
    );
    println!("{:48}{cpu:>10.2} s a million (limit 8)", "  its own CPU");
    let (bad, _) = bench.ingest(1, total, |number| number % 100 == 42).await;
    rate("one instance, 1 % bad messages", bad, &format!("{:.0} % of none (limit 95)", 100.0 * bad / one));
    let (three, _) = bench.ingest(3, total, |_| false).await;
    rate(
        "three instances together",
        three,
        &format!("{:.0} % of without Kafka (limit 60)", 100.0 * three / alone),
    );
    bench.latency().await;
}

fn rate(what: &str, rate: f64, remark: &str) {
    println!("{what:48}{rate:>10.0} /s  {remark}");
}

async fn client(port: &str) -> Client {
    let config = fred::types::config::Config::from_url(&format!("redis://127.0.0.1:{port}")).unwrap();
    let mut builder = Builder::from_config(config);
    builder.with_performance_config(|performance| performance.broadcast_channel_capacity = 1_000_000);
    let client = builder.build().unwrap();
    client.init().await.unwrap();
    client
}

impl Bench {
    async fn original_loop(&self, total: usize) -> f64 {
        let begun = Instant::now();
        for number in 0..total {
            let mut fields: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&message(number)).unwrap();
            let id = fields.remove("battery_id").unwrap().to_string();
            let key = format!("battery:{id}:data");
            let fields: Vec<(String, String)> =
                fields.into_iter().map(|(name, value)| (name, value.to_string())).collect();
            let _: i64 = self.redis.sadd("info:batteries:ids", id).await.unwrap();
            let _: i64 = self.redis.hset(&key, fields).await.unwrap();
            let _: i64 = self.redis.publish(&key, "updates").await.unwrap();
        }
        total as f64 / begun.elapsed().as_secs_f64()
    }

    async fn without_kafka(&self, total: usize) -> f64 {
        let port: &'static str = self.redis_port.clone().leak();
        let vars =
            [("KAFKA_TOPIC", "t"), ("KAFKA_BROKER", "b"), ("KAFKA_GROUP", "bench"), ("REDIS_PORT", port)];
        let config = chassis::settings::from_vars::<Config>(vars).unwrap();
        let pool = redis_core::connect::connected_pool(&config.redis).await.unwrap();
        let (store, policy) = (Store::new(pool, "bench", &config.write), config.write.policy());
        let share = total / PARTITIONS;
        let messages: Vec<String> = (0..share).map(message).collect();
        let messages = std::sync::Arc::new(messages);
        let begun = Instant::now();
        let tasks = (0..PARTITIONS).map(|partition| {
            let (store, policy, messages) = (store.clone(), policy.clone(), messages.clone());
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

    async fn topic(&self, name: &str, total: usize, is_bad: impl Fn(usize) -> bool) -> String {
        let topic = self.empty_topic(name).await;
        self.produce(&topic, total, is_bad);
        topic
    }

    async fn empty_topic(&self, name: &str) -> String {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let topic = format!("bench-{name}-{since}");
        if let Some(mock) = &self.mock {
            mock.create_topic(&topic, PARTITIONS as i32, 1).unwrap();
        } else {
            let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
            let new = NewTopic::new(&topic, PARTITIONS as i32, TopicReplication::Fixed(1));
            admin.create_topics([&new], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
        }
        topic
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.broker);
        config
    }

    fn produce(&self, topic: &str, total: usize, is_bad: impl Fn(usize) -> bool) {
        let producer: BaseProducer = self.config().set("linger.ms", "5").create().unwrap();
        for number in 0..total {
            let value = message(number);
            let value = if is_bad(number) { &value[1..] } else { &value };
            while producer
                .send(BaseRecord::<(), _>::to(topic).partition((number % PARTITIONS) as i32).payload(value))
                .is_err()
            {
                producer.poll(Duration::from_millis(1));
            }
        }
        producer.flush(Duration::from_secs(60)).unwrap();
    }

    fn bare_consumer(&self, topic: &str, total: usize) -> f64 {
        let consumer: BaseConsumer = self.config().set("group.id", "bare").create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(topic, partition as i32, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
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

    /// Messages per second of `count` instances on a topic that was filled while they stood still, and their CPU seconds a
    /// million messages.
    async fn ingest(&self, count: usize, total: usize, is_bad: impl Fn(usize) -> bool) -> (f64, f64) {
        let _: () = self.redis.flushall(false).await.unwrap();
        let topic = self.empty_topic("ingest").await;
        let instances: Vec<Instance> = (0..count).map(|_| Instance::start(self, &topic)).collect();
        self.produce(&topic, PARTITIONS, |_| false);
        self.done(&topic, PARTITIONS as i64).await;
        // The last rebalance is over when all have their share.
        tokio::time::sleep(Duration::from_secs(5)).await;
        instances.iter().for_each(|instance| instance.signal("STOP"));
        self.produce(&topic, total, is_bad);
        let cpu: f64 = instances.iter().map(Instance::cpu_seconds).sum();
        let begun = Instant::now();
        instances.iter().for_each(|instance| instance.signal("CONT"));
        self.done(&topic, (PARTITIONS + total) as i64).await;
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = instances.iter().map(Instance::cpu_seconds).sum::<f64>() - cpu;
        (total as f64 / seconds, cpu * 1e6 / total as f64)
    }

    async fn done(&self, topic: &str, total: i64) {
        let fields = || {
            (0..PARTITIONS)
                .flat_map(|partition| [format!("{partition}:applied"), format!("{partition}:dead")])
        };
        loop {
            let counts: Vec<Option<i64>> = self
                .redis
                .hmget(format!("kafka-ingester:bench:{topic}:offsets"), fields().collect::<Vec<_>>())
                .await
                .unwrap();
            if counts.into_iter().flatten().sum::<i64>() >= total {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn latency(&self) {
        let topic = self.empty_topic("latency").await;
        let _instance = Instance::start(self, &topic);
        let subscriber = client(&self.redis_port).await;
        let mut notices = subscriber.message_rx();
        subscriber.psubscribe("battery:*").await.unwrap();
        self.produce(&topic, PARTITIONS, |_| false);
        self.done(&topic, PARTITIONS as i64).await;
        while notices.try_recv().is_ok() {}

        let total = LATENCY_RATE * LATENCY_SECONDS;
        let consumer: BaseConsumer =
            self.config().set("group.id", "bare").set("fetch.wait.max.ms", "100").create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&topic, partition as i32, Offset::End).unwrap();
        }
        consumer.assign(&list).unwrap();
        consumer.poll(Duration::from_secs(1));
        let epoch = Instant::now();
        let bare = std::thread::spawn(move || {
            let mut seen = Vec::with_capacity(total);
            while seen.len() < total && epoch.elapsed() < Duration::from_secs(30) {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                    let text = std::str::from_utf8(message.payload().unwrap()).unwrap();
                    let number: usize =
                        text.rsplit_once(':').unwrap().1.trim_end_matches('}').parse().unwrap();
                    seen.push((number, epoch.elapsed()));
                }
            }
            seen
        });
        let heard = tokio::spawn(async move {
            let mut seen = Vec::with_capacity(total);
            while seen.len() < total && epoch.elapsed() < Duration::from_secs(30) {
                if let Ok(Ok(notice)) = tokio::time::timeout(Duration::from_secs(1), notices.recv()).await {
                    seen.push((notice.channel.split(':').nth(1).unwrap().parse().unwrap(), epoch.elapsed()));
                }
            }
            seen
        });
        let producer: BaseProducer = self.config().set("linger.ms", "0").set("acks", "1").create().unwrap();
        let mut sent = Vec::with_capacity(total);
        for number in 0..total {
            let due = Duration::from_secs_f64(number as f64 / LATENCY_RATE as f64);
            while epoch.elapsed() < due {
                producer.poll(Duration::ZERO);
                std::thread::sleep(Duration::from_micros(200));
            }
            let value =
                format!(r#"{{"battery_id":{number},"soc":81,"pad":"{}","n":{number}}}"#, "x".repeat(90));
            sent.push(epoch.elapsed());
            while producer
                .send(BaseRecord::<(), _>::to(&topic).partition((number % PARTITIONS) as i32).payload(&value))
                .is_err()
            {
                producer.poll(Duration::from_millis(1));
            }
        }
        producer.flush(Duration::from_secs(30)).unwrap();
        let bare = percentiles(&sent, &bare.join().unwrap());
        let heard = percentiles(&sent, &heard.await.unwrap());
        println!(
            "append to notification at {LATENCY_RATE}/s (linger 0, acks 1): p50 {:.1} ms, p99 {:.1} ms; a bare consumer beside it: p50 {:.1} ms, p99 {:.1} ms (limit 10 ms, or 1.2 x: {:.2})",
            heard.0,
            heard.1,
            bare.0,
            bare.1,
            heard.1 / bare.1
        );
    }
}

fn percentiles(sent: &[Duration], seen: &[(usize, Duration)]) -> (f64, f64) {
    let mut late: Vec<f64> =
        seen.iter().map(|(number, at)| at.saturating_sub(sent[*number]).as_secs_f64() * 1e3).collect();
    late.sort_by(f64::total_cmp);
    assert!(late.len() == sent.len(), "{} of {} came", late.len(), sent.len());
    (late[late.len() / 2], late[late.len() * 99 / 100])
}

struct Instance(Child);

impl Instance {
    fn start(bench: &Bench, topic: &str) -> Self {
        let vars = [
            ("KAFKA_TOPIC", topic),
            ("KAFKA_BROKER", &bench.broker),
            ("KAFKA_GROUP", "bench"),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &bench.redis_port),
            ("LISTEN_ADDR", "127.0.0.1:0"),
            ("LOG_LEVEL", "ERROR"),
            ("KAFKA_CONF_HEARTBEAT_INTERVAL_MS", "300"),
        ];
        Self(Command::new(format!("{}/kafka-ingester", bench.bin)).envs(vars).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        assert!(
            Command::new("kill")
                .args([&format!("-{name}"), &self.0.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}
