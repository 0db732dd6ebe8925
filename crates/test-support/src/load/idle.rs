use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::figures::{cpu_seconds, print_row, resident_bytes};

/// How long the CPU time is measured: two pings of each socket.
const MEASURED: Duration = Duration::from_secs(50);

/// Prints the memory and the CPU time that a process needs for open `sockets` while it sends them nothing but
/// pings. `before_bytes` is its resident memory before the sockets were opened.
///
/// # Panics
/// When there is no such process.
pub async fn measure_idle(pid: u32, sockets: usize, runs: usize, before_bytes: u64) {
    let memory = (resident_bytes(pid) - before_bytes) as f64 / sockets as f64 / 1024.0;
    print_row(
        &format!("memory per idle socket, {sockets} on {runs} runs"),
        &format!("{memory:.1} KB"),
        "8 KB",
    );
    let (started, cpu) = (Instant::now(), cpu_seconds(pid));
    sleep(MEASURED).await;
    let cpu = (cpu_seconds(pid) - cpu) / started.elapsed().as_secs_f64() / sockets as f64;
    print_row("CPU per second and idle socket, a ping every 25 s", &format!("{:.2} µs", cpu * 1e6), "1 µs");
}
