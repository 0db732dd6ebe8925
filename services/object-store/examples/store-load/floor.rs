//! What a set in Redis through another process costs at least, and so the most that the cores of this machine can do.

use std::time::{Duration, Instant};

use crate::redis::raw;
use crate::small::Load;
use crate::target::Target;

/// Measures each part that cannot be left out, in CPU microseconds: a client sends the object and the bare loop receives it,
/// it is hashed, and redis-benchmark sends it and Redis stores it. Small ones are sent to Redis 32 at a time, as in a batch.
pub(crate) fn measure(bare: Target, redis: Target) {
    let cores = std::thread::available_parallelism().unwrap().get() as f64;
    println!("what a set costs at least, CPU us, and what {cores} cores could do of redis-benchmark's rate");
    for (name, payload, connections, batch) in
        [("1 KiB", 1 << 10, 50, 32), ("64 KiB", 64 << 10, 16, 1), ("1 MiB", 1 << 20, 8, 1)]
    {
        let this = Target::this_process();
        let (time, cpu) = (Duration::from_millis(1500), this.cpu_seconds());
        let receiving = Load { sets: true, connections, pipelined: 1, payload, time }.run(bare);
        let requests = receiving.per_second * time.as_secs_f64();
        let client = (this.cpu_seconds() - cpu) / requests * 1e6;
        let hash = hash_us(payload);
        let alone = raw(redis, true, payload, connections, 1);
        let batched = raw(redis, true, payload, connections, batch);
        let sum = client + receiving.cpu_us + hash + batched.sender_us + batched.redis_us;
        println!(
            "  set {name:7} client {client:6.1}   received {:6.1}   hashed {hash:6.1}   sent {:6.1}   redis {:6.1}   sum {sum:6.1}: at most {:3.0} %",
            receiving.cpu_us,
            batched.sender_us,
            batched.redis_us,
            cores * 1e6 / sum / alone.per_second * 100.0
        );
    }
}

/// CPU time of the hash of a content, in microseconds.
fn hash_us(payload: usize) -> f64 {
    let (mut data, began, mut count) = (vec![7_u8; payload], Instant::now(), 0_u64);
    while began.elapsed() < Duration::from_millis(300) {
        data[..8].copy_from_slice(&count.to_le_bytes());
        std::hint::black_box(blake3::hash(&data));
        count += 1;
    }
    began.elapsed().as_secs_f64() / count as f64 * 1e6
}
