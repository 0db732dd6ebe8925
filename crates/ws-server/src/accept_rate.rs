//! The limit on how many connections are accepted in a second.

use std::time::Duration;

use tokio::time::Instant;

/// Delays accepts: a burst may be as large as one second's worth, then they happen at the rate.
pub(crate) struct AcceptRateLimiter {
    interval: Duration,
    /// When the next accept would be due if none had been earlier than the rate allows.
    due: Instant,
}

impl AcceptRateLimiter {
    /// A rate of 0 is no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        let interval = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        Self { interval, due: Instant::now() }
    }

    /// Waits until the next connection may be accepted.
    pub(crate) async fn wait(&mut self) {
        let now = Instant::now();
        self.due = self.due.max(now) + self.interval;
        if let Some(delay) = self.due.checked_duration_since(now + Duration::from_secs(1)) {
            tokio::time::sleep(delay).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn accepts_beyond_a_seconds_worth_are_slimiterd_out() {
        let begin = Instant::now();
        let mut limiter = AcceptRateLimiter::new(100);
        for _ in 0..300 {
            limiter.wait().await;
        }
        assert!((1990..2100).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
        let mut unlimited = AcceptRateLimiter::new(0);
        for _ in 0..1_000_000 {
            unlimited.wait().await;
        }
        assert!(begin.elapsed() < Duration::from_secs(3));
    }
}
