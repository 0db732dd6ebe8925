//! How a stored scenario is being played: where it stands, how fast, and which of its steps are still to come.
//!
//! A position counts from the scenario's earliest step. Each change of a playback begins a segment: from a moment on,
//! starting at a position, at a speed. Everything else follows from the segments and the stored steps, so a change
//! writes one small record and swaps the steps to come. Speeds are whole thousandths, so that every due time can be
//! computed again exactly.

use serde::{Deserialize, Serialize};

use crate::scenario::{Step, StepKind};
use crate::time::Micros;

/// The playback of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Playback {
    length_us: i64,
    speed: Speed,
    paused: bool,
    looping: bool,
    /// Oldest first; never empty. The last may lie ahead: the next round of a loop.
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Segment {
    from_us: i64,
    position_us: i64,
    /// Thousandths; 0 while paused.
    rate: i64,
    post: u32,
}

/// A speed in whole thousandths, 0.1 to 1000 times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speed(u32);

/// What a playback is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its first step is still to come.
    Waiting,
    /// It is being played.
    Running,
    /// It stands still until it is resumed.
    Paused,
    /// Its last step has come.
    Ended,
}

/// What is to change; `None` leaves as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change {
    /// Stand still, or go on.
    pub paused: Option<bool>,
    /// Play faster or slower.
    pub speed: Option<Speed>,
    /// Go to this position, in microseconds.
    pub position_us: Option<i64>,
    /// Begin again at the end, or no more.
    pub looping: Option<bool>,
}

impl Speed {
    /// As recorded.
    pub const NORMAL: Self = Self(1000);

    /// From a factor between 0.1 and 1000, rounded to thousandths.
    pub fn new(factor: f64) -> Option<Self> {
        (0.1..=1000.0).contains(&factor).then(|| Self((factor * 1000.0).round() as u32))
    }

