//! Playbacks in JSON.

use redis_core::id::CustomerId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::scalar::{Id, Rate, RateSchema};
use crate::playback::{Change, Playback, PlaybackState, Speed};
use crate::time::EpochMicros;

/// A stored scenario.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Summary {
    #[schema(value_type = String)]
    pub(in crate::http) customer_id: Id,
    /// Number of steps.
    pub(in crate::http) steps: usize,
    pub(in crate::http) playback: PlaybackBody,
}

/// How a scenario is being played.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct PlaybackBody {
    #[schema(value_type = String)]
    customer_id: Id,
    /// `waiting`, `running`, `paused` or `ended`.
    state: &'static str,
    /// 0.1 to 1000, or `max`.
    #[schema(value_type = RateSchema)]
    speed: Rate,
    r#loop: bool,
    /// Its position, counted from the first step.
    position_ms: i64,
    /// From the first step to the last.
    length_ms: i64,
}

/// How to play a scenario again.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct Replay {
    /// 0.1 to 1000, or `max`: as fast as the broker takes it. Without it: 1.
    #[schema(value_type = Option<RateSchema>)]
    #[serde(default)]
    speed: Option<Rate>,
    /// Begin again at the end.
    #[serde(default)]
    r#loop: bool,
}

/// What to change about a playback. What is not given stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PlaybackChange {
    paused: Option<bool>,
    /// 0.1 to 1000, or `max`: as fast as the broker takes it.
    #[schema(value_type = Option<RateSchema>)]
    speed: Option<Rate>,
    /// 0 to the scenario's length.
    #[schema(minimum = 0)]
    position_ms: Option<u64>,
    r#loop: Option<bool>,
}

impl PlaybackBody {
    pub(in crate::http) fn of(customer: &CustomerId, playback: &Playback, now: EpochMicros) -> Self {
        Self {
            customer_id: Id(customer.clone()),
            state: match playback.state(now) {
                PlaybackState::Waiting => "waiting",
                PlaybackState::Running => "running",
                PlaybackState::Paused => "paused",
                PlaybackState::Ended => "ended",
            },
            speed: Rate(playback.speed()),
            r#loop: playback.is_looping(),
            position_ms: playback.position_us(now) / 1000,
            length_ms: playback.length_us() / 1000,
        }
    }
}

impl Replay {
    pub(in crate::http) fn speed(&self) -> Speed {
        self.speed.as_ref().map_or(Speed::NORMAL, |rate| rate.0)
    }

    pub(in crate::http) fn is_looping(&self) -> bool {
        self.r#loop
    }
}

impl From<PlaybackChange> for Change {
    fn from(change: PlaybackChange) -> Self {
        let micros = |ms: u64| i64::try_from(ms.saturating_mul(1000)).unwrap_or(i64::MAX);
        Self {
            paused: change.paused,
            speed: change.speed.map(|rate| rate.0),
            position_us: change.position_ms.map(micros),
            looping: change.r#loop,
        }
    }
}
