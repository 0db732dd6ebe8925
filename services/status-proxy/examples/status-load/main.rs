//! Puts load on status-proxy, and prints each measurement with its limit. `scripts/bench.d/status-proxy.sh` runs it.
#![expect(clippy::unwrap_used, reason = "a measurement that fails has no result")]

mod bench;
mod clock;

use std::path::PathBuf;

use clap::Parser;
use fred::clients::Client;
use fred::interfaces::PubsubInterface;
use test_support::load::{Peer, measure_drain, measure_outage, print_row, start_instance};
use test_support::{ServiceProcess, TestRedis};

use crate::bench::{Bench, idle_path};
use crate::clock::Clock;

/// The variable for the time between two pings.
const PING_INTERVAL: &str = "STATUS_PING_INTERVAL";

#[derive(Parser)]
struct Args {
    /// The binary of status-proxy
    binary: PathBuf,
    /// A Python program to compare with
    #[arg(long)]
    peer: Option<PathBuf>,
    /// The number of idle sockets, and of sockets of an instance that is stopped
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
        subscribes_per_viewer: false,
    };
    bench.measure_rate(300, 100, "5 ms, or 2 x bare").await;
    bench.measure_rate(1000, 80, "15 ms, or 2 x bare").await;
    bench.measure_burst(1000, 3000).await;
    bench.measure_redis_cost(300).await;
    bench.measure_stalled(300, 100).await;
    if let Some(script) = &args.peer
        && let Some(peer) = Peer::start(script, redis.port()).await
    {
        let peer = Bench {
            port: peer.port(),
            pid: peer.pid(),
            redis: redis.client().await,
            clock,
            subscribes_per_viewer: true,
        };
        bench.compare_with(&peer, 300, 5, 1000).await;
    }
    bench.measure_idle(args.sockets).await;
    measure_outage_of(&service, &mut redis, 1000).await;
    let other = start_instance(&args.binary, &redis, PING_INTERVAL).await;
    measure_drain("status-proxy", service, &other, args.sockets, idle_path).await;
}

/// Kills Redis while lines are published on many channels with one viewer each.
async fn measure_outage_of(service: &ServiceProcess, redis: &mut TestRedis, channels: usize) {
    let paths: Vec<String> = (0..channels).map(idle_path).collect();
    let publish = async |producer: &Client, text: &str| -> Result<(), fred::error::Error> {
        for path in &paths {
            producer.publish::<(), _, _>(&path[1..], text).await?;
        }
        Ok(())
    };
    let before = async |producer: &Client| publish(producer, "before").await;
    let after = async |producer: &Client| while publish(producer, "after").await.is_ok() {};
    let is_after = |text: &[u8]| text.ends_with(br#""after"}"#);
    let (stayed, took) = measure_outage(service, redis, &paths, before, after, is_after).await;
    print_row(
        &format!("Redis killed for 10 s, {channels} viewers of as many channels"),
        &format!("{stayed} stayed, all receive lines again {:.2} s after its return", took.as_secs_f64()),
        "all, 1 s",
    );
}
