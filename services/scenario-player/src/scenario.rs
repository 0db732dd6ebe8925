//! A scenario: the path of one customer through the shop.

use redis_core::id::CustomerId;

use crate::time::{EpochMicros, Timed};

/// A customer and the steps of their visit, in the order they were given.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The customer.
    pub customer: CustomerId,
    /// At least one step.
    pub steps: Vec<Step>,
}

/// One step of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step {
    /// When it happens.
    pub time: EpochMicros,
    /// Position on the shop floor, in whole units.
    pub x: i32,
    /// Position on the shop floor, in whole units.
    pub y: i32,
    /// What happens.
    pub kind: StepKind,
}

impl Timed for Step {
    fn time(&self) -> EpochMicros {
        self.time
    }
}

/// The type of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// The customer comes in.
    Enter,
    /// The customer is at this position.
    Move,
    /// The customer leaves.
    Exit,
    /// The customer stays in front of something. It is published as a move.
    Focus,
}

impl StepKind {
    /// The name in capitals.
    pub fn as_str(self) -> &'static str {
        match self {
            StepKind::Enter => "ENTER",
            StepKind::Move => "MOVE",
            StepKind::Exit => "EXIT",
            StepKind::Focus => "FOCUS",
        }
    }

    /// The kind with this name, in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        let kinds = [StepKind::Enter, StepKind::Move, StepKind::Exit, StepKind::Focus];
        kinds.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// A step of a draft. It has no time yet: [`expand_draft`] computes it.
#[derive(Debug, Clone, Copy)]
pub struct DraftStep {
    /// What happens.
    pub kind: StepKind,
    /// Position on the shop floor, in whole units.
    pub x: i32,
    /// Position on the shop floor, in whole units.
    pub y: i32,
}

/// Moves the first step to `start` and all other steps by the same amount.
pub fn move_to_start(steps: &mut [Step], start: EpochMicros) {
    let Some(first) = steps.first().map(|step| step.time) else { return };
    let shift = start.as_micros() - first.as_micros();
    for step in steps {
        step.time = step.time.plus(shift);
    }
}

/// Computes the times of a draft. The first step is 10 s after `now`. Each next step follows after 30 ms per unit of
/// distance. Every step becomes a move, and a FOCUS step becomes six at the same position, 7.5 s apart.
pub fn expand_draft(draft: &[DraftStep], now: EpochMicros) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::with_capacity(draft.len());
    for DraftStep { kind, x, y } in draft {
        let time = match steps.last() {
            None => now.plus(DRAFT_START_US),
            Some(last) => {
                let distance = (f64::from(*x) - f64::from(last.x)).hypot(f64::from(*y) - f64::from(last.y));
                last.time.plus((distance * DRAFT_US_PER_UNIT).round() as i64)
            }
        };
        let step = Step { time, x: *x, y: *y, kind: StepKind::Move };
        steps.push(step);
        if *kind == StepKind::Focus {
            steps.extend((1..=FOCUS_STEPS).map(|n| Step { time: time.plus(n * FOCUS_STEP_US), ..step }));
        }
    }
    steps
}

const DRAFT_START_US: i64 = 10_000_000;
const DRAFT_US_PER_UNIT: f64 = 30_000.0;
/// Steps that follow a FOCUS step at the same position.
const FOCUS_STEPS: i64 = 5;
const FOCUS_STEP_US: i64 = 7_500_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(steps: &[(StepKind, i32, i32)]) -> Vec<DraftStep> {
        steps.iter().map(|&(kind, x, y)| DraftStep { kind, x, y }).collect()
    }

    #[test]
    fn a_draft_moves_at_thirty_milliseconds_a_unit_and_stays_where_it_focuses() {
        let now = EpochMicros::parse("2021-04-14T08:00:00Z").unwrap();
        let steps = expand_draft(
            &draft(&[(StepKind::Enter, 0, 0), (StepKind::Focus, 3, 4), (StepKind::Exit, 3, 104)]),
            now,
        );
        let seconds: Vec<f64> =
            steps.iter().map(|step| (step.time.as_micros() - now.as_micros()) as f64 / 1e6).collect();
        assert_eq!(seconds, [10.0, 10.15, 17.65, 25.15, 32.65, 40.15, 47.65, 50.65]);
        assert!(steps.iter().all(|step| step.kind == StepKind::Move));
        assert_eq!((steps[6].x, steps[6].y), (3, 4));
    }

    #[test]
    fn recalculated_steps_keep_their_distances() {
        let step_at = |us| Step { time: EpochMicros::new(us).unwrap(), x: 0, y: 0, kind: StepKind::Move };
        let mut steps = [step_at(5_000_000), step_at(6_500_000), step_at(5_500_000)];
        move_to_start(&mut steps, EpochMicros::new(100_000_000).unwrap());
        assert_eq!(steps.map(|step| step.time.as_micros()), [100_000_000, 101_500_000, 100_500_000]);
    }

    #[test]
    fn a_kind_is_read_in_any_letter_case() {
        assert_eq!(StepKind::parse("enter"), Some(StepKind::Enter));
        assert_eq!(StepKind::parse("FoCuS"), Some(StepKind::Focus));
        assert_eq!(StepKind::parse("RUN"), None);
    }
}
