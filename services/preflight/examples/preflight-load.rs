//! Loads a running preflight and prints what was measured beside its limit: `scripts/bench.d/preflight.sh` starts all it
//! needs. The time of a change travels in the change itself, as `last_modified` in microseconds.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use clap::Parser;
use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface};
use fred::types::Builder;
use fred::types::config::Config;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

#[derive(Parser)]
struct Args {
    /// Where preflight listens
    service: SocketAddr,
    /// Its process
    pid: u32,
    /// Where its Redis listens
    redis_port: u16,
    /// Idle sockets, and viewers that come back at once
    #[arg(long, default_value_t = 10_000)]
    sockets: usize,
    /// Runs that they watch
    #[arg(long, default_value_t = 500)]
    runs: usize,
    /// Seconds for which idle sockets are watched
    #[arg(long, default_value_t = 50)]
    idle_s: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let config = Config::from_url(&format!("redis://127.0.0.1:{}", args.redis_port))?;
    let redis = Builder::from_config(config).build()?;
    redis.init().await?;
    for run in 0..args.runs {
        let fields: Vec<_> =
            (0..55).map(|n| (format!("timestamps:task_{n}"), "1712535018".to_owned())).collect();
        redis.hset::<(), _, _>(format!("run-{run}"), fields).await?;
    }

    let memory = resident_kb(args.pid)?;
    // The first sockets make the process do what it does only once.
    drop(Viewers::watch(&args, 500).await?);
    sleep(Duration::from_secs(15)).await;
    let (reads, begun) = (reads(&redis).await?, Instant::now());
    let mut viewers = Viewers::watch(&args, args.sockets).await?;
    let answered = begun.elapsed();
    let used = (resident_kb(args.pid)? - memory) / args.sockets as f64;
    let reads = self::reads(&redis).await? - reads;
    row(
        &format!("reads when {} viewers of {} runs come at once", args.sockets, args.runs),
        &format!("{reads} (all answered within {:.1} s)", answered.as_secs_f64()),
        &format!("{}", args.runs + args.runs / 20),
    );
    row(&format!("memory an idle socket, {} sockets", args.sockets), &format!("{used:.1} KB"), "8 KB");

    let cpu = cpu(args.pid)?;
    sleep(Duration::from_secs(args.idle_s)).await;
    let idle = (self::cpu(args.pid)? - cpu).as_secs_f64() * 1e6 / args.idle_s as f64 / args.sockets as f64;
    row("CPU a second an idle socket, ping every 25 s", &format!("{idle:.2} µs"), "1 µs");
    let change = changes(&args, &redis, &mut viewers, args.runs, 500, 1, Duration::from_millis(4)).await?;
    row(
        &format!("change to frame, {} runs of 20 viewers", args.runs),
        &format!("p50 {:.2} ms, p99 {:.2} ms", change.p50, change.p99),
        "p99 10 ms",
    );
    drop(viewers);
    sleep(Duration::from_secs(2)).await;

    let mut viewers = Viewers::watch(&Args { runs: 1, ..args }, 300).await?;
    let bare = bare(300).await?;
    let change = changes(&args, &redis, &mut viewers, 1, 400, 300, Duration::from_millis(50)).await?;
    row(
        "change to frame, 300 viewers of a run",
        &format!(
            "p50 {:.2} ms, p99 {:.2} ms; a bare loop of 300 sockets: p99 {:.2} ms",
            change.p50, change.p99, bare
        ),
        "p99 10 ms",
    );
    row("CPU a delivery in this", &format!("{:.1} µs", change.cpu_us), "5 µs");

    let before = self::reads(&redis).await?;
    for round in 0..20 {
        let burst = redis.pipeline();
        for field in 0..32 {
            let value = format!("{}", 1_000_000 + round * 32 + field);
            burst.hset::<(), _, _>("run-0", (format!("timestamps:task_{field}"), value)).await?;
        }
        burst.all::<()>().await?;
        sleep(Duration::from_millis(200)).await;
    }
    let reads = (self::reads(&redis).await? - before) as f64 / 20.0;
    row("reads of a burst of 32 changes, 300 viewers", &format!("{reads:.2}"), "2");
    Ok(())
}

fn row(what: &str, measured: &str, limit: &str) {
    println!("{what:<52} {measured:<62} limit {limit}");
}

struct Change {
    p50: f64,
    p99: f64,
    cpu_us: f64,
}

/// Changes runs in turn, one every `pause`, and waits for all frames of each.
async fn changes(
    args: &Args,
    redis: &Client,
    viewers: &mut Viewers,
    runs: usize,
    count: usize,
    viewers_each: usize,
    pause: Duration,
) -> anyhow::Result<Change> {
    let viewers_each = viewers_each.max(viewers.count / runs);
    let (cpu, mut latencies) = (self::cpu(args.pid)?, Vec::new());
    for change in 0..count {
        redis
            .hset::<(), _, _>(format!("run-{}", change % runs), ("last_modified", now_us().to_string()))
            .await?;
        for _ in 0..viewers_each {
            let latency = timeout(Duration::from_secs(5), viewers.latencies.recv())
                .await
                .context("a frame is missing")?;
            latencies.push(latency.context("the viewers are gone")?);
        }
        sleep(pause).await;
    }
    let cpu_us = (self::cpu(args.pid)? - cpu).as_secs_f64() * 1e6 / latencies.len() as f64;
    let (p50, p99) = percentiles(&mut latencies);
    Ok(Change { p50, p99, cpu_us })
}

