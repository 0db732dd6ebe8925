use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::figures::{cpu_seconds, resident_bytes, print_row};

/// Two pings of every socket.
const WATCHED: Duration = Duration::from_secs(50);

/// Prints what a process's open sockets, on so many runs, cost it while they are told nothing. `before_bytes` is its
/// resident memory before they came.
///
/// # Panics
/// When there is no such process.
pub async fn measure_idle(pid: u32, sockets: usize, runs: usize, before_bytes: u64) {
    let memory = (resident_bytes(pid) - before_bytes) as f64 / sockets as f64 / 1024.0;
    print_row(&format!("memory an idle socket, {sockets} on {runs} runs"), &format!("{memory:.1} KB"), "8 KB");
    let (begin, cpu) = (Instant::now(), cpu_seconds(pid));
    sleep(WATCHED).await;
    let cpu = (cpu_seconds(pid) - cpu) / begin.elapsed().as_secs_f64() / sockets as f64;
    print_row("CPU a second an idle socket, a ping every 25 s", &format!("{:.2} µs", cpu * 1e6), "1 µs");
}
