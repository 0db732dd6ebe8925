use proptest::prelude::*;

use super::*;

const SECOND_US: i64 = 1_000_000;

fn at_s(seconds: i64) -> EpochMicros {
    EpochMicros::new(seconds * SECOND_US).unwrap()
}

/// A step each 10 s: enter, move, move, exit.
fn steps() -> Vec<Step> {
    let kinds = [StepKind::Enter, StepKind::Move, StepKind::Move, StepKind::Exit];
    (0..).zip(kinds).map(|(n, kind)| Step { time: at_s(100 + 10 * i64::from(n)), x: n, y: 0, kind }).collect()
}

fn due_times(playback: &Playback, now: i64) -> Vec<(u32, i64)> {
    playback
        .due_since(&steps(), at_s(now).plus(1))
        .iter()
        .map(|due| (due.index, due.time.as_micros() / SECOND_US))
        .collect()
}

fn change(paused: Option<bool>, speed: Option<f64>, position_us: Option<i64>) -> Change {
    Change { paused, speed: speed.and_then(Speed::new), position_us, looping: None }
}

#[test]
fn a_recorded_scenario_keeps_its_own_times() {
    let playback = Playback::as_recorded(&steps(), 1);
    assert_eq!(due_times(&playback, 0), [(0, 100), (1, 110), (2, 120), (3, 130)]);
    assert_eq!(due_times(&playback, 110), [(2, 120), (3, 130)]);
    assert_eq!(
        [99, 100, 131].map(|s| playback.state(at_s(s))),
        [PlaybackState::Waiting, PlaybackState::Running, PlaybackState::Ended]
    );
    assert_eq!((playback.position_us(at_s(115)), playback.length_us()), (15 * SECOND_US, 30 * SECOND_US));
}

#[test]
fn a_paused_playback_has_no_steps_due_and_resumes_at_its_position() {
    let playback = Playback::as_recorded(&steps(), 1).changed(change(Some(true), None, None), at_s(115), 2);
    assert_eq!(due_times(&playback, 115), []);
    assert_eq!(playback.state(at_s(500)), PlaybackState::Paused);
    let paused_before_the_start =
        Playback::as_recorded(&steps(), 1).changed(change(Some(true), None, None), at_s(50), 2);
    assert_eq!(paused_before_the_start.state(at_s(60)), PlaybackState::Paused);
    let resumed = playback.changed(change(Some(false), None, None), at_s(500), 3);
    assert_eq!(due_times(&resumed, 499), [(2, 505), (3, 515)]);
    assert_eq!(resumed.state(at_s(514)), PlaybackState::Running);
    assert_eq!(resumed.step_at(&steps(), at_s(504)).unwrap().x, 1);
    assert_eq!(resumed.step_at(&steps(), at_s(505)).unwrap().x, 2);
}

#[test]
fn a_change_at_the_very_moment_of_a_step_neither_loses_nor_repeats_it() {
    for factor in [0.1, 0.333, 1.0, 7.7, 1000.0] {
        let fast = Playback::start(&steps(), at_s(1000), Speed::new(factor).unwrap(), false, 1);
        let moment = fast.due_since(&steps(), at_s(1000))[2].time;
        for now in [moment.plus(-1), moment, moment.plus(1)] {
            let before = fast.due_since(&steps(), at_s(1000)).len() - fast.due_since(&steps(), now).len();
            let paused = fast.changed(change(Some(true), None, None), now, 2);
            let resumed = paused.changed(change(Some(false), None, None), at_s(9000), 3);
            assert_eq!(before + resumed.due_since(&steps(), at_s(9000)).len(), 4, "{factor} at {now:?}");
        }
    }
}

#[test]
fn a_change_of_speed_scales_the_time_until_later_steps() {
    let playback = Playback::as_recorded(&steps(), 1).changed(change(None, Some(2.0), None), at_s(105), 2);
    assert_eq!(playback.due_since(&steps(), at_s(105))[0].time.as_micros(), 107_500_000);
    assert_eq!(due_times(&playback, 108), [(2, 112), (3, 117)]);
    assert_eq!([0.1, 1000.0].map(|factor| Speed::new(factor).unwrap().factor()), [0.1, 1000.0]);
    assert_eq!([0.09, 1001.0, f64::NAN].map(Speed::new), [None; 3]);
}

