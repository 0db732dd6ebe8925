//! Loads status-proxy and prints what was measured beside its limit; `scripts/bench.d/status-proxy.sh` runs it. A line's text
//! begins with the time of its publication.
#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

mod bench;
mod clock;

use std::path::PathBuf;

use clap::Parser;
use fred::clients::Client;
use fred::interfaces::PubsubInterface;
use test_support::load::{Peer, measure_drain, measure_outage, print_row, start_instance};
use test_support::{ServiceProcess, TestRedis};

use crate::bench::{Bench, quiet};
use crate::clock::Clock;

/// Its variable for the time between two pings.
const PING_INTERVAL: &str = "STATUS_PING_INTERVAL";

#[derive(Parser)]
struct Args {
    /// The binary of status-proxy
    binary: PathBuf,
    /// A peer in Python
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Sockets that are told nothing, and sockets of an instance that is stopped
    #[arg(long, default_value_t = 10_000)]
    sockets: usize,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let mut redis = TestRedis::start().await;
    let service = start_instance(&args.binary, &redis, PING_INTERVAL).await;
    let clock = Clock::default();
    let bench = Bench {
        port: service.port(),
        pid: service.pid(),
        redis: redis.client().await,
        clock,
        subscribes_each: false,
    };
    bench.rate(300, 100, "5 ms, or 2 x bare").await;
    bench.rate(1000, 80, "15 ms, or 2 x bare").await;
    bench.burst(1000, 3000).await;
    bench.redis_cost(300).await;
    bench.stalled(300, 100).await;
    if let Some(script) = &args.peer
        && let Some(peer) = Peer::start(script, redis.port()).await
    {
        let peer = Bench {
            port: peer.port(),
            pid: peer.pid(),
            redis: redis.client().await,
            clock,
            subscribes_each: true,
        };
        bench.compare(&peer, 300, 5, 1000).await;
    }
    bench.idle(args.sockets).await;
    outage_of(&service, &mut redis, 1000).await;
    let other = start_instance(&args.binary, &redis, PING_INTERVAL).await;
    measure_drain("status-proxy", service, &other, args.sockets, quiet).await;
}

/// Redis is killed while lines are published on many channels, each of which has a viewer.
async fn outage_of(service: &ServiceProcess, redis: &mut TestRedis, channels: usize) {
    let paths: Vec<String> = (0..channels).map(quiet).collect();
    let publish = async |producer: &Client, text: &str| -> Result<(), fred::error::Error> {
        for path in &paths {
            producer.publish::<(), _, _>(&path[1..], text).await?;
        }
        Ok(())
    };
    let before = async |producer: &Client| publish(producer, "before").await;
    let after = async |producer: &Client| while publish(producer, "after").await.is_ok() {};
    let hears = |text: &[u8]| text.ends_with(br#""after"}"#);
    let (stayed, took) = measure_outage(service, redis, &paths, before, after, hears).await;
    print_row(
        &format!("Redis killed for 10 s, {channels} viewers of as many channels"),
        &format!("{stayed} stayed, all hear again {:.2} s after its return", took.as_secs_f64()),
        "all, 1 s",
    );
}
