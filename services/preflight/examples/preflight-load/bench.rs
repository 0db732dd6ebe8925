//! What is measured.

use std::time::{Duration, Instant};

use anyhow::Context;
use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface, KeysInterface};
use test_support::load::{SocketEnd, Figures, Socket, run_bare_loop, cpu_seconds, measure_idle, resident_bytes, print_row};
use tokio::time::sleep;

use crate::viewers::{Viewers, age_us, now_us, path};

/// What is compared is measured so often in turns; the median counts.
const ROUNDS: usize = 3;
/// Between two changes of one run, so that each is read by itself.
const PAUSE: Duration = Duration::from_millis(50);

/// A service, and what loads it.
pub(crate) struct Bench {
    pub(crate) port: u16,
    pub(crate) pid: u32,
    pub(crate) redis: Client,
}

impl Bench {
    /// Many viewers of many runs: how they come, what they cost, and how soon they see a change.
    pub(crate) async fn many(&self, sockets: usize, runs: usize) -> anyhow::Result<()> {
        let memory = resident_bytes(self.pid);
        let (reads, begin) = (self.reads().await?, Instant::now());
        let mut viewers = Viewers::open(self.port, sockets, runs).await?;
        let answered = begin.elapsed().as_secs_f64();
        print_row(
            &format!("reads when {sockets} viewers of {runs} runs come at once"),
            &format!("{} (all answered within {answered:.1} s)", self.reads().await? - reads),
            &format!("{}", runs + runs / 20),
        );
        measure_idle(self.pid, sockets, runs, memory).await;
        let change = self.changes(&mut viewers, runs, 500, Duration::from_millis(4)).await?;
        print_row(
            &format!("change to frame, {runs} runs of {} viewers", sockets / runs),
            &format!("p50 {:.1}, p99 {:.1} ms", change.p50_ms, change.p99_ms),
            "10 ms",
        );
        Ok(())
    }

    /// Many viewers of one run, beside a bare loop of as many sockets.
    pub(crate) async fn one_run(&self, viewers: usize, changes: usize) -> anyhow::Result<()> {
        let mut watching = Viewers::open(self.port, viewers, 1).await?;
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(self.changes(&mut watching, 1, changes, PAUSE).await?);
            bare.push(bare_changes(viewers, changes).await);
        }
        let (ours, bare) = (Figures::median(&ours), Figures::median(&bare));
        print_row(
            &format!("change to frame, {viewers} viewers of one run"),
            &format!(
                "p50 {:.1}, p99 {:.1} ms; bare loop {:.1}, {:.1} ms",
                ours.p50_ms, ours.p99_ms, bare.p50_ms, bare.p99_ms
            ),
            "10 ms",
        );
        print_row("  CPU", &format!("{:.1} µs a delivery; bare loop {:.1} µs", ours.cpu_us, bare.cpu_us), "5 µs");
        Ok(())
    }

    /// Bursts of changes of one run.
    pub(crate) async fn burst(&self, viewers: usize) -> anyhow::Result<()> {
        let _watching = Viewers::open(self.port, viewers, 1).await?;
        let before = self.reads().await?;
        for round in 0..20 {
            let burst = self.redis.pipeline();
            for field in 0..32 {
                let value = (1_000_000 + round * 32 + field).to_string();
                burst.hset::<(), _, _>("run-0", (format!("timestamps:task_{field}"), value)).await?;
            }
            burst.last::<()>().await?;
            sleep(Duration::from_millis(200)).await;
        }
        let reads = (self.reads().await? - before) as f64 / 20.0;
        print_row(&format!("reads of a burst of 32 changes, {viewers} viewers"), &format!("{reads:.2}"), "2");
        Ok(())
    }

    /// What readers that stop reading do to the others. Answers are long here, so that they soon fill the room there is.
    pub(crate) async fn stalled(&self, viewers: usize, changes: usize) -> anyhow::Result<()> {
        let locks: Vec<_> = (0..250).map(|n| (format!("locked:{n:030}"), "true".to_owned())).collect();
        self.redis.hset::<(), _, _>("run-0", locks).await?;
        let mut watching = Viewers::open(self.port, viewers, 1).await?;
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            without.push(self.changes(&mut watching, 1, changes, PAUSE).await?);
            let mut held = Vec::new();
            for _ in 0..3 {
                held.push(Socket::open_with_receive_buffer(self.port, &path(0), 4096).await?);
            }
            with.push(self.changes(&mut watching, 1, changes, PAUSE).await?);
        }
        let (without, with) = (Figures::median(&without).p99_ms, Figures::median(&with).p99_ms);
        print_row(
            "  answers of 10 KB, while 3 more viewers stop reading",
            &format!("p99 {with:.2} ms, without {without:.2} ms: {:+.2} ms", with - without),
            "+1 ms",
        );
        self.redis.del::<(), _>("run-0").await?;
        Ok(())
    }

    /// The same load on a peer.
    pub(crate) async fn compare(&self, peer: &Self, viewers: usize, changes: usize) -> anyhow::Result<()> {
        // One after the other: both hear of every change.
        let round = async |bench: &Self| {
            let mut watching = Viewers::open(bench.port, viewers, 1).await?;
            bench.changes(&mut watching, 1, changes, PAUSE).await
        };
        let ours = round(self).await?;
        let seen = match round(peer).await {
            Ok(theirs) => format!("p99 {:.0} ms, {:.0} µs a delivery", theirs.p99_ms, theirs.cpu_us),
            Err(failure) => format!("cannot keep up: {failure:#}"),
        };
        print_row(
            &format!("change to frame, {viewers} viewers of one run: the peer"),
            &seen,
            &format!("this one {:.1} ms, {:.1} µs", ours.p99_ms, ours.cpu_us),
        );
        Ok(())
    }

    /// Changes runs in turn, and waits after each change until all viewers of the run have seen it.
    async fn changes(
        &self,
        viewers: &mut Viewers,
        runs: usize,
        changes: usize,
        pause: Duration,
    ) -> anyhow::Result<Figures> {
        let (cpu, mut ages) = (cpu_seconds(self.pid), Vec::new());
        for change in 0..changes {
            let run = &path(change % runs)[1..];
            self.redis.hset::<(), _, _>(run, ("last_modified", now_us().to_string())).await?;
            for _ in 0..viewers.count() / runs {
                ages.push(viewers.age().await.with_context(|| format!("change {change} of {changes}"))?);
            }
            sleep(pause).await;
        }
        Ok(Figures::from_latencies(ages, cpu_seconds(self.pid) - cpu))
    }

    /// How often Redis was asked to read a hash.
    async fn reads(&self) -> anyhow::Result<u64> {
        let stats: String = self.redis.custom(fred::cmd!("INFO"), vec!["commandstats"]).await?;
        let calls = stats.split("cmdstat_hgetall:calls=").nth(1).and_then(|rest| rest.split(',').next());
        Ok(calls.unwrap_or("0").parse()?)
    }
}

/// The limit, with texts as long as an answer.
async fn bare_changes(sockets: usize, changes: usize) -> Figures {
    let text = || {
        let text = format!(r#"{{"last_modified":{}}}"#, now_us());
        format!("{}{text}", " ".repeat(420 - text.len()))
    };
    let reader = |mut socket: Socket| {
        tokio::spawn(async move {
            let mut ages = Vec::new();
            let end = socket.read(|text| {
                ages.extend(age_us(text));
                ages.len() == changes
            });
            assert_eq!(end.await, SocketEnd::Done);
            ages
        })
    };
    run_bare_loop(sockets, changes, PAUSE, text, reader).await.0
}
