//! Playbacks in JSON.

use redis_core::id::{CustomerId, RecordingName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::scalar::{Id, Rate, RateSchema};
use crate::playback::{Change, Playback, PlaybackState, Speed};
use crate::records::TrackSummary;
use crate::time::EpochMicros;

/// A stored scenario.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Summary {
    #[schema(value_type = String)]
    pub(in crate::http) customer_id: Id,
    /// Number of steps.
    pub(in crate::http) steps: usize,
    pub(in crate::http) playback: ScenarioPlayback,
}

/// A stored recording.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct RecordingBody {
    name: String,
    /// Number of messages.
    messages: usize,
    playback: RecordingPlayback,
}

/// How a scenario is being played.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ScenarioPlayback {
    #[schema(value_type = String)]
    customer_id: Id,
    #[serde(flatten)]
    playback: PlaybackBody,
}

/// How a recording is being played.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct RecordingPlayback {
    name: String,
    #[serde(flatten)]
    playback: PlaybackBody,
}

/// How something is being played.
#[derive(Serialize, ToSchema)]
struct PlaybackBody {
    /// `waiting`, `running`, `paused` or `ended`.
    state: &'static str,
    /// 0.1 to 1000, or `max`.
    #[schema(value_type = RateSchema)]
    speed: Rate,
    r#loop: bool,
    /// Its position, counted from the first step or message.
    position_ms: i64,
    /// From the first step or message to the last.
    length_ms: i64,
}

/// How to play a scenario or recording again.
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
    /// 0 to the length.
    #[schema(minimum = 0)]
    position_ms: Option<u64>,
    r#loop: Option<bool>,
}

impl RecordingBody {
    pub(in crate::http) fn of(name: &RecordingName, summary: &TrackSummary, now: EpochMicros) -> Self {
        Self {
            name: name.to_string(),
            messages: summary.items,
            playback: RecordingPlayback::of(name, &summary.playback, now),
        }
    }
}

impl ScenarioPlayback {
    pub(in crate::http) fn of(customer: &CustomerId, playback: &Playback, now: EpochMicros) -> Self {
        Self { customer_id: Id(customer.clone()), playback: PlaybackBody::of(playback, now) }
    }
}

impl RecordingPlayback {
    pub(in crate::http) fn of(name: &RecordingName, playback: &Playback, now: EpochMicros) -> Self {
        Self { name: name.to_string(), playback: PlaybackBody::of(playback, now) }
    }
}

impl PlaybackBody {
    fn of(playback: &Playback, now: EpochMicros) -> Self {
        Self {
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
