//! Measures the ingester beside its limits. `scripts/bench.sh kafka-ingester` runs it.
//!
//! Wants `REDIS_PORT` of an empty Redis, `BIN`, the folder of the built ingester, and `ORIGINAL_RATE`, the original's loop
//! in messages a second; uses the broker of `KAFKA_BROKER`, or librdkafka's mock cluster in this process.
#![expect(clippy::unwrap_used, reason = "a failure of a measurement has nobody to be reported to")]
#![expect(clippy::disallowed_methods, reason = "a measurement has no settings of a service")]

mod instance;
mod latency;
mod stalled;
mod throughput;
mod world;

use throughput::{bare_consumer, ingest, without_kafka};
use world::{KEYS, PARTITIONS, World, message, var};

/// Kafka Connect with Redis's sink on the machine of the README's figures. It is not run here.
const KAFKA_CONNECT: f64 = 32_000.0;

#[tokio::main]
async fn main() {
    let world = World::start().await;
    let default = if world.mock.is_some() { 150_000 } else { 600_000 };
    let total = var("BENCH_MESSAGES").map_or(default, |text| text.parse().unwrap());
    let original: f64 = var("ORIGINAL_RATE").unwrap().parse().unwrap();
    let kind = if world.mock.is_some() { "librdkafka's mock cluster" } else { "the broker of KAFKA_BROKER" };
    println!(
        "{kind}, {total} messages of {} bytes, {KEYS} keys, {PARTITIONS} partitions",
        message(total).len()
    );

    rate("the original's loop, one by one in redis-py", original, "");
    let alone = without_kafka(&world, total).await;
    rate("the same batches without Kafka", alone, "");
    rate("a bare Kafka consumer", bare_consumer(&world, total).await, "");
    let (good, some_bad) = (|_: usize| false, |number: usize| number % 100 == 42);
    // In turns, and the best of three: what else goes on in the machine only slows.
    let ((mut one, mut cpu_s), (mut bad, mut bad_cpu_s)) = ((0.0, 0.0), (0.0, 0.0));
    for _ in 0..3 {
        (one, cpu_s) = better((one, cpu_s), ingest(&world, 1, total, good).await);
        (bad, bad_cpu_s) = better((bad, bad_cpu_s), ingest(&world, 1, total, some_bad).await);
    }
    rate("one instance", one, &format!("{:.0} % of without Kafka (limit 80)", 100.0 * one / alone));
    println!("{:48}{:>10.1} times (limit 20)", "  beside the original's loop", one / original);
    println!(
        "{:48}{:>10.1} times (limit 3)",
        "  beside Kafka Connect's 32,000/s, quoted",
        one / KAFKA_CONNECT
    );
    println!("{:48}{cpu_s:>10.2} s a million (limit 8)", "  its own CPU");
    rate("one instance, 1 % bad messages", bad, &format!("{:.0} % of none (limit 95)", 100.0 * bad / one));
    println!("{:48}{bad_cpu_s:>10.2} s a million", "  its own CPU");
    let (three, _) = ingest(&world, 3, total, good).await;
    let share = 100.0 * three / alone;
    rate("three instances together", three, &format!("{share:.0} % of without Kafka (limit 60)"));
    latency::measure(&world).await;
    let peak = stalled::peak_mib(&world, one).await;
    println!("{:48}{peak:>10.0} MiB (limit 256)", "most memory, Redis stalled for 60 s");
}

fn rate(what: &str, rate: f64, remark: &str) {
    println!("{what:48}{rate:>10.0} /s  {remark}");
}

fn better(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    if a.0 >= b.0 { a } else { b }
}
