//! When a change of a playback takes effect.

use crate::range::PREFETCH_MS;
use crate::time::EpochMicros;

/// How a change takes effect.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    /// At once. A step of the old playback that an instance has read may still be published.
    Now,
    /// A moment later, if it is stored within this time. No instance has read a step of that moment by then, so no step is
    /// published twice or left out.
    Exact {
        /// How long it may take.
        time_to_store_ms: i64,
    },
}

impl Effect {
    /// For the first attempt to change a playback exactly.
    pub(crate) const EXACT: Self = Self::Exact { time_to_store_ms: 25 };

    /// For the next attempt. A long scenario takes longer.
    pub(crate) fn relaxed(self) -> Self {
        match self {
            Effect::Now => Effect::Now,
            Effect::Exact { time_to_store_ms } => Effect::Exact { time_to_store_ms: 2 * time_to_store_ms },
        }
    }

    /// The last moment in which a change that is asked for now may be stored (ms), if that matters.
    pub(crate) fn store_until_ms(self, now: EpochMicros) -> Option<i64> {
        match self {
            Effect::Now => None,
            Effect::Exact { time_to_store_ms } => Some(now.as_ms() + time_to_store_ms),
        }
    }

    /// When it takes effect: a whole millisecond, as on the timeline.
    pub(crate) fn at(self, now: EpochMicros) -> EpochMicros {
        let at_ms = self.store_until_ms(now).map(|until_ms| until_ms + LEAD_MS);
        at_ms.map_or(now, |at_ms| EpochMicros::default().plus(at_ms * 1000))
    }
}

/// From the last moment in which a change may be stored to its effect. Longer than steps are read ahead, by what the clocks of
/// two instances may differ.
const LEAD_MS: i64 = PREFETCH_MS + 25;
