//! The time that travels in the texts.

use std::time::Instant;

use test_support::load::{SocketEnd, Socket};
use tokio::task::JoinHandle;

/// How long a text is, and what stands before it in a frame.
const TEXT: usize = 120;
pub(crate) const PREFIX: &[u8] = br#"{"type":"status","data":""#;

/// The time in texts.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Default for Clock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock {
    pub(crate) fn text(self) -> String {
        format!("{:020} {}", self.0.elapsed().as_micros(), "x".repeat(TEXT - 21))
    }

    /// How old a text of ours is, in microseconds.
    fn age_us(self, payload: &[u8]) -> Option<u32> {
        let sent: u128 = std::str::from_utf8(payload.strip_prefix(PREFIX)?.get(..20)?).ok()?.parse().ok()?;
        u32::try_from(self.0.elapsed().as_micros() - sent).ok()
    }

    /// Reads so many texts.
    pub(crate) fn reader(self, mut socket: Socket, messages: usize) -> JoinHandle<Vec<u32>> {
        tokio::spawn(async move {
            let mut ages = Vec::new();
            let end = socket.read(|payload| {
                ages.extend(self.age_us(payload));
                ages.len() == messages
            });
            assert_eq!(end.await, SocketEnd::Done);
            ages
        })
    }
}
