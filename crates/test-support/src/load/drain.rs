use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::figures::print_row;
use super::socket::{Socket, SocketEnd};
use crate::{Haproxy, ServiceProcess};

/// The pause after a failed attempt to reconnect.
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// The longest that it may take until all sockets have moved.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The number of haproxy processes: one alone has too few file descriptors for all sockets.
const PROXIES: usize = 3;

/// Opens `sockets` to an instance of `service` and stops the instance. A socket that is closed reconnects at
/// once, through haproxy, to the `other` instance. Prints how long it took and how many attempts failed.
/// `path` gives the path of the n-th socket.
///
/// # Panics
/// When a socket cannot be opened, is not closed with 1012, or does not reconnect, or the instance fails.
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
    let counts = Arc::new(Counts::default());
    let mut tasks = JoinSet::new();
    for number in 0..sockets {
        let (path, proxy) = (path(number), proxies[number % PROXIES].port());
        let socket = Socket::open(instance.port(), &path).await.expect("open a socket");
        tasks.spawn(watch_and_move(socket, path, proxy, Arc::clone(&counts)));
    }
    let started = Instant::now();
    instance.signal("TERM").await;
    let mut moved = vec![0];
    while moved.last() != Some(&sockets) {
        assert!(started.elapsed() < TIMEOUT && tasks.len() == sockets, "not all have moved: {moved:?}");
        sleep(SAMPLE_INTERVAL).await;
        moved.push(counts.moved.load(Ordering::Relaxed));
        if let Some(ended) = tasks.try_join_next() {
            ended.expect("a socket that has moved stays open");
        }
    }
    assert_eq!(instance.wait_for_exit().await, 0);
    let busiest = moved.windows(11).map(|second| second[10] - second[0]).max().unwrap_or(sockets);
    print_row(
        &format!("a stopped instance's {sockets} sockets move through haproxy"),
        &format!(
            "{} failed attempts; within {:.1} s, {busiest} in the busiest",
            counts.failed.load(Ordering::Relaxed),
            started.elapsed().as_secs_f64()
        ),
        "none failed",
    );
}

/// A tenth of a second, so that eleven samples span a second.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Counts {
    moved: AtomicUsize,
    failed: AtomicUsize,
}

/// Reads until the socket is closed for a restart, reconnects, and then reads for ever.
async fn watch_and_move(mut socket: Socket, path: String, proxy: u16, counts: Arc<Counts>) {
    assert_eq!(socket.read(|_| false).await, SocketEnd::Closed(1012));
    drop(socket);
    let mut socket = loop {
        match Socket::open(proxy, &path).await {
            Ok(socket) => break socket,
            Err(_) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                sleep(RETRY_DELAY).await;
            }
        }
    };
    counts.moved.fetch_add(1, Ordering::Relaxed);
    let end = socket.read(|_| false).await;
    panic!("closed after it had moved: {end:?}");
}
