//! What the scripts answer.

use fred::types::Value;

/// What Redis knows of a partition at the moment it got a new owner.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim {
    /// The owner's number; a greater one refuses a smaller one.
    pub epoch: i64,
    /// The offset of the next message to apply.
    pub next: Option<i64>,
    /// Messages applied, and made dead letters, of all time.
    pub counts: Counts,
    /// The topic was deleted and made again since the offset was stored.
    pub recreated: bool,
}

/// Messages of a partition that had their effect, of all time.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Applied.
    pub applied: u64,
    /// Made dead letters.
    pub dead: u64,
}

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it has its effect, now or since an earlier attempt.
    Done(Counts),
    /// All before this offset has its effect; the message there is refused by Redis, always.
    Refused(i64, String, Counts),
    /// All before an offset has its effect; Redis cannot write now.
    Later(String, Counts),
    /// Another owner, or none, is known to Redis.
    Fenced(String),
    /// Redis's offset is before the batch: it lost what came between.
    Hole(i64),
}

impl Outcome {
    /// The answer of apply.lua; none if it is of another form.
    pub(super) fn parse(answer: Value) -> Option<Self> {
        let answer = answer.into_array();
        let text = |place: usize| answer.get(place).and_then(Value::as_string);
        let number = |place: usize| text(place)?.parse::<i64>().ok();
        let counts = || Some(Counts { applied: answer.get(2)?.as_u64()?, dead: answer.get(3)?.as_u64()? });
        Some(match text(0)?.as_str() {
            "done" => Outcome::Done(counts()?),
            "refused" => Outcome::Refused(number(1)?, text(4)?, counts()?),
            "later" => Outcome::Later(text(4)?, counts()?),
            "hole" => Outcome::Hole(number(1)?),
            "fenced" => Outcome::Fenced(text(1)?),
            _ => return None,
        })
    }

    /// For metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Outcome::Done(_) => "applied",
            Outcome::Refused(..) => "refused",
            Outcome::Later(..) => "later",
            Outcome::Fenced(_) => "fenced",
            Outcome::Hole(_) => "hole",
        }
    }
}
