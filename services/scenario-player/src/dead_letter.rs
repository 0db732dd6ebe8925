//! A dead letter: a step that the broker refused for good.

use crate::event::Event;
use crate::time::EpochMicros;

/// A step that was taken off the timeline although no broker has it.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    /// Names it among all dead letters. Later ones have greater ids.
    pub(crate) id: DeadLetterId,
    /// The step, with the time when it was due.
    pub(crate) event: Event,
    /// Why the broker did not take it.
    pub(crate) reason: String,
    /// When that was.
    pub(crate) refused_at: EpochMicros,
}

/// The id of a dead letter: the millisecond in which it was refused, its number in that, and the number of its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeadLetterId {
    pub(crate) ms: u64,
    pub(crate) number: u64,
    pub(crate) lane: usize,
}

impl DeadLetterId {
    /// From its text, `1618389615513-0`, or `1618389615513-0-17` in another lane than the first.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (ms, rest) = text.split_once('-')?;
        let (number, lane) = rest.split_once('-').unwrap_or((rest, "0"));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (digits(ms) && digits(number) && digits(lane)).then_some(())?;
        Some(Self { ms: ms.parse().ok()?, number: number.parse().ok()?, lane: lane.parse().ok()? })
    }
}

impl std::fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.lane {
            0 => write!(f, "{}-{}", self.ms, self.number),
            lane => write!(f, "{}-{}-{lane}", self.ms, self.number),
        }
    }
}

/// Dead letters that are kept. Beyond it the oldest are dropped.
pub(crate) const MAX_DEAD_LETTERS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_two_numbers_and_that_of_a_lane_other_than_the_first() {
        let id = DeadLetterId { ms: 1_618_389_615_513, number: 7, lane: 0 };
        for (id, text) in [(id, "1618389615513-7"), (DeadLetterId { lane: 17, ..id }, "1618389615513-7-17")] {
            assert_eq!(id.to_string(), text);
            assert_eq!(DeadLetterId::parse(text), Some(id));
        }
        for text in ["", "-", "1", "1-", "-1", "+1-2", "1-2-", "1-2-3-4", "99999999999999999999-0"] {
            assert_eq!(DeadLetterId::parse(text), None, "{text}");
        }
    }
}
