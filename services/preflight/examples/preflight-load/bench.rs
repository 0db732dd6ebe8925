//! The measurements.

use std::time::{Duration, Instant};

use anyhow::Context;
use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface, KeysInterface};
use test_support::load::{
    Figures, Socket, SocketEnd, cpu_seconds, measure_idle, print_row, resident_bytes, run_bare_loop,
};
use tokio::time::sleep;

use crate::viewers::{Viewers, latency_us, now_us, path};

/// How often two things that are compared are measured, in turns. The median counts.
const ROUNDS: usize = 3;
/// The time between two changes of one run: long enough that each is read by itself.
const PAUSE: Duration = Duration::from_millis(50);

/// A running service, and the Redis that it reads.
pub(crate) struct Bench {
    pub(crate) port: u16,
    pub(crate) pid: u32,
    pub(crate) redis: Client,
}

impl Bench {
    /// Many viewers of many runs: the reads when they connect, memory and CPU while idle, and the latency of
    /// a change.
    pub(crate) async fn measure_many_runs(&self, sockets: usize, runs: usize) -> anyhow::Result<()> {
        let memory = resident_bytes(self.pid);
        let (reads_before, started) = (self.count_reads().await?, Instant::now());
        let mut viewers = Viewers::open(self.port, sockets, runs).await?;
        let elapsed = started.elapsed().as_secs_f64();
        print_row(
            &format!("reads when {sockets} viewers of {runs} runs connect at once"),
            &format!("{} (all answered within {elapsed:.1} s)", self.count_reads().await? - reads_before),
            &format!("{}", runs + runs / 20),
        );
        measure_idle(self.pid, sockets, runs, memory).await;
        let change = self.measure_changes(&mut viewers, runs, 500, Duration::from_millis(4)).await?;
        print_row(
            &format!("change to message, {runs} runs of {} viewers", sockets / runs),
            &format!("p50 {:.1}, p99 {:.1} ms", change.p50_ms, change.p99_ms),
            "10 ms",
        );
        Ok(())
    }

