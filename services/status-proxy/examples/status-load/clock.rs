//! Timestamps in the published texts, from which viewers compute latencies.

use std::time::Instant;

use test_support::load::{Socket, SocketEnd};
use tokio::task::JoinHandle;

/// The length of a text in bytes.
const TEXT_LENGTH: usize = 120;
/// The bytes before the text in a frame.
pub(crate) const FRAME_PREFIX: &[u8] = br#"{"type":"status","data":""#;

/// The time since the start of the measurement.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Default for Clock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock {
    /// A text that begins with the time.
    pub(crate) fn text(self) -> String {
        format!("{:020} {}", self.0.elapsed().as_micros(), "x".repeat(TEXT_LENGTH - 21))
    }

    /// The age of a text from [`text`](Self::text), in microseconds.
    fn latency_us(self, payload: &[u8]) -> Option<u32> {
        let sent: u128 =
            std::str::from_utf8(payload.strip_prefix(FRAME_PREFIX)?.get(..20)?).ok()?.parse().ok()?;
        u32::try_from(self.0.elapsed().as_micros() - sent).ok()
    }

    /// Reads `messages` texts and returns their latencies.
    pub(crate) fn spawn_reader(self, mut socket: Socket, messages: usize) -> JoinHandle<Vec<u32>> {
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            let end = socket.read(|payload| {
                latencies.extend(self.latency_us(payload));
                latencies.len() == messages
            });
            assert_eq!(end.await, SocketEnd::Done);
            latencies
        })
    }
}