#[test]
fn a_seek_plays_the_step_at_the_new_position() {
    let playback =
        Playback::as_recorded(&steps(), 1).changed(change(None, None, Some(20 * SECOND_US)), at_s(105), 2);
    let due = playback.due_since(&steps(), at_s(105));
    assert_eq!(
        due.iter().map(|due| (due.post, due.index, due.time)).collect::<Vec<_>>(),
        [(2, 2, at_s(105)), (2, 3, at_s(115))]
    );
    let ended = Playback::as_recorded(&steps(), 1).changed(change(None, None, Some(0)), at_s(900), 2);
    assert_eq!(ended.due_since(&steps(), at_s(900)).len(), 4);
}

#[test]
fn a_loop_schedules_its_next_iteration_once_and_drops_it_when_it_is_changed() {
    let looping = Playback::start(&steps(), at_s(1000), Speed::NORMAL, true, 1);
    assert_eq!(looping.iteration_end(), Some(at_s(1031)));
    assert_eq!(looping.next_iteration(at_s(1028), at_s(1030), 2), None);
    let next = looping.next_iteration(at_s(1029), at_s(1031), 2).unwrap();
    assert_eq!(next.next_iteration(at_s(1029), at_s(1031), 3), None);
    assert_eq!(due_times(&next, 1029), [(3, 1030), (0, 1031), (1, 1041), (2, 1051), (3, 1061)]);
    let no_longer_looping = next.changed(Change { looping: Some(false), ..Change::default() }, at_s(1029), 3);
    assert_eq!(due_times(&no_longer_looping, 1029), [(3, 1030)]);
}

#[test]
fn the_customer_is_at_the_last_step_and_nowhere_after_the_exit() {
    let playback = Playback::as_recorded(&steps(), 1);
    let x_at = |s| playback.step_at(&steps(), at_s(s)).map(|step| (step.x, step.time));
    assert_eq!(x_at(99), None);
    assert_eq!(x_at(100), Some((0, at_s(100))));
    assert_eq!(x_at(129), Some((2, at_s(120))));
    assert_eq!(x_at(130), None);
}

#[test]
fn a_playback_is_the_same_after_it_was_written_and_read() {
    let playback = Playback::as_recorded(&steps(), 1).changed(change(None, Some(0.333), None), at_s(105), 2);
    let json = serde_json::to_string(&playback).unwrap();
    assert_eq!(serde_json::from_str::<Playback>(&json).unwrap(), playback);
}

fn any_time() -> impl Strategy<Value = EpochMicros> {
    (0..=i64::MAX).prop_map(|micros| EpochMicros::default().plus(micros))
}

proptest! {
    #[test]
    fn no_time_and_no_speed_breaks_a_playback(
        times in prop::collection::vec(any_time(), 1..4), now in any_time(), later in any_time(),
        factor in 0.1..1000.0, position_us in 0..i64::MAX, looping: bool, paused: bool,
    ) {
        let steps: Vec<Step> =
            times.iter().map(|time| Step { time: *time, x: 0, y: 0, kind: StepKind::Move }).collect();
        let speed = Speed::new(factor);
        let change = Change { paused: Some(paused), speed, position_us: Some(position_us), looping: Some(looping) };
        let started = Playback::start(&steps, now, speed.unwrap(), looping, 1);
        for playback in [Playback::as_recorded(&steps, 1), started.clone(), started.changed(change, later, 2)] {
            for moment in [now, later] {
                let next = playback.next_iteration(moment, later, 3).unwrap_or_else(|| playback.clone());
                for due in next.due_since(&steps, moment) {
                    prop_assert!(!due.time.display_iso().to_string().is_empty());
                    prop_assert_eq!(EpochMicros::parse(&due.time.display_redis().to_string()), Ok(due.time));
                }
                let _ = (next.step_at(&steps, moment), next.state(moment), next.position_us(moment), next.iteration_end());
            }
        }
    }
}
