//! Measures a running status-proxy, and a bare socket loop of the same size in the same run, which is the limit.
//!
//! `status-load HOST:PORT PID REDIS_PORT [idle sockets]`; scripts/bench.d/status-proxy.sh starts what it needs.
#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// What stands before the text of a line, and how long a text is.
const PREFIX: &[u8] = br#"{"type":"status","data":""#;
const TEXT: usize = 120;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, pid, redis_port, rest @ ..] = args.as_slice() else { panic!("HOST:PORT PID REDIS_PORT") };
    let idle = rest.first().map_or(10_000, |text| text.parse().unwrap());
    let bench = Bench {
        address: address.parse().unwrap(),
        pid: pid.parse().unwrap(),
        redis_port: redis_port.parse().unwrap(),
    };
    bench.rate("300 viewers x 100 messages/s", 300, 100, Duration::from_secs(6)).await;
    bench.rate("1,000 viewers x 80 messages/s", 1000, 80, Duration::from_secs(6)).await;
    bench.burst(1000, 3000).await;
    bench.redis_cost().await;
    bench.idle(idle).await;
}

struct Bench {
    address: SocketAddr,
    pid: u32,
    redis_port: u16,
}

/// The latencies in microseconds, sorted.
struct Latencies(Vec<u32>);

impl Latencies {
    fn at(&self, share: f64) -> f64 {
        f64::from(self.0[((self.0.len() - 1) as f64 * share) as usize]) / 1000.0
    }
}

impl Bench {
    /// Messages at a rate to viewers of one channel.
    async fn rate(&self, what: &str, viewers: usize, per_second: u32, time: Duration) {
        let count = (time.as_secs_f64() * f64::from(per_second)) as usize;
        let interval = Duration::from_secs(1) / per_second;
        let start = Instant::now();
        let mut publisher = Redis::connect(self.redis_port).await;
        let readers = self.viewers(viewers, |_| "bench:rate".to_owned(), count, start).await;
        let cpu = cpu_seconds(self.pid);
        let mut timer = tokio::time::interval(interval);
        for _ in 0..count {
            timer.tick().await;
            publisher.publish("bench:rate", &text(start)).await;
        }
        let ours = collect(readers).await;
        let cpu = cpu_seconds(self.pid) - cpu;
        let deliveries = (viewers * count) as f64;
        let (bare, bare_cpu) = bare_loop(viewers, count, interval).await;
        println!("{what}");
        println!(
            "  p50 / p99     {:6.1} / {:.1} ms   bare loop {:.1} / {:.1} ms   p99 ratio {:.2}",
            ours.at(0.5),
            ours.at(0.99),
            bare.at(0.5),
            bare.at(0.99),
            ours.at(0.99) / bare.at(0.99)
        );
        println!(
            "  CPU           {:6.2} cores, {:.1} us a delivery   bare loop {:.1} us   ratio {:.2}",
            cpu / time.as_secs_f64(),
            cpu / deliveries * 1e6,
            bare_cpu / deliveries * 1e6,
            cpu / bare_cpu
        );
    }

    /// All at once.
    async fn burst(&self, viewers: usize, count: usize) {
        let start = Instant::now();
        let mut publisher = Redis::connect(self.redis_port).await;
        let readers = self.viewers(viewers, |_| "bench:burst".to_owned(), count, start).await;
        let (begin, cpu) = (Instant::now(), cpu_seconds(self.pid));
        publisher.publish_all("bench:burst", &vec![text(start); count]).await;
        collect(readers).await;
        let rate = (viewers * count) as f64 / begin.elapsed().as_secs_f64();
        let cpu = cpu_seconds(self.pid) - cpu;
        let (bare, _) = bare_loop(viewers, count / 10, Duration::ZERO).await;
        let bare_rate = (viewers * (count / 10)) as f64 / (f64::from(*bare.0.last().unwrap()) / 1e6);
        println!("burst of {count} messages to {viewers} viewers, none lost");
        println!(
            "  deliveries/s  {rate:9.0}   {:.2} us of CPU each   bare loop, a write each: {bare_rate:.0}   ratio {:.1}",
            cpu / (viewers * count) as f64 * 1e6,
            rate / bare_rate
        );
    }

