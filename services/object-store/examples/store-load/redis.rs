//! Compares the Redis backend through one node with redis-benchmark on the same Redis, and a hot object with one in memory.

use std::process::Command;
use std::time::Duration;

use crate::large;
use crate::small::Load;
use crate::target::Target;

pub(crate) fn compare(node: Target, redis: Target) {
    println!("Redis backend through one node, redis-benchmark with as many connections   (>= 80 %)");
    for (name, payload, connections) in
        [("1 KiB", 1 << 10, 50), ("64 KiB", 64 << 10, 16), ("1 MiB", 1 << 20, 8)]
    {
        for sets in [true, false] {
            let raw = raw(redis, sets, payload, connections, 1).per_second;
            let time = Duration::from_millis(1500);
            let cpu = redis.cpu_seconds();
            let ours = Load { sets, connections, pipelined: 1, payload, time }.run(node);
            let redis_us = (redis.cpu_seconds() - cpu) / (ours.per_second * time.as_secs_f64()) * 1e6;
            let what = if sets { "set" } else { "get" };
            println!(
                "  {what} {name:7} {connections:3} connections   raw {raw:9.0}/s   ours {:9.0}/s   {:3.0} %   CPU each: node {:.1} us, redis {redis_us:.1} us",
                ours.per_second,
                ours.per_second / raw * 100.0,
                ours.cpu_us
            );
        }
    }
}

/// Compares two nodes on the same Redis, which has a replica: one that waits for it, and one that does not.
pub(crate) fn wait(without: Target, with: Target) {
    println!("REDIS_WAIT_REPLICAS=1 against 0, on a primary with one replica");
    for (sets, payload, connections) in [
        (true, 1 << 10, 1),
        (true, 1 << 10, 50),
        (false, 1 << 10, 50),
        (true, 64 << 10, 16),
        (true, 1 << 20, 8),
    ] {
        let time = Duration::from_millis(1500);
        let run = |target| Load { sets, connections, pipelined: 1, payload, time }.run(target).per_second;
        let (without, with) = (run(without), run(with));
        let what = if sets { "set" } else { "get" };
        println!(
            "  {what} {:4} KiB {connections:3} connections   0: {without:9.0}/s   1: {with:9.0}/s   {:3.0} %",
            payload >> 10,
            with / without * 100.0
        );
    }
}

/// What redis-benchmark does, and the CPU time of each request: its own and that of Redis, in microseconds.
pub(crate) struct Raw {
    pub(crate) per_second: f64,
    pub(crate) sender_us: f64,
    pub(crate) redis_us: f64,
}

/// Runs redis-benchmark, with this many requests sent at a time over each connection.
pub(crate) fn raw(redis: Target, sets: bool, payload: usize, connections: usize, pipelined: usize) -> Raw {
    let requests = ((2 << 30) / payload).clamp(2000, 100_000);
    let this = Target::this_process();
    let (sender, server) = (this.cpu_seconds_of_children(), redis.cpu_seconds());
    let output = Command::new("redis-benchmark")
        .args(["-p", &redis.port.to_string(), "-c", &connections.to_string(), "-n", &requests.to_string()])
        .args(["-d", &payload.to_string(), "-P", &pipelined.to_string()])
        .args(["-t", if sets { "set" } else { "get" }, "--csv"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().last().unwrap();
    let each = |seconds: f64| seconds / requests as f64 * 1e6;
    Raw {
        per_second: line.split(',').nth(1).unwrap().trim_matches('"').parse().unwrap(),
        sender_us: each(this.cpu_seconds_of_children() - sender),
        redis_us: each(redis.cpu_seconds() - server),
    }
}

/// Compares gets of an object that was read before: from a node on Redis and from one in memory.
pub(crate) fn hot(node: Target, memory: Target) {
    let (redis, memory) = (large::gets(node), large::gets(memory));
    println!(
        "hot object of 64 MiB\n  redis {redis:.0} MiB/s   memory {memory:.0} MiB/s   {:.0} %",
        redis / memory * 100.0
    );
}
