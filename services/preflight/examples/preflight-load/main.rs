//! Loads preflight and prints what was measured beside its limit; `scripts/bench.d/preflight.sh` runs it. The time of a
//! change travels in the change itself, as `last_modified` in microseconds.
#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

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

/// Its variable for the time between two pings.
const PING_INTERVAL: &str = "PREFLIGHT_PING_INTERVAL";

#[derive(Parser)]
struct Args {
    /// The binary of preflight
    binary: PathBuf,
    /// A peer in Python
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Sockets that are told nothing, viewers that come at once, and sockets of an instance that is stopped
    #[arg(long, default_value_t = 10_000)]
    sockets: usize,
    /// Runs that they watch
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
    bench.many(args.sockets, args.runs).await?;
    eventually("the runs are forgotten", async || service.metric("preflight_runs").await == 0.0).await;
    bench.one_run(300, 80).await?;
    bench.burst(300).await?;
    bench.stalled(300, 80).await?;
    if let Some(script) = &args.peer
        && let Some(peer) = Peer::start(script, server.port()).await
    {
        let peer = Bench { port: peer.port(), pid: peer.pid(), redis };
        bench.compare(&peer, 300, 40).await?;
    }
    outage_of(&service, &mut server, args.runs).await;
    let other = start_instance(&args.binary, &server, PING_INTERVAL).await;
    measure_drain("preflight", service, &other, args.sockets, |number| path(number % args.runs)).await;
    Ok(())
}

/// Redis is killed while runs change, each of which has a viewer.
async fn outage_of(service: &ServiceProcess, server: &mut TestRedis, runs: usize) {
    let paths: Vec<String> = (0..runs).map(path).collect();
    let change = async |redis: &Client, time: u64| -> Result<(), fred::error::Error> {
        for path in &paths {
            redis.hset::<(), _, _>(&path[1..], ("last_modified", time)).await?;
        }
        Ok(())
    };
    let before = async |redis: &Client| change(redis, now_us()).await;
    let after = async |redis: &Client| change(redis, 2).await.unwrap();
    let sees = |text: &[u8]| text.ends_with(br#""last_modified":2}"#);
    let (stayed, took) = measure_outage(service, server, &paths, before, after, sees).await;
    print_row(
        &format!("Redis killed for 10 s, {runs} viewers of as many runs"),
        &format!("{stayed} stayed, all is right {:.2} s after its return", took.as_secs_f64()),
        "all, 1 s",
    );
}
