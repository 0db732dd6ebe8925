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

impl Hint {
    /// What a script has published.
    pub(crate) fn of_payload(payload: Option<&str>) -> Self {
        match payload {
            Some("posted") => Hint::Posted,
            Some("lanes") => Hint::Partitions,
            _ => Hint::Reset,
        }
    }
}

/// Hints of all lanes, or published events, that channels hold. A receiver that falls behind by more gets a `Lagged` error.
pub(crate) const BROADCAST_CAPACITY: usize = 16_384;
