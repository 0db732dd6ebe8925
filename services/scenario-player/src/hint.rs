//! Hints: messages that say when to look at the timeline again.

/// Something changed. A hint may be lost, so whoever waits for one also looks at the data on a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Events were added to the timeline.
    Posted,
    /// Events were removed or moved, so events that were read ahead may be out of date.
    Reset,
    /// The timeline was written, perhaps by another program, which counts no change.
    Written,
    /// Partitions became free, or an instance joined that needs a share of them.
    Partitions,
}

/// Hints and published events that a channel holds. A receiver that falls behind by more gets a `Lagged` error.
pub(crate) const BROADCAST_CAPACITY: usize = 16_384;
