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

/// The id of a dead letter: the millisecond in which it was refused, and its number in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeadLetterId {
    pub(crate) ms: u64,
    pub(crate) number: u64,
}

impl DeadLetterId {
    /// From its text, `1618389615513-0`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (ms, number) = text.split_once('-')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (digits(ms) && digits(number)).then_some(())?;
        Some(Self { ms: ms.parse().ok()?, number: number.parse().ok()? })
    }
}

impl std::fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.number)
    }
}

/// Dead letters that are kept. Beyond it the oldest are dropped.
pub(crate) const MAX_DEAD_LETTERS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_two_numbers() {
        let id = DeadLetterId { ms: 1_618_389_615_513, number: 7 };
        assert_eq!(id.to_string(), "1618389615513-7");
        assert_eq!(DeadLetterId::parse("1618389615513-7"), Some(id));
        for text in ["", "-", "1", "1-", "-1", "+1-2", "1-2-3", "99999999999999999999-0"] {
            assert_eq!(DeadLetterId::parse(text), None, "{text}");
        }
    }
}
