use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::figures::print_row;
use super::socket::{SocketEnd, Socket};
use crate::{Haproxy, ServiceProcess};

/// The pause after an attempt that has failed.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest that it may take until all have moved.
const PATIENCE: Duration = Duration::from_secs(120);

/// Proxies before the instances: one has not descriptors enough for all sockets.
const PROXIES: usize = 3;

/// Opens sockets of an instance of `service` and stops it. Each socket comes to the `other` instance through haproxy the
/// moment it is closed; how that went is printed. `path` is what the n-th socket watches.
///
/// # Panics
/// When a socket cannot be opened, is not closed with 1012, or does not come back; when the instance fails.
pub async fn measure_drain(
    service: &str,
    mut instance: ServiceProcess,
    other: &ServiceProcess,
    sockets: usize,
    path: impl Fn(usize) -> String,
) {
    let mut proxies = Vec::with_capacity(PROXIES);
    for _ in 0..PROXIES {
        proxies.push(Haproxy::start(service, &[instance.port(), other.port()]).await);
    }
    let tally = Arc::new(Tally::default());
    let mut tasks = JoinSet::new();
    for number in 0..sockets {
        let (path, proxy) = (path(number), proxies[number % PROXIES].port());
        let socket = Socket::open(instance.port(), &path).await.expect("open a socket");
        tasks.spawn(watch(socket, path, proxy, Arc::clone(&tally)));
    }
    let began = Instant::now();
    instance.signal("TERM").await;
    let mut moved = vec![0];
    while moved.last() != Some(&sockets) {
        assert!(began.elapsed() < PATIENCE && tasks.len() == sockets, "not all have moved: {moved:?}");
        sleep(TENTH).await;
        moved.push(tally.moved.load(Ordering::Relaxed));
        if let Some(ended) = tasks.try_join_next() {
            ended.expect("a socket stays open");
        }
    }
    assert_eq!(instance.wait_for_exit().await, 0);
    let busiest = moved.windows(11).map(|second| second[10] - second[0]).max().unwrap_or(sockets);
    print_row(
        &format!("a stopped instance's {sockets} sockets move through haproxy"),
        &format!(
            "{} failed attempts; within {:.1} s, {busiest} in the busiest",
            tally.failed.load(Ordering::Relaxed),
            began.elapsed().as_secs_f64()
        ),
        "none failed",
    );
}

const TENTH: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Tally {
    moved: AtomicUsize,
    failed: AtomicUsize,
}

/// Watches until it is closed for a restart, and then at another instance for ever.
async fn watch(mut socket: Socket, path: String, proxy: u16, tally: Arc<Tally>) {
    assert_eq!(socket.read(|_| false).await, SocketEnd::Closed(1012));
    drop(socket);
    let mut socket = loop {
        match Socket::open(proxy, &path).await {
            Ok(socket) => break socket,
            Err(_) => {
                tally.failed.fetch_add(1, Ordering::Relaxed);
                sleep(PAUSE).await;
            }
        }
    };
    tally.moved.fetch_add(1, Ordering::Relaxed);
    let end = socket.read(|_| false).await;
    panic!("closed after it had moved: {end:?}");
}
