//! Loads preflight and prints each figure beside its limit. `scripts/bench.d/preflight.sh` runs it.
//!
//! Each change contains the time at which it was made, as `last_modified` in microseconds. A viewer computes
//! the latency from that.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod bench;
mod viewers;

use std::path::PathBuf;

use clap::Parser;
use fred::clients::Client;
use fred::interfaces::HashesInterface;
use test_support::load::{Peer, measure_drain, measure_outage, print_row, start_instance};
use test_support::{ServiceProcess, TestRedis, eventually};

use crate::bench::Bench;
use crate::viewers::{now_us, path};

/// preflight's variable for the time between two pings.
const PING_INTERVAL: &str = "PREFLIGHT_PING_INTERVAL";

#[derive(Parser)]
struct Args {
    /// The binary of preflight
    binary: PathBuf,
    /// The script of a comparable program in Python
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Number of sockets: idle ones, viewers that connect together, and those of an instance that is stopped
    #[arg(long, default_value_t = 10_000)]
    sockets: usize,
    /// Number of runs that they watch
    #[arg(long, default_value_t = 500)]
    runs: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut server = TestRedis::start_with(&["--notify-keyspace-events", "Kghxe"]).await;
    let redis = server.client().await;
    for run in 0..args.runs {
        let fields: Vec<_> =
            (0..55).map(|n| (format!("timestamps:task_{n}"), "1712535018".to_owned())).collect();
        redis.hset::<(), _, _>(&path(run)[1..], fields).await?;
    }
    let service = start_instance(&args.binary, &server, PING_INTERVAL).await;
    let bench = Bench { port: service.port(), pid: service.pid(), redis: redis.clone() };
    bench.measure_many_runs(args.sockets, args.runs).await?;
    eventually("the runs are forgotten", async || service.metric("preflight_runs").await == 0.0).await;
    bench.measure_one_run(300, 80).await?;
    bench.measure_burst(300).await?;
    bench.measure_stalled_viewers(300, 80).await?;
    if let Some(script) = &args.peer
        && let Some(peer) = Peer::start(script, server.port()).await
    {
        let peer = Bench { port: peer.port(), pid: peer.pid(), redis };
        bench.compare_with(&peer, 300, 40).await?;
    }
    measure_redis_outage(&service, &mut server, args.runs).await;
    let other = start_instance(&args.binary, &server, PING_INTERVAL).await;
    measure_drain("preflight", service, &other, args.sockets, |number| path(number % args.runs)).await;
    Ok(())
}

/// Kills Redis while runs change. Each run has a viewer.
async fn measure_redis_outage(service: &ServiceProcess, server: &mut TestRedis, runs: usize) {
    let paths: Vec<String> = (0..runs).map(path).collect();
    let change_all = async |redis: &Client, time: u64| -> Result<(), fred::error::Error> {
        for path in &paths {
            redis.hset::<(), _, _>(&path[1..], ("last_modified", time)).await?;
        }
        Ok(())
    };
    let before = async |redis: &Client| change_all(redis, now_us()).await;
    let after = async |redis: &Client| change_all(redis, 2).await.unwrap();
    let is_expected = |text: &[u8]| text.ends_with(br#""last_modified":2}"#);
    let (stayed, recovery) = measure_outage(service, server, &paths, before, after, is_expected).await;
    print_row(
        &format!("Redis killed for 10 s, {runs} viewers of as many runs"),
        &format!("{stayed} stayed, all checklists current {:.2} s after its return", recovery.as_secs_f64()),
        "all, 1 s",
    );
}
