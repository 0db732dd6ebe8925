//! A published status line and its id.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A line's position in the order of all lines: an epoch, and the line's sequence number within it. A greater id is a
/// later line.
///
/// With history in memory the epoch is this process's own number. With history in Redis, epochs are published in Redis
/// between the lines, so that every instance gives a line the same id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LineId {
    /// The epoch in which the line was published.
    pub(crate) epoch: u64,
    /// The line's number within the epoch, from 1.
    pub(crate) sequence: u64,
}

/// Sequence numbers from here on are local to the instance that gave them. A client cannot resume from such an id.
pub(crate) const FIRST_LOCAL_SEQUENCE: u64 = 1 << 40;

impl LineId {
    /// The id before all lines of an epoch.
    pub(crate) fn start_of(epoch: u64) -> Self {
        Self { epoch, sequence: 0 }
    }

    /// Whether only the instance that gave it knows it.
    pub(crate) fn is_local(self) -> bool {
        self.sequence >= FIRST_LOCAL_SEQUENCE
    }

    /// The id just before this one.
    pub(crate) fn previous(self) -> Self {
        Self { sequence: self.sequence.saturating_sub(1), ..self }
    }
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.sequence)
    }
}

impl FromStr for LineId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (epoch, sequence) = text.split_once('-').ok_or(())?;
        Ok(Self { epoch: epoch.parse().map_err(|_| ())?, sequence: sequence.parse().map_err(|_| ())? })
    }
}

/// One published line. A later one is greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) id: LineId,
    /// The text as it was published.
    pub(crate) text: Arc<str>,
}

/// A line for tests; its text is its id.
#[cfg(test)]
pub(crate) fn test_line(epoch: u64, sequence: u64) -> Line {
    let id = LineId { epoch, sequence };
    Line { id, text: id.to_string().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_at_most_40_characters_and_reads_back() {
        let longest = LineId { epoch: 10u64.pow(18) - 1, sequence: u64::MAX };
        assert!(longest.to_string().len() <= 40);
        assert_eq!(longest.to_string().parse(), Ok(longest));
        for wrong in ["", "7", "7-", "-3", "a-b", "7-3-1"] {
            assert_eq!(wrong.parse::<LineId>(), Err(()), "{wrong}");
        }
    }
}