    /// What one publish to 300 viewers costs Redis.
    async fn redis_cost(&self) {
        let start = Instant::now();
        let mut publisher = Redis::connect(self.redis_port).await;
        let count = 3000;
        let readers = self.viewers(300, |_| "bench:cost".to_owned(), count, start).await;
        let cpu = publisher.cpu_seconds().await;
        for _ in 0..count {
            publisher.publish("bench:cost", &text(start)).await;
        }
        let cpu = publisher.cpu_seconds().await - cpu;
        collect(readers).await;
        println!("Redis, one publish to 300 viewers\n  CPU           {:6.1} us", cpu / count as f64 * 1e6);
    }

    async fn idle(&self, sockets: usize) {
        let before = resident_bytes(self.pid);
        let readers = self
            .viewers(sockets, |number| format!("run-{}:a", number % 1000), usize::MAX, Instant::now())
            .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = resident_bytes(self.pid);
        let (begin, cpu) = (Instant::now(), cpu_seconds(self.pid));
        tokio::time::sleep(Duration::from_secs(50)).await;
        let cpu = (cpu_seconds(self.pid) - cpu) / begin.elapsed().as_secs_f64() / sockets as f64;
        println!("{sockets} idle sockets on 1,000 runs, a ping every 25 s");
        println!("  memory        {:6.1} KB a socket", (after - before) as f64 / sockets as f64 / 1024.0);
        println!("  CPU           {:6.2} us a second a socket", cpu * 1e6);
        readers.iter().for_each(JoinHandle::abort);
    }

    /// Connects viewers; each ends after so many messages with their latencies.
    async fn viewers(
        &self,
        count: usize,
        channel: impl Fn(usize) -> String,
        messages: usize,
        start: Instant,
    ) -> Vec<JoinHandle<Vec<u32>>> {
        let mut readers = Vec::with_capacity(count);
        for some in (0..count).collect::<Vec<_>>().chunks(200) {
            let sockets = some.iter().map(|&number| upgrade(self.address, channel(number)));
            for socket in join_all(sockets).await {
                readers.push(tokio::spawn(read(socket, messages, start)));
            }
        }
        readers
    }
}

async fn upgrade(address: SocketAddr, channel: String) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /{channel} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(socket.read_buf(&mut head).await.unwrap() > 0, "{}", String::from_utf8_lossy(&head));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    socket.set_nodelay(true).unwrap();
    socket
}

/// Reads frames until so many lines have come, and answers pings.
async fn read(mut socket: TcpStream, messages: usize, start: Instant) -> Vec<u32> {
    let mut latencies = Vec::new();
    let mut rest = Vec::new();
    while latencies.len() < messages {
        let mut pinged = false;
        socket.readable().await.unwrap();
        {
            let mut buffer = [0; 16 * 1024];
            match socket.try_read(&mut buffer) {
                Ok(0) => panic!("closed after {} lines", latencies.len()),
                Ok(count) => rest.extend_from_slice(&buffer[..count]),
                Err(_) => continue,
            }
        }
        let now = start.elapsed().as_nanos() as u64;
        let mut at = 0;
        while let Some((header, length)) = frame(&rest[at..]) {
            let payload = &rest[at + header..at + header + length];
            match payload.strip_prefix(PREFIX) {
                Some(text) => latencies.push(((now.saturating_sub(sent_at(text))) / 1000) as u32),
                None => pinged = true,
            }
            at += header + length;
        }
        rest.drain(..at);
        if rest.is_empty() && rest.capacity() > 4096 {
            rest = Vec::new();
        }
        if pinged {
            socket.write_all(b"\x81\x8f\0\0\0\0{\"type\":\"pong\"}").await.unwrap();
        }
    }
    latencies
}