    /// The factor.
    pub fn factor(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl Segment {
    fn position_at(&self, now: Micros) -> i64 {
        let elapsed = i128::from(now.as_micros() - self.from_us);
        let moved = elapsed * i128::from(self.rate) / 1000;
        self.position_us.saturating_add(i64::try_from(moved).unwrap_or(i64::MAX))
    }

    /// The first position that is still to come at `now`.
    fn first_to_come(&self, now: Micros) -> i64 {
        let elapsed = i128::from(now.as_micros() - self.from_us);
        let moved = (elapsed * i128::from(self.rate) + 999).div_euclid(1000);
        self.position_us.saturating_add(i64::try_from(moved).unwrap_or(i64::MAX))
    }

    /// When the step at `offset_us` is due, unless this segment stands still or began after it.
    fn due(&self, offset_us: i64) -> Option<Micros> {
        let ahead = offset_us - self.position_us;
        (self.rate > 0 && ahead >= 0)
            .then(|| Micros::default().plus(self.from_us).plus(ahead.saturating_mul(1000) / self.rate.max(1)))
    }
}

impl Playback {
    /// Plays `steps` at the times they have.
    pub fn as_recorded(steps: &[Step], post: u32) -> Self {
        Self::start(steps, first(steps), Speed::NORMAL, false, post)
    }

    /// Plays `steps` from the beginning, starting at `now`.
    pub fn start(steps: &[Step], now: Micros, speed: Speed, looping: bool, post: u32) -> Self {
        let segment = Segment { from_us: now.as_micros(), position_us: 0, rate: i64::from(speed.0), post };
        Self { length_us: length_us(steps), speed, paused: false, looping, segments: vec![segment] }
    }

    /// The same playback with a change made at `now`. `post` is the number of the steps that are put on the timeline anew.
    #[must_use]
    pub fn changed(&self, change: Change, now: Micros, post: u32) -> Self {
        let mut new = self.clone();
        // A round that was laid out ahead is laid out again when its time comes.
        let first = new.segments[0];
        new.segments.retain(|segment| segment.from_us <= now.as_micros());
        if new.segments.is_empty() {
            new.segments.push(first);
        }
        new.paused = change.paused.unwrap_or(self.paused);
        new.speed = change.speed.unwrap_or(self.speed);
        new.looping = change.looping.unwrap_or(self.looping);
        let moves = change.position_us.is_some() || new.paused != self.paused || new.speed != self.speed;
        if moves {
            // Exactly the steps that were due from now on: none is played twice, none is left out.
            let here = new.current(now).first_to_come(now).min(new.length_us + 1);
            let position_us = change.position_us.map_or(here, |sought| sought.clamp(0, new.length_us));
            new.begin(now, position_us, post);
        }
        new
    }

    /// The next round of a loop, laid out from the end of the present one, if that comes before `until`.
    #[must_use]
    pub fn next_round(&self, now: Micros, until: Micros, post: u32) -> Option<Self> {
        let end = self.round_end()?;
        (end <= until).then(|| {
            let mut new = self.clone();
            new.begin(end.max(now), 0, post);
            new
        })
    }

    /// When the present round of a loop has ended and the next can begin.
    pub fn round_end(&self) -> Option<Micros> {
        let last = self.segments.last().filter(|_| self.looping && !self.paused)?;
        let end = last.due(self.length_us.max(last.position_us))?;
        Some(end.plus(BETWEEN_ROUNDS_US))
    }

    /// The steps that are due at `since` or later: their post, their index in `steps`, and the step with its time.
    pub fn due_since(&self, steps: &[Step], since: Micros) -> Vec<(u32, u32, Step)> {
        let origin = first(steps).as_micros();
        let ends = self.segments.iter().skip(1).map(|next| next.from_us).chain([i64::MAX]);
        let mut coming = Vec::new();
        for (segment, end_us) in
            self.segments.iter().zip(ends).filter(|(_, end_us)| *end_us > since.as_micros())
        {
            for (index, step) in (0u32..).zip(steps) {
                let due = segment.due(step.at.as_micros() - origin);
                if let Some(at) = due.filter(|due| *due >= since && due.as_micros() < end_us) {
                    coming.push((segment.post, index, Step { at, ..*step }));
                }
            }
        }
        coming
    }

    /// The last step that has come by `time`, with the time it came. `None` before the first step and after an EXIT.
    pub fn step_at(&self, steps: &[Step], time: Micros) -> Option<Step> {
        let began = |segment: &&Segment| segment.from_us <= time.as_micros();
        let current = self.segments.iter().rev().find(began)?;
        let (origin, position) = (first(steps).as_micros(), current.position_at(time));
        let offset = |step: &Step| step.at.as_micros() - origin;
        let last = steps.iter().filter(|step| offset(step) <= position).max_by_key(|step| step.at)?;
        let came = self.segments.iter().filter(began).rev().find_map(|segment| segment.due(offset(last)));
        (last.kind != StepKind::Exit).then(|| Step { at: came.unwrap_or(last.at).min(time), ..*last })
    }

    /// What it is doing at `now`.
    pub fn phase(&self, now: Micros) -> Phase {
        match self.current(now).position_at(now) {
            position if position > self.length_us && !self.looping => Phase::Ended,
            _ if self.paused => Phase::Paused,
            position if position < 0 => Phase::Waiting,
            _ => Phase::Running,
        }
    }

    /// Where it stands at `now`, in microseconds between 0 and its length.
    pub fn position_us(&self, now: Micros) -> i64 {
        self.current(now).position_at(now).clamp(0, self.length_us)
    }

    /// From the earliest step to the latest, in microseconds.
    pub fn length_us(&self) -> i64 {
        self.length_us
    }

    /// How fast it is played when it is not paused.
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// Whether it begins again at its end.
    pub fn looping(&self) -> bool {
        self.looping
    }

    fn current(&self, now: Micros) -> &Segment {
        let began = self.segments.iter().rev().find(|segment| segment.from_us <= now.as_micros());
        began.unwrap_or(&self.segments[0])
    }

    fn begin(&mut self, from: Micros, position_us: i64, post: u32) {
        let rate = if self.paused { 0 } else { i64::from(self.speed.0) };
        self.segments.push(Segment { from_us: from.as_micros(), position_us, rate, post });
        let surplus = self.segments.len().saturating_sub(SEGMENTS_KEPT);
        self.segments.drain(..surplus);
    }
}

/// The earliest time of any step; steps may be given in any order.
fn first(steps: &[Step]) -> Micros {
    steps.iter().map(|step| step.at).min().unwrap_or_default()
}

fn length_us(steps: &[Step]) -> i64 {
    steps.iter().map(|step| step.at.as_micros()).max().unwrap_or_default() - first(steps).as_micros()
}

/// A customer who walks in a loop comes back a second after the last step.
const BETWEEN_ROUNDS_US: i64 = 1_000_000;
/// What a playback remembers of its past, for `GET /state` at times gone by.
const SEGMENTS_KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    fn at(seconds: i64) -> Micros {
        Micros::new(seconds * S).unwrap()
    }

    /// A step each 10 s: enter, move, move, exit.
    fn steps() -> Vec<Step> {
        let kinds = [StepKind::Enter, StepKind::Move, StepKind::Move, StepKind::Exit];
        (0..).zip(kinds).map(|(n, kind)| Step { at: at(100 + 10 * i64::from(n)), x: n, y: 0, kind }).collect()
    }

    fn dues(playback: &Playback, now: i64) -> Vec<(u32, i64)> {
        playback
            .due_since(&steps(), at(now).plus(1))
            .iter()
            .map(|(_, index, step)| (*index, step.at.as_micros() / S))
            .collect()
    }

    fn change(paused: Option<bool>, speed: Option<f64>, position_us: Option<i64>) -> Change {
        Change { paused, speed: speed.and_then(Speed::new), position_us, looping: None }
    }

    #[test]
    fn a_recorded_scenario_keeps_its_own_times() {
        let playback = Playback::as_recorded(&steps(), 1);
        assert_eq!(dues(&playback, 0), [(0, 100), (1, 110), (2, 120), (3, 130)]);
        assert_eq!(dues(&playback, 110), [(2, 120), (3, 130)]);
        assert_eq!(
            [99, 100, 131].map(|s| playback.phase(at(s))),
            [Phase::Waiting, Phase::Running, Phase::Ended]
        );
        assert_eq!((playback.position_us(at(115)), playback.length_us()), (15 * S, 30 * S));
    }

    #[test]
    fn a_paused_playback_has_nothing_to_come_and_goes_on_where_it_stood() {
        let playback = Playback::as_recorded(&steps(), 1).changed(change(Some(true), None, None), at(115), 2);
        assert_eq!(dues(&playback, 115), []);
        assert_eq!(playback.phase(at(500)), Phase::Paused);
        let before_it_began =
            Playback::as_recorded(&steps(), 1).changed(change(Some(true), None, None), at(50), 2);
        assert_eq!(before_it_began.phase(at(60)), Phase::Paused);
        let resumed = playback.changed(change(Some(false), None, None), at(500), 3);
        assert_eq!(dues(&resumed, 499), [(2, 505), (3, 515)]);
        assert_eq!(resumed.phase(at(514)), Phase::Running);
        assert_eq!(resumed.step_at(&steps(), at(504)).unwrap().x, 1);
        assert_eq!(resumed.step_at(&steps(), at(505)).unwrap().x, 2);
    }

    #[test]
    fn a_change_in_the_very_moment_of_a_step_neither_loses_nor_repeats_it() {
        for factor in [0.1, 0.333, 1.0, 7.7, 1000.0] {
            let fast = Playback::start(&steps(), at(1000), Speed::new(factor).unwrap(), false, 1);
            let moment = fast.due_since(&steps(), at(1000))[2].2.at;
            for now in [moment.plus(-1), moment, moment.plus(1)] {
                let before = fast.due_since(&steps(), at(1000)).len() - fast.due_since(&steps(), now).len();
                let paused = fast.changed(change(Some(true), None, None), now, 2);
                let resumed = paused.changed(change(Some(false), None, None), at(9000), 3);
                assert_eq!(before + resumed.due_since(&steps(), at(9000)).len(), 4, "{factor} at {now:?}");
            }
        }
    }

    #[test]
    fn a_change_of_speed_scales_what_is_to_come() {
        let playback = Playback::as_recorded(&steps(), 1).changed(change(None, Some(2.0), None), at(105), 2);
        assert_eq!(playback.due_since(&steps(), at(105))[0].2.at.as_micros(), 107_500_000);
        assert_eq!(dues(&playback, 108), [(2, 112), (3, 117)]);
        assert_eq!([0.1, 1000.0].map(|factor| Speed::new(factor).unwrap().factor()), [0.1, 1000.0]);
        assert_eq!([0.09, 1001.0, f64::NAN].map(Speed::new), [None; 3]);
    }

    #[test]
    fn a_seek_plays_the_step_that_was_sought() {
        let playback =
            Playback::as_recorded(&steps(), 1).changed(change(None, None, Some(20 * S)), at(105), 2);
        let coming = playback.due_since(&steps(), at(105));
        assert_eq!(
            coming.iter().map(|(post, index, step)| (*post, *index, step.at)).collect::<Vec<_>>(),
            [(2, 2, at(105)), (2, 3, at(115))]
        );
        let ended = Playback::as_recorded(&steps(), 1).changed(change(None, None, Some(0)), at(900), 2);
        assert_eq!(ended.due_since(&steps(), at(900)).len(), 4);
    }

    #[test]
    fn a_loop_lays_out_its_next_round_once_and_drops_it_when_it_is_changed() {
        let looping = Playback::start(&steps(), at(1000), Speed::NORMAL, true, 1);
        assert_eq!(looping.round_end(), Some(at(1031)));
        assert_eq!(looping.next_round(at(1028), at(1030), 2), None);
        let next = looping.next_round(at(1029), at(1031), 2).unwrap();
        assert_eq!(next.next_round(at(1029), at(1031), 3), None);
        assert_eq!(dues(&next, 1029), [(3, 1030), (0, 1031), (1, 1041), (2, 1051), (3, 1061)]);
        let no_more = next.changed(Change { looping: Some(false), ..Change::default() }, at(1029), 3);
        assert_eq!(dues(&no_more, 1029), [(3, 1030)]);
    }

    #[test]
    fn the_state_is_the_last_step_and_nobody_after_the_exit() {
        let playback = Playback::as_recorded(&steps(), 1);
        let x_at = |s| playback.step_at(&steps(), at(s)).map(|step| (step.x, step.at));
        assert_eq!(x_at(99), None);
        assert_eq!(x_at(100), Some((0, at(100))));
        assert_eq!(x_at(129), Some((2, at(120))));
        assert_eq!(x_at(130), None);
    }

    #[test]
    fn a_record_is_read_back_exactly() {
        let playback =
            Playback::as_recorded(&steps(), 1).changed(change(None, Some(0.333), None), at(105), 2);
        let json = serde_json::to_string(&playback).unwrap();
        assert_eq!(serde_json::from_str::<Playback>(&json).unwrap(), playback);
    }
}
