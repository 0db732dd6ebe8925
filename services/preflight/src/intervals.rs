//! How often watched runs are read when no change was reported.

use std::time::Duration;

/// The two settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadIntervals {
    /// While Redis reports changes.
    pub(crate) recheck: Duration,
    /// While it does not.
    pub(crate) poll: Duration,
}

impl ReadIntervals {
    /// The first recheck of the `n`-th run: 0.5 to 1.5 times the interval. The multiples of the golden ratio
    /// spread the runs evenly, so that their rechecks do not all fall together.
    pub(crate) fn first_recheck(&self, n: usize) -> Duration {
        self.recheck.mul_f64(0.5 + (n as f64 * 0.618_033_988_75).fract())
    }
}
