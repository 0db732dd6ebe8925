//! How fast a scenario is played.

use serde::{Deserialize, Serialize};

/// A speed in whole thousandths: 0.1 to 1000 times the recorded one, or the greatest.
///
/// Whole numbers, so that computing a due time a second time gives exactly the same result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speed(u32);

impl Speed {
    /// As recorded.
    pub const NORMAL: Self = Self(1000);
    /// So fast that an hour is due within a millisecond: what the broker takes is the limit.
    pub const MAX: Self = Self(u32::MAX);

    /// From a factor between 0.1 and 1000, rounded to thousandths.
    pub fn new(factor: f64) -> Option<Self> {
        (0.1..=1000.0).contains(&factor).then(|| Self((factor * 1000.0).round() as u32))
    }

    /// The factor.
    pub fn factor(self) -> f64 {
        f64::from(self.0) / 1000.0
    }

    /// The factor in thousandths.
    pub(crate) fn thousandths(self) -> i64 {
        i64::from(self.0)
    }
}