/// The limit: one thread writes a frame of the same size to each of so many sockets. The p99 in milliseconds.
async fn bare(sockets: usize) -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (sender, mut latencies) = mpsc::unbounded_channel();
    let (mut readers, mut written) = (JoinSet::new(), Vec::new());
    for _ in 0..sockets {
        readers.spawn(read(TcpStream::connect(address).await?, Vec::new(), sender.clone(), Arc::default()));
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let socket = socket.into_std()?;
        socket.set_nonblocking(false)?;
        written.push(socket);
    }
    std::thread::spawn(move || -> std::io::Result<()> {
        for _ in 0..400 {
            let mut text = format!(r#"{{"last_modified":{}}}"#, now_us());
            text.insert_str(0, &" ".repeat(520 - text.len()));
            let frame = [&[0x81, 126, 2, 8][..], text.as_bytes()].concat();
            for socket in &mut written {
                socket.write_all(&frame)?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    });
    let mut all = Vec::new();
    for _ in 0..400 * sockets {
        all.push(latencies.recv().await.context("a frame is missing")?);
    }
    Ok(percentiles(&mut all).1)
}

/// Viewers that answer pings and tell how old each answer was that had its time in it, in microseconds.
struct Viewers {
    count: usize,
    latencies: mpsc::UnboundedReceiver<u64>,
    _readers: JoinSet<()>,
}

impl Viewers {
    /// Opens sockets, a share of them on each run, and waits for the first answer of each.
    async fn watch(args: &Args, count: usize) -> anyhow::Result<Self> {
        let (sender, latencies) = mpsc::unbounded_channel();
        let answered = Arc::new(AtomicUsize::new(0));
        let mut readers = JoinSet::new();
        let mut opening = stream::iter(0..count)
            .map(|n| open(args.service, format!("run-{}", n % args.runs)))
            .buffer_unordered(256);
        while let Some(opened) = opening.next().await {
            let (socket, early) = opened?;
            readers.spawn(read(socket, early, sender.clone(), Arc::clone(&answered)));
        }
        let all = async {
            while answered.load(Ordering::Relaxed) < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), all).await.context("not every viewer was answered")?;
        let mut viewers = Self { count, latencies, _readers: readers };
        while viewers.latencies.try_recv().is_ok() {}
        Ok(viewers)
    }
}

async fn open(service: SocketAddr, run: String) -> anyhow::Result<(TcpStream, Vec<u8>)> {
    let mut socket = TcpStream::connect(service).await?;
    socket.set_nodelay(true)?;
    let request = format!(
        "GET /{run} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            ensure!(bytes.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&bytes));
            return Ok((socket, bytes.split_off(end + 4)));
        }
        ensure!(socket.read_buf(&mut bytes).await? > 0, "the service closed the connection");
    }
}

async fn read(
    mut socket: TcpStream,
    mut bytes: Vec<u8>,
    latencies: mpsc::UnboundedSender<u64>,
    answered: Arc<AtomicUsize>,
) {
    const PONG: &[u8] = b"\x81\x8f\0\0\0\0{\"type\":\"pong\"}";
    let mut is_first = true;
    loop {
        while let Some((text, length)) = frame(&bytes) {
            if text == br#"{"type":"ping"}"# {
                if socket.write_all(PONG).await.is_err() {
                    return;
                }
            } else {
                if let Some(sent) = last_modified(text) {
                    let _ = latencies.send(now_us().saturating_sub(sent));
                }
                if std::mem::take(&mut is_first) {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
            bytes.drain(..length);
        }
        bytes.shrink_to(0);
        match socket.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// The payload of the first frame of a server, and the length of the frame, if it is there as a whole.
fn frame(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (header, length) = match *bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        length => (2, usize::from(length)),
    };
    Some((bytes.get(header..header + length)?, header + length))
}

/// The time in an answer; the timestamps that stand in the hash from the start are no times of changes.
fn last_modified(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let number: u64 = text.split(r#""last_modified":"#).nth(1)?.trim_end_matches('}').parse().ok()?;
    (number > 1_000_000_000_000).then_some(number)
}

fn percentiles(latencies: &mut [u64]) -> (f64, f64) {
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    (at(0.5), at(0.99))
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}

async fn reads(redis: &Client) -> anyhow::Result<u64> {
    let stats: String = redis.custom(fred::cmd!("INFO"), vec!["commandstats"]).await?;
    let calls = stats.split("cmdstat_hgetall:calls=").nth(1).and_then(|rest| rest.split(',').next());
    Ok(calls.unwrap_or("0").parse()?)
}

fn resident_kb(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// User and system time of the process so far.
fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