    /// Many viewers of one run, compared with a bare loop that writes to as many sockets.
    pub(crate) async fn measure_one_run(&self, viewers: usize, changes: usize) -> anyhow::Result<()> {
        let mut watching = Viewers::open(self.port, viewers, 1).await?;
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(self.measure_changes(&mut watching, 1, changes, PAUSE).await?);
            bare.push(measure_bare_loop(viewers, changes).await);
        }
        let (ours, bare) = (Figures::median(&ours), Figures::median(&bare));
        print_row(
            &format!("change to message, {viewers} viewers of one run"),
            &format!(
                "p50 {:.1}, p99 {:.1} ms; bare loop {:.1}, {:.1} ms",
                ours.p50_ms, ours.p99_ms, bare.p50_ms, bare.p99_ms
            ),
            "10 ms",
        );
        print_row(
            "  CPU",
            &format!("{:.1} µs per delivery; bare loop {:.1} µs", ours.cpu_us, bare.cpu_us),
            "5 µs",
        );
        Ok(())
    }

    /// How many reads a burst of changes of one run causes.
    pub(crate) async fn measure_burst(&self, viewers: usize) -> anyhow::Result<()> {
        let _watching = Viewers::open(self.port, viewers, 1).await?;
        let before = self.count_reads().await?;
        for round in 0..20 {
            let burst = self.redis.pipeline();
            for field in 0..32 {
                let value = (1_000_000 + round * 32 + field).to_string();
                burst.hset::<(), _, _>("run-0", (format!("timestamps:task_{field}"), value)).await?;
            }
            burst.last::<()>().await?;
            sleep(Duration::from_millis(200)).await;
        }
        let reads = (self.count_reads().await? - before) as f64 / 20.0;
        print_row(&format!("reads of a burst of 32 changes, {viewers} viewers"), &format!("{reads:.2}"), "2");
        Ok(())
    }

    /// How much three viewers that do not read delay the others. The checklists are long, so that they fill
    /// the buffers soon.
    pub(crate) async fn measure_stalled_viewers(&self, viewers: usize, changes: usize) -> anyhow::Result<()> {
        let locks: Vec<_> = (0..250).map(|n| (format!("locked:{n:030}"), "true".to_owned())).collect();
        self.redis.hset::<(), _, _>("run-0", locks).await?;
        let mut watching = Viewers::open(self.port, viewers, 1).await?;
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            without.push(self.measure_changes(&mut watching, 1, changes, PAUSE).await?);
            let mut stalled = Vec::new();
            for _ in 0..3 {
                stalled.push(Socket::open_with_receive_buffer(self.port, &path(0), 4096).await?);
            }
            with.push(self.measure_changes(&mut watching, 1, changes, PAUSE).await?);
        }
        let (without, with) = (Figures::median(&without).p99_ms, Figures::median(&with).p99_ms);
        print_row(
            "  checklists of 10 KB, while 3 more viewers do not read",
            &format!("p99 {with:.2} ms, without {without:.2} ms: {:+.2} ms", with - without),
            "+1 ms",
        );
        self.redis.del::<(), _>("run-0").await?;
        Ok(())
    }

    /// Puts the same load on a peer.
    pub(crate) async fn compare_with(
        &self,
        peer: &Self,
        viewers: usize,
        changes: usize,
    ) -> anyhow::Result<()> {
        // One after the other, because both read the same Redis and receive every change.
        let measure = async |bench: &Self| {
            let mut watching = Viewers::open(bench.port, viewers, 1).await?;
            bench.measure_changes(&mut watching, 1, changes, PAUSE).await
        };
        let ours = measure(self).await?;
        let measured = match measure(peer).await {
            Ok(theirs) => format!("p99 {:.0} ms, {:.0} µs per delivery", theirs.p99_ms, theirs.cpu_us),
            Err(error) => format!("cannot keep up: {error:#}"),
        };
        print_row(
            &format!("change to message, {viewers} viewers of one run: the peer"),
            &measured,
            &format!("this one {:.1} ms, {:.1} µs", ours.p99_ms, ours.cpu_us),
        );
        Ok(())
    }

    /// Changes the runs in turn. After each change, waits until all viewers of the run have received it.
    async fn measure_changes(
        &self,
        viewers: &mut Viewers,
        runs: usize,
        changes: usize,
        pause: Duration,
    ) -> anyhow::Result<Figures> {
        let (cpu, mut latencies) = (cpu_seconds(self.pid), Vec::new());
        for change in 0..changes {
            let run = &path(change % runs)[1..];
            self.redis.hset::<(), _, _>(run, ("last_modified", now_us().to_string())).await?;
            for _ in 0..viewers.count() / runs {
                latencies.push(
                    viewers.next_latency().await.with_context(|| format!("change {change} of {changes}"))?,
                );
            }
            sleep(pause).await;
        }
        Ok(Figures::from_latencies(latencies, cpu_seconds(self.pid) - cpu))
    }

    /// How many HSCAN Redis has carried out.
    async fn count_reads(&self) -> anyhow::Result<u64> {
        let stats: String = self.redis.custom(fred::cmd!("INFO"), vec!["commandstats"]).await?;
        let calls = stats.split("cmdstat_hscan:calls=").nth(1).and_then(|rest| rest.split(',').next());
        Ok(calls.unwrap_or("0").parse()?)
    }
}

/// Measures the bare loop with texts as long as a checklist.
async fn measure_bare_loop(sockets: usize, changes: usize) -> Figures {
    let text = || {
        let text = format!(r#"{{"last_modified":{}}}"#, now_us());
        format!("{}{text}", " ".repeat(420 - text.len()))
    };
    let reader = |mut socket: Socket| {
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            let end = socket.read(|text| {
                latencies.extend(latency_us(text));
                latencies.len() == changes
            });
            assert_eq!(end.await, SocketEnd::Done);
            latencies
        })
    };
    run_bare_loop(sockets, changes, PAUSE, text, reader).await.0
}
