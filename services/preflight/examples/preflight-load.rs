//! Loads preflight and prints what was measured beside its limit; `scripts/bench.d/preflight.sh` runs it. The time of a
//! change travels in the change itself, as `last_modified` in microseconds.
#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface, KeysInterface};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use test_support::load::{End, Figures, Peer, Socket, bare_loop, cpu_seconds, drain, resident_bytes, row};
use test_support::{Haproxy, ServiceProcess, TestRedis};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What is compared is measured so often in turns; the median counts.
const ROUNDS: usize = 3;
/// Longer than any frame takes.
const PATIENCE: Duration = Duration::from_secs(60);

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
async fn main() {
    let args = Args::parse();
    let mut server = TestRedis::start_with(&["--notify-keyspace-events", "Kghxe"]).await;
    let redis = server.client().await;
    for run in 0..args.runs {
        let fields: Vec<_> =
            (0..55).map(|n| (format!("timestamps:task_{n}"), "1712535018".to_owned())).collect();
        let _: () = redis.hset(format!("run-{run}"), fields).await.unwrap();
    }
    let service = start(&args, &server).await;
    let bench = Bench { port: service.port(), pid: service.pid(), redis: redis.clone() };
    bench.many(args.sockets, args.runs).await;
    bench.one_run(300, 80).await;
    bench.burst(300).await;
    bench.stalled(300, 80).await;
    if let Some(peer) = match &args.peer {
        Some(script) => Peer::start(script, server.port()).await,
        None => None,
    } {
        let peer = Bench { port: peer.port(), pid: peer.pid(), redis };
        bench.compare(&peer, 300, 40).await;
    }
    outage(&service, &mut server, args.runs).await;
    let other = start(&args, &server).await;
    let mut proxies = Vec::new();
    // One has not descriptors enough for all of them.
    for _ in 0..3 {
        proxies.push(Haproxy::before("preflight", &[service.port(), other.port()]).await);
    }
    drain(service, &proxies, args.sockets, |number| path(number % args.runs)).await;
}

async fn start(args: &Args, redis: &TestRedis) -> ServiceProcess {
    let url = redis.url();
    let vars = [
        ("REDIS_URL", url.as_str()),
        ("PREFLIGHT_PING_INTERVAL", "25s"),
        ("DRAIN_DELAY", "3s"),
        ("DRAIN_TIMEOUT", "10s"),
    ];
    let service = ServiceProcess::start(args.binary.to_str().unwrap(), &vars).await;
    service.ready().await;
    service
}

