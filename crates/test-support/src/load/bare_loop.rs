use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::figures::{Figures, thread_cpu_seconds};
use super::socket::Socket;

/// Measures the limit of the machine: a thread that writes `count` texts, one every `interval`, to all of the
/// `sockets`, and does nothing else. `reader` spawns the task that reads one socket and returns its latencies
/// in microseconds.
///
/// Returns the figures, and how many texts arrived per second.
///
/// # Panics
/// When a socket cannot be opened, written or read.
pub async fn run_bare_loop(
    sockets: usize,
    count: usize,
    interval: Duration,
    text: impl Fn() -> String + Send + 'static,
    reader: impl Fn(Socket) -> JoinHandle<Vec<u32>>,
) -> (Figures, f64) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind a port");
    let address = listener.local_addr().expect("the port is bound");
    let sender = std::thread::spawn(move || {
        let accept_one = || {
            let (socket, _) = listener.accept().expect("accept");
            socket.set_nodelay(true).expect("set an option");
            socket
        };
        let mut accepted: Vec<_> = (0..sockets).map(|_| accept_one()).collect();
        let cpu = thread_cpu_seconds();
        let mut send_at = Instant::now();
        for _ in 0..count {
            send_at += interval;
            std::thread::sleep(send_at.saturating_duration_since(Instant::now()));
            let text = text();
            let length = u16::try_from(text.len()).expect("a text of less than 64 KB").to_be_bytes();
            let frame = [&[0x81, 126, length[0], length[1]], text.as_bytes()].concat();
            accepted.iter_mut().for_each(|socket| socket.write_all(&frame).expect("write"));
        }
        (thread_cpu_seconds() - cpu, accepted)
    });
    let mut readers = Vec::with_capacity(sockets);
    for _ in 0..sockets {
        readers.push(reader(Socket::from_upgraded(TcpStream::connect(address).await.expect("connect"))));
    }
    let started = Instant::now();
    let mut latencies = Vec::new();
    for reader in readers {
        latencies.extend(reader.await.expect("a reader ends"));
    }
    let rate = (sockets * count) as f64 / started.elapsed().as_secs_f64();
    let (cpu, _accepted) = sender.join().expect("the sender ends");
    (Figures::from_latencies(latencies, cpu), rate)
}
