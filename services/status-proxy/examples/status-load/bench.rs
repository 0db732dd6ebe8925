//! The measurements.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::PubsubInterface;
use futures_util::future::join_all;
use test_support::load::{
    self, Figures, Socket, cpu_seconds, print_row, redis_cpu_seconds, resident_bytes, run_bare_loop,
};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::clock::{Clock, FRAME_PREFIX};

/// The number of runs that idle sockets watch.
const IDLE_RUNS: usize = 1000;
/// Comparisons are measured this many times in turns. The median counts.
const ROUNDS: usize = 3;
/// How long messages are sent in one round.
const ROUND_DURATION: Duration = Duration::from_secs(4);

/// A service, and the load on it.
pub(crate) struct Bench {
    pub(crate) port: u16,
    pub(crate) pid: u32,
    pub(crate) redis: Client,
    pub(crate) clock: Clock,
    /// The service subscribes once for each viewer, not once for each channel.
    pub(crate) subscribes_per_viewer: bool,
}

impl Bench {
    /// Measures latency and CPU at a rate, in turns with the bare loop.
    pub(crate) async fn measure_rate(&self, viewers: usize, per_second: u32, limit: &str) {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(self.run_round(viewers, per_second).await);
            bare.push(self.run_bare(viewers, count(per_second), interval(per_second)).await.0);
        }
        let (ours, bare) = (Figures::median(&ours), Figures::median(&bare));
        print_row(
            &format!("{viewers} viewers x {per_second} messages/s"),
            &format!(
                "p50 {:.1}, p99 {:.1} ms; bare loop {:.1}, {:.1} ms",
                ours.p50_ms, ours.p99_ms, bare.p50_ms, bare.p99_ms
            ),
            limit,
        );
        let cores = ours.cpu_us * viewers as f64 * f64::from(per_second) / 1e6;
        print_row(
            "  CPU",
            &format!("{cores:.2} cores, {:.1} µs a delivery; bare loop {:.1} µs", ours.cpu_us, bare.cpu_us),
            "1 core, 5 µs",
        );
    }

    /// One round: messages at a rate to viewers of one channel.
    async fn run_round(&self, viewers: usize, per_second: u32) -> Figures {
        let readers = self.spawn_readers("bench:rate", viewers, count(per_second)).await;
        let cpu = cpu_seconds(self.pid);
        let mut timer = tokio::time::interval(interval(per_second));
        for _ in 0..count(per_second) {
            timer.tick().await;
            self.publish("bench:rate").await;
        }
        let latencies = collect(readers).await;
        Figures::from_latencies(latencies, cpu_seconds(self.pid) - cpu)
    }

    /// Measures deliveries per second when all messages are published at once.
    pub(crate) async fn measure_burst(&self, viewers: usize, count: usize) {
        let (mut rates, mut bare_rates, mut cpu) = (Vec::new(), Vec::new(), 0.0);
        for _ in 0..ROUNDS {
            let readers = self.spawn_readers("bench:burst", viewers, count).await;
            let burst = self.redis.pipeline();
            for _ in 0..count {
                let _: () = burst.publish("bench:burst", self.clock.text()).await.unwrap();
            }
            let (begin, before) = (Instant::now(), cpu_seconds(self.pid));
            let _: () = burst.last().await.unwrap();
            collect(readers).await;
            rates.push((viewers * count) as f64 / begin.elapsed().as_secs_f64());
            cpu += cpu_seconds(self.pid) - before;
            bare_rates.push(self.run_bare(viewers, count / 10, Duration::ZERO).await.1);
        }
        let (rate, bare) = (median(rates), median(bare_rates));
        print_row(
            &format!("burst of {count} messages to {viewers} viewers"),
            &format!(
                "{rate:.0} deliveries/s, {:.2} µs of CPU each; bare loop {bare:.0}",
                cpu * 1e6 / (ROUNDS * viewers * count) as f64
            ),
            "1000000, or bare / 2",
        );
    }

    /// Measures Redis' CPU for one publish.
    pub(crate) async fn measure_redis_cost(&self, viewers: usize) {
        let count = 3000;
        let readers = self.spawn_readers("bench:cost", viewers, count).await;
        let before = redis_cpu_seconds(&self.redis).await;
        for _ in 0..count {
            assert_eq!(
                self.publish("bench:cost").await,
                1,
                "one connection receives it, however many viewers there are"
            );
        }
        let cpu = redis_cpu_seconds(&self.redis).await - before;
        collect(readers).await;
        print_row(
            &format!("Redis' CPU for one publish to {viewers} viewers"),
            &format!("{:.1} µs", cpu * 1e6 / f64::from(count as u32)),
            "30 µs",
        );
    }

    /// Measures how much viewers that stop reading delay the others.
    pub(crate) async fn measure_stalled(&self, viewers: usize, per_second: u32) {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            without.push(self.run_round(viewers, per_second).await);
            // The history that each of these asks for fills its buffers. Then it is closed, and the next one connects.
            let port = self.port;
            let stalling = tokio::spawn(async move {
                let mut open = Vec::new();
                loop {
                    let path = "/bench:rate?history=1000";
                    open.push(Socket::open_with_receive_buffer(port, path, 4096).await.unwrap());
                    sleep(Duration::from_secs(1)).await;
                }
            });
            with.push(self.run_round(viewers, per_second).await);
            stalling.abort();
        }
        let (without, with) = (Figures::median(&without).p99_ms, Figures::median(&with).p99_ms);
        print_row(
            "  while readers stop reading, one more each second",
            &format!("p99 {with:.2} ms, without {without:.2} ms: {:+.2} ms", with - without),
            "+1 ms",
        );
    }

    /// Compares with a peer, at a load that the peer can take, and with idle sockets.
    pub(crate) async fn compare_with(&self, peer: &Self, viewers: usize, per_second: u32, sockets: usize) {
        let (ours, theirs) =
            (self.run_round(viewers, per_second).await, peer.run_round(viewers, per_second).await);
        let redis = async |bench: &Self| {
            let readers = bench.spawn_readers("bench:peer", viewers, count(per_second)).await;
            let before = redis_cpu_seconds(&bench.redis).await;
            for _ in 0..count(per_second) {
                bench.publish("bench:peer").await;
            }
            let cpu = redis_cpu_seconds(&bench.redis).await - before;
            collect(readers).await;
            cpu * 1e6 / count(per_second) as f64
        };
        print_row(
            &format!("{viewers} viewers x {per_second} messages/s: the peer"),
            &format!("p99 {:.0} ms, {:.0} µs a delivery", theirs.p99_ms, theirs.cpu_us),
            &format!("this one {:.1} ms, {:.1} µs", ours.p99_ms, ours.cpu_us),
        );
        print_row("  Redis' CPU for one publish: the peer", &format!("{:.0} µs", redis(peer).await), "30 µs");
        let before = resident_bytes(peer.pid);
        let open = join_all((0..sockets).map(|_| Socket::open(peer.port, "/bench:idle"))).await;
        let grown = resident_bytes(peer.pid) - before;
        drop(open);
        print_row(
            "  memory an idle socket: the peer",
            &format!("{:.1} KB", grown as f64 / sockets as f64 / 1024.0),
            "8 KB",
        );
    }

    /// Measures memory and CPU of idle sockets.
    pub(crate) async fn measure_idle(&self, sockets: usize) {
        let before = resident_bytes(self.pid);
        let mut open = Vec::new();
        for number in 0..sockets {
            let mut socket = Socket::open(self.port, &idle_path(number)).await.unwrap();
            open.push(tokio::spawn(async move { socket.read(|_| false).await }));
        }
        sleep(Duration::from_secs(1)).await;
        load::measure_idle(self.pid, sockets, IDLE_RUNS, before).await;
        open.iter().for_each(JoinHandle::abort);
    }

    /// Connects viewers, and waits until they are subscribed.
    async fn spawn_readers(&self, channel: &str, count: usize, messages: usize) -> Vec<JoinHandle<Vec<u32>>> {
        let mut readers = Vec::with_capacity(count);
        for _ in 0..count {
            let socket = Socket::open(self.port, &format!("/{channel}")).await.unwrap();
            readers.push(self.clock.spawn_reader(socket, messages));
        }
        // The peer may answer before Redis has confirmed its subscription.
        let subscriptions = if self.subscribes_per_viewer { count as i64 } else { 1 };
        while self.count_subscriptions(channel).await < subscriptions {
            sleep(Duration::from_millis(10)).await;
        }
        readers
    }

    /// The bare loop, with texts as long as the service's frames.
    async fn run_bare(&self, viewers: usize, count: usize, interval: Duration) -> (Figures, f64) {
        let clock = self.clock;
        let text = move || format!("{}{}\"}}", String::from_utf8_lossy(FRAME_PREFIX), clock.text());
        run_bare_loop(viewers, count, interval, text, |socket| clock.spawn_reader(socket, count)).await
    }

    async fn count_subscriptions(&self, channel: &str) -> i64 {
        let counts: HashMap<String, i64> = self.redis.pubsub_numsub(channel).await.unwrap();
        counts[channel]
    }

    async fn publish(&self, channel: &str) -> i64 {
        self.redis.publish(channel, self.clock.text()).await.unwrap()
    }
}

fn count(per_second: u32) -> usize {
    (ROUND_DURATION.as_secs_f64() * f64::from(per_second)) as usize
}

fn interval(per_second: u32) -> Duration {
    Duration::from_secs(1) / per_second
}

/// The path of an idle socket.
pub(crate) fn idle_path(number: usize) -> String {
    format!("/run-{}:a", number % IDLE_RUNS)
}

async fn collect(readers: Vec<JoinHandle<Vec<u32>>>) -> Vec<u32> {
    join_all(readers).await.into_iter().flat_map(Result::unwrap).collect()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
