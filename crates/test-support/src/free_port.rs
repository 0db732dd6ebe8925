use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Finds a port of 127.0.0.1 on which nobody listens.
///
/// It is below the range that the kernel uses for outgoing connections. A process is never given the same
/// port twice.
///
/// # Panics
/// When all are taken.
pub fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // Test processes run in parallel: each starts its search at another port.
    let start = std::process::id().wrapping_mul(97);
    (0..RANGE)
        .map(|_| start.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % RANGE)
        .filter_map(|offset| u16::try_from(FIRST + offset).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port between 10000 and 32000")
}

const FIRST: u32 = 10_000;
const RANGE: u32 = 22_000;