/// The lengths of the first frame's header and payload, if it is there as a whole.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (header, length) = match *bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        127 => panic!("no message is as long"),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= header + length).then_some((header, length))
}

/// A text that begins with the time.
fn text(start: Instant) -> String {
    format!("{:020} {}", start.elapsed().as_nanos(), "x".repeat(TEXT - 21))
}

fn sent_at(text: &[u8]) -> u64 {
    std::str::from_utf8(&text[..20]).unwrap().parse().unwrap()
}

async fn collect(readers: Vec<JoinHandle<Vec<u32>>>) -> Latencies {
    let mut all: Vec<u32> = join_all(readers).await.into_iter().flat_map(Result::unwrap).collect();
    all.sort_unstable();
    Latencies(all)
}

/// The limit: a thread that writes the same frames to as many sockets and does nothing else. Its CPU is its own only.
async fn bare_loop(viewers: usize, count: usize, interval: Duration) -> (Latencies, f64) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = Instant::now();
    let sender = std::thread::spawn(move || {
        let mut sockets: Vec<_> = (0..viewers).map(|_| listener.accept().unwrap().0).collect();
        sockets.iter().for_each(|socket| socket.set_nodelay(true).unwrap());
        let cpu = thread_cpu_seconds();
        let mut due = Instant::now();
        for _ in 0..count {
            due += interval;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let payload = [PREFIX, text(start).as_bytes(), b"\"}"].concat();
            let frame = [&[0x81, 126, 0, payload.len() as u8][..], &payload].concat();
            sockets.iter_mut().for_each(|socket| socket.write_all(&frame).unwrap());
        }
        (thread_cpu_seconds() - cpu, sockets)
    });
    let mut readers = Vec::new();
    for _ in 0..viewers {
        readers.push(tokio::spawn(read(TcpStream::connect(address).await.unwrap(), count, start)));
    }
    let latencies = collect(readers).await;
    let (cpu, _sockets) = sender.join().unwrap();
    (latencies, cpu)
}

/// As much of Redis' protocol as a producer needs.
struct Redis(TcpStream);

impl Redis {
    async fn connect(port: u16) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self(socket)
    }

    async fn publish(&mut self, channel: &str, text: &str) {
        self.0.write_all(command(&["PUBLISH", channel, text]).as_bytes()).await.unwrap();
        let mut answer = [0; 64];
        let count = self.0.read(&mut answer).await.unwrap();
        assert_eq!(&answer[..count], b":1\r\n", "one connection hears it, whatever the number of viewers");
    }

    async fn publish_all(&mut self, channel: &str, texts: &[String]) {
        let all: String = texts.iter().map(|text| command(&["PUBLISH", channel, text])).collect();
        let (mut reader, mut writer) = self.0.split();
        let mut answers = vec![0; texts.len() * 4];
        let (written, read) = tokio::join!(writer.write_all(all.as_bytes()), reader.read_exact(&mut answers));
        written.unwrap();
        read.unwrap();
    }

    async fn cpu_seconds(&mut self) -> f64 {
        self.0.write_all(command(&["INFO", "cpu"]).as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let count = self.0.read(&mut answer).await.unwrap();
        let text = String::from_utf8_lossy(&answer[..count]).into_owned();
        let field = |name: &str| {
            text.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().parse::<f64>().unwrap()
        };
        field("used_cpu_sys:") + field("used_cpu_user:")
    }
}

fn command(parts: &[&str]) -> String {
    let parts_text: String = parts.iter().map(|part| format!("${}\r\n{part}\r\n", part.len())).collect();
    format!("*{}\r\n{parts_text}", parts.len())
}

fn cpu_seconds(pid: u32) -> f64 {
    cpu_of(&std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap())
}

fn thread_cpu_seconds() -> f64 {
    cpu_of(&std::fs::read_to_string("/proc/thread-self/stat").unwrap())
}

/// User and system time of a `stat` file, which counts in hundredths of a second.
fn cpu_of(stat: &str) -> f64 {
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