/// Redis is killed for ten seconds while runs change, each of which has a viewer.
async fn outage(service: &ServiceProcess, server: &mut TestRedis, runs: usize) {
    let mut viewers = Vec::new();
    for run in 0..runs {
        viewers.push(Socket::open(service.port(), &path(run)).await.unwrap());
    }
    let change = async |redis: &Client, time: u64| -> Result<(), fred::error::Error> {
        for run in 0..runs {
            redis.hset::<(), _, _>(&path(run)[1..], ("last_modified", time)).await?;
        }
        Ok(())
    };
    let redis = server.client().await;
    change(&redis, 1).await.unwrap();
    let load = async { while change(&redis, now_us()).await.is_ok() {} };
    tokio::join!(load, server.kill());
    sleep(Duration::from_secs(10)).await;
    server.restart().await;
    let (back, redis) = (Instant::now(), server.client().await);
    change(&redis, 2).await.unwrap();
    let sees = |text: &[u8]| text.ends_with(br#""last_modified":2}"#);
    let ends = join_all(viewers.iter_mut().map(|viewer| viewer.read(sees))).await;
    let took = back.elapsed().as_secs_f64();
    let stayed = ends.iter().filter(|end| **end == End::Done).count();
    row(
        &format!("Redis killed for 10 s, {runs} viewers of as many runs"),
        &format!("{stayed} stayed, all is right {took:.2} s after its return"),
        "all, 1 s",
    );
}

/// A service, and what loads it.
struct Bench {
    port: u16,
    pid: u32,
    redis: Client,
}

impl Bench {
    /// Many viewers of many runs: how they come, what they cost, and how soon they see a change.
    async fn many(&self, sockets: usize, runs: usize) {
        let memory = resident_bytes(self.pid);
        let (reads, begin) = (self.reads().await, Instant::now());
        let mut viewers = self.watch(sockets, runs).await;
        let answered = begin.elapsed().as_secs_f64();
        row(
            &format!("reads when {sockets} viewers of {runs} runs come at once"),
            &format!("{} (all answered within {answered:.1} s)", self.reads().await - reads),
            &format!("{}", runs + runs / 20),
        );
        let used = (resident_bytes(self.pid) - memory) as f64 / sockets as f64 / 1024.0;
        row(&format!("memory an idle socket, {sockets} on {runs} runs"), &format!("{used:.1} KB"), "8 KB");
        let (begin, cpu) = (Instant::now(), cpu_seconds(self.pid));
        sleep(Duration::from_secs(50)).await;
        let idle = (cpu_seconds(self.pid) - cpu) / begin.elapsed().as_secs_f64() / sockets as f64;
        row("CPU a second an idle socket, a ping every 25 s", &format!("{:.2} µs", idle * 1e6), "1 µs");
        let change = self.changes(&mut viewers, runs, 500, Duration::from_millis(4)).await;
        row(
            &format!("change to frame, {runs} runs of {} viewers", sockets / runs),
            &format!("p50 {:.1}, p99 {:.1} ms", change.p50_ms, change.p99_ms),
            "10 ms",
        );
    }

    /// Many viewers of one run, beside a bare loop of as many sockets.
    async fn one_run(&self, viewers: usize, changes: usize) {
        let mut watching = self.watch(viewers, 1).await;
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(self.changes(&mut watching, 1, changes, PAUSE).await);
            bare.push(bare_changes(viewers, changes).await);
        }
        let (ours, bare) = (Figures::median(&ours), Figures::median(&bare));
        row(
            &format!("change to frame, {viewers} viewers of one run"),
            &format!(
                "p50 {:.1}, p99 {:.1} ms; bare loop {:.1}, {:.1} ms",
                ours.p50_ms, ours.p99_ms, bare.p50_ms, bare.p99_ms
            ),
            "10 ms",
        );
        row("  CPU", &format!("{:.1} µs a delivery; bare loop {:.1} µs", ours.cpu_us, bare.cpu_us), "5 µs");
    }

    /// Bursts of changes of one run.
    async fn burst(&self, viewers: usize) {
        let _watching = self.watch(viewers, 1).await;
        let before = self.reads().await;
        for round in 0..20 {
            let burst = self.redis.pipeline();
            for field in 0..32 {
                let value = (1_000_000 + round * 32 + field).to_string();
                let _: () = burst.hset("run-0", (format!("timestamps:task_{field}"), value)).await.unwrap();
            }
            let _: () = burst.last().await.unwrap();
            sleep(Duration::from_millis(200)).await;
        }
        let reads = (self.reads().await - before) as f64 / 20.0;
        row(&format!("reads of a burst of 32 changes, {viewers} viewers"), &format!("{reads:.2}"), "2");
    }

    /// What readers that stop reading do to the others. Answers are long here, so that they soon fill the room there is.
    async fn stalled(&self, viewers: usize, changes: usize) {
        let locks: Vec<_> = (0..250).map(|n| (format!("locked:{n:030}"), "true".to_owned())).collect();
        let _: () = self.redis.hset("run-0", locks).await.unwrap();
        let mut watching = self.watch(viewers, 1).await;
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            without.push(self.changes(&mut watching, 1, changes, PAUSE).await);
            let mut held = Vec::new();
            for _ in 0..3 {
                held.push(Socket::open_with_room(self.port, &path(0), 4096).await.unwrap());
            }
            with.push(self.changes(&mut watching, 1, changes, PAUSE).await);
        }
        let (without, with) = (Figures::median(&without).p99_ms, Figures::median(&with).p99_ms);
        row(
            "  answers of 10 KB, while 3 more viewers stop reading",
            &format!("p99 {with:.2} ms, without {without:.2} ms: {:+.2} ms", with - without),
            "+1 ms",
        );
        let _: () = self.redis.del("run-0").await.unwrap();
    }

    /// The same load on a peer.
    async fn compare(&self, peer: &Self, viewers: usize, changes: usize) {
        // One after the other: both hear of every change.
        let round = async |bench: &Self| {
            let mut watching = bench.watch(viewers, 1).await;
            bench.changes(&mut watching, 1, changes, PAUSE).await
        };
        let (ours, theirs) = (round(self).await, round(peer).await);
        row(
            &format!("change to frame, {viewers} viewers of one run: the peer"),
            &format!("p99 {:.0} ms, {:.0} µs a delivery", theirs.p99_ms, theirs.cpu_us),
            &format!("this one {:.1} ms, {:.1} µs", ours.p99_ms, ours.cpu_us),
        );
    }

    /// Changes runs in turn, and waits after each change until all viewers of the run have seen it.
    async fn changes(&self, viewers: &mut Viewers, runs: usize, changes: usize, pause: Duration) -> Figures {
        let viewers_each = viewers.tasks.len() / runs;
        let (cpu, mut ages) = (cpu_seconds(self.pid), Vec::new());
        for change in 0..changes {
            let run = format!("run-{}", change % runs);
            let _: () = self.redis.hset(run, ("last_modified", now_us().to_string())).await.unwrap();
            for _ in 0..viewers_each {
                let age = timeout(PATIENCE, viewers.ages_us.recv()).await.expect("a frame in time");
                ages.push(age.expect("the viewers are there"));
            }
            sleep(pause).await;
        }
        Figures::of(ages, cpu_seconds(self.pid) - cpu)
    }

    /// Opens sockets, a share of them on each run, and waits for the first answer of each.
    async fn watch(&self, sockets: usize, runs: usize) -> Viewers {
        let (sender, ages_us) = mpsc::unbounded_channel();
        let (answered, mut answers) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        let mut opening = stream::iter(0..sockets)
            .map(|number| async move { Socket::open(self.port, &path(number % runs)).await })
            .buffer_unordered(256);
        while let Some(socket) = opening.next().await {
            let (mut socket, sender, answered) = (socket.unwrap(), sender.clone(), answered.clone());
            tasks.spawn(async move {
                socket.read(|_| true).await;
                drop(answered);
                let end = socket.read(|text| age_us(text).is_some_and(|age| sender.send(age).is_err()));
                panic!("a viewer ended: {:?}", end.await);
            });
        }
        drop(answered);
        // When nobody has a sender any more, everybody has been answered.
        let all: Option<()> = timeout(PATIENCE, answers.recv()).await.expect("every viewer is answered");
        assert_eq!(all, None);
        Viewers { ages_us, tasks }
    }

    /// How often Redis was asked to read a hash.
    async fn reads(&self) -> u64 {
        let stats: String = self.redis.custom(fred::cmd!("INFO"), vec!["commandstats"]).await.unwrap();
        let calls = stats.split("cmdstat_hgetall:calls=").nth(1).and_then(|rest| rest.split(',').next());
        calls.unwrap_or("0").parse().unwrap()
    }
}

/// Between two changes of one run, so that each is read by itself.
const PAUSE: Duration = Duration::from_millis(50);

/// Viewers, and how old each change was that one of them has seen. Gone when dropped.
struct Viewers {
    ages_us: mpsc::UnboundedReceiver<u32>,
    tasks: JoinSet<()>,
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
            assert_eq!(end.await, End::Done);
            ages
        })
    };
    bare_loop(sockets, changes, PAUSE, text, reader).await.0
}

/// How old the change in an answer is; the timestamps that stand in the hash from the start are no times of changes.
fn age_us(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let sent: u64 = text.split(r#""last_modified":"#).nth(1)?.trim_end_matches('}').parse().ok()?;
    u32::try_from(now_us().saturating_sub(sent)).ok()
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}

fn path(run: usize) -> String {
    format!("/run-{run}")
}
