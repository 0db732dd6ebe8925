//! Measures the ingester and prints each figure beside its limit. `scripts/bench.sh kafka-ingester` runs it.
//!
//! It needs `REDIS_PORT`, the port of an empty Redis; `REPLICA_PORT`, that of another one; `BIN`, the folder of the built ingester; and
//! `ORIGINAL_RATE`, the messages per second of the original's loop; `REGISTRY_URL`, a schema registry whose schema 1 is
//! `battery.avsc`. It uses the broker of `KAFKA_BROKER`, or
//! librdkafka's mock cluster in this process.
#![expect(clippy::unwrap_used, reason = "a benchmark that fails may panic")]
#![expect(clippy::disallowed_methods, reason = "a benchmark has no settings of a service")]

mod avro;
mod instance;
mod latency;
mod replica;
mod stalled;
mod throughput;
mod world;

use avro::AvroMessages;
use throughput::{measure_bare_consumer, measure_ingesters, measure_without_kafka};
use world::{
    KEYS, NESTED_KEY, PARTITIONS, TOP_LEVEL_KEY, World, env_var, message, message_or_bad, nested_message,
};

/// Messages per second of Kafka Connect with Redis's sink, quoted from another machine. It is not run here.
const KAFKA_CONNECT: f64 = 32_000.0;

#[tokio::main]
async fn main() {
    let mut world = World::start().await;
    let default = if world.mock.is_some() { 150_000 } else { 600_000 };
    let total = env_var("BENCH_MESSAGES").map_or(default, |text| text.parse().unwrap());
    let original: f64 = env_var("ORIGINAL_RATE").unwrap().parse().unwrap();
    let kind = if world.mock.is_some() { "librdkafka's mock cluster" } else { "the broker of KAFKA_BROKER" };
    println!(
        "{kind}, {total} messages of {} bytes, {KEYS} keys, {PARTITIONS} partitions",
        message(total).len()
    );

    print_rate("the original's loop, one by one in redis-py", original, "");
    let alone = measure_without_kafka(&world, total).await;
    print_rate("the same batches without Kafka", alone, "");
    print_rate("a bare Kafka consumer", measure_bare_consumer(&world, total).await, "");
    let avro = AvroMessages::new();
    // In turns, and the best of three: whatever else the machine does can only slow a run down.
    let ((mut one, mut cpu_s), (mut bad, mut bad_cpu_s)) = ((0.0, 0.0), (0.0, 0.0));
    let (mut framed, mut nested) = ((0.0, 0.0), (0.0, 0.0));
    for _ in 0..3 {
        (one, cpu_s) = better((one, cpu_s), measure_ingesters(&world, 1, total, message).await);
        (bad, bad_cpu_s) =
            better((bad, bad_cpu_s), measure_ingesters(&world, 1, total, message_or_bad).await);
        framed = better(framed, measure_ingesters(&world, 1, total, |number| avro.message(number)).await);
        world.key_template = NESTED_KEY;
        nested = better(nested, measure_ingesters(&world, 1, total, nested_message).await);
        world.key_template = TOP_LEVEL_KEY;
    }
    print_rate("one instance", one, &format!("{:.0} % of without Kafka (limit 80)", 100.0 * one / alone));
    println!("{:48}{:>10.1} times (limit 20)", "  beside the original's loop", one / original);
    println!(
        "{:48}{:>10.1} times (limit 3)",
        "  beside Kafka Connect's 32,000/s, quoted",
        one / KAFKA_CONNECT
    );
    println!("{:48}{cpu_s:>10.2} s a million (limit 8)", "  its own CPU");
    print_rate(
        "one instance, 1 % bad messages",
        bad,
        &format!("{:.0} % of none (limit 95)", 100.0 * bad / one),
    );
    println!("{:48}{bad_cpu_s:>10.2} s a million", "  its own CPU");
    let share = 100.0 * framed.0 / one;
    print_rate("one instance, Avro with a registry", framed.0, &format!("{share:.0} % of JSON (limit 70)"));
    println!("{:48}{:>10.2} s a million", "  its own CPU", framed.1);
    let share = 100.0 * nested.0 / one;
    print_rate("one instance, nested keys", nested.0, &format!("{share:.0} % of top-level ones (limit 90)"));
    println!("{:48}{:>10.2} s a million", "  its own CPU", nested.1);
    let (three, _) = measure_ingesters(&world, 3, total, message).await;
    let share = 100.0 * three / alone;
    print_rate("three instances together", three, &format!("{share:.0} % of without Kafka (limit 60)"));
    latency::measure(&world).await;
    let peak = stalled::peak_mib(&world, one).await;
    println!("{:48}{peak:>10.0} MiB (limit 256)", "most memory, Redis stalled for 60 s");
    replica::measure(&mut world, total).await;
}

pub(crate) fn print_rate(what: &str, rate: f64, remark: &str) {
    println!("{what:48}{rate:>10.0} /s  {remark}");
}

pub(crate) fn better(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    if a.0 >= b.0 { a } else { b }
}
