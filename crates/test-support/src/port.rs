use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// A port of 127.0.0.1 that nobody listens on. It lies below the range that outgoing connections are given, and no
/// two calls of one process give the same.
///
/// # Panics
/// When all are taken.
pub fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // Test processes run side by side: each begins its walk elsewhere.
    let start = std::process::id().wrapping_mul(97);
    (0..RANGE)
        .map(|_| start.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % RANGE)
        .filter_map(|place| u16::try_from(FIRST + place).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port between 10000 and 32000")
}

const FIRST: u32 = 10_000;
const RANGE: u32 = 22_000;
