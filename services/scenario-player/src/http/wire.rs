//! The JSON shapes of requests and answers.

use std::fmt;

use redis_core::id::CustomerId;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::event::Event;
use crate::playback::{Change, Phase, Playback, Speed};
use crate::scenario::{DraftStep, Scenario, Step, StepKind};
use crate::shop::CustomerState;
use crate::time::Micros;

/// A customer's visit.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct ScenarioBody {
    customer: Customer,
    /// In the order they happen; at least one.
    #[schema(min_items = 1)]
    path: Vec<StepBody>,
}

/// A visit whose steps may lack times.
#[derive(Deserialize, ToSchema)]
pub(super) struct DraftBody {
    customer: Customer,
    /// In the order they happen; at least one.
    #[schema(min_items = 1)]
    path: Vec<DraftStepBody>,
}

/// Who.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Customer {
    /// Any text of 1 to 256 characters.
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    customer_id: Id,
}

#[derive(Serialize, Deserialize, ToSchema)]
struct StepBody {
    #[serde(rename = "type")]
    #[schema(value_type = String, pattern = "^([Ee][Nn][Tt][Ee][Rr]|[Mm][Oo][Vv][Ee]|[Ee][Xx][Ii][Tt]|[Ff][Oo][Cc][Uu][Ss])$")]
    kind: Kind,
    location: Location,
    /// ISO 8601 with a zone, or a number of epoch milliseconds.
    #[schema(value_type = TimeSchema)]
    timestamp: Time,
}

#[derive(Deserialize, ToSchema)]
struct DraftStepBody {
    #[serde(rename = "type")]
    #[schema(value_type = String, pattern = "^([Ee][Nn][Tt][Ee][Rr]|[Mm][Oo][Vv][Ee]|[Ee][Xx][Ii][Tt]|[Ff][Oo][Cc][Uu][Ss])$")]
    kind: Kind,
    location: Location,
}

/// A place; fractions are cut.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
pub(super) struct Location {
    #[schema(value_type = f64, minimum = -2_147_483_648.0, maximum = 2_147_483_647.0)]
    x: Coordinate,
    #[schema(value_type = f64, minimum = -2_147_483_648.0, maximum = 2_147_483_647.0)]
    y: Coordinate,
}

/// A time.
#[derive(ToSchema)]
#[schema(as = Timestamp)]
#[expect(dead_code, reason = "only its schema is used: either of two kinds of value")]
#[derive(Serialize)]
#[serde(untagged)]
enum TimeSchema {
    /// ISO 8601 with a zone.
    #[schema(title = "ISO 8601", format = DateTime)]
    Text(String),
    /// Epoch milliseconds.
    #[schema(title = "epoch milliseconds")]
    Number(f64),
}

/// What was put on the timeline.
#[derive(Serialize, ToSchema)]
pub(super) struct Posted {
    #[schema(value_type = String)]
    pub(super) customer_id: Id,
    /// Number of steps.
    pub(super) steps: usize,
}

/// Where a customer is.
#[derive(Serialize, ToSchema)]
pub(super) struct State {
    customer_description: Customer,
    location: Location,
    /// The type of the last step.
    #[schema(value_type = String)]
    status: Kind,
    /// When the last step came.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Time,
}

/// A stored scenario.
#[derive(Serialize, ToSchema)]
pub(super) struct Summary {
    #[schema(value_type = String)]
    pub(super) customer_id: Id,
    /// Number of steps.
    pub(super) steps: usize,
    pub(super) playback: PlaybackBody,
}

/// How a scenario is being played.
#[derive(Serialize, ToSchema)]
pub(super) struct PlaybackBody {
    #[schema(value_type = String)]
    customer_id: Id,
    /// `waiting`, `running`, `paused` or `ended`.
    state: &'static str,
    /// 0.1 to 1000.
    speed: f64,
    r#loop: bool,
    /// Where it stands, from the first step on.
    position_ms: i64,
    /// From the first step to the last.
    length_ms: i64,
}

/// How to play a scenario again.
#[derive(Deserialize, ToSchema)]
pub(super) struct Replay {
    /// 0.1 to 1000; 1 if it is not given.
    #[schema(minimum = 0.1, maximum = 1000.0)]
    #[serde(default)]
    speed: Option<Rate>,
    /// Begin again at the end.
    #[serde(default)]
    r#loop: bool,
}

/// What to change of a playback; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaybackChange {
    paused: Option<bool>,
    /// 0.1 to 1000.
    #[schema(minimum = 0.1, maximum = 1000.0)]
    speed: Option<Rate>,
    /// 0 to the scenario's length.
    #[schema(minimum = 0)]
    position_ms: Option<u64>,
    r#loop: Option<bool>,
}

/// A factor of speed.
#[derive(ToSchema)]
#[schema(value_type = f64)]
pub(super) struct Rate(Speed);

/// A step that is to come, or was published.
#[derive(Serialize, ToSchema)]
pub(super) struct EventBody {
    #[schema(value_type = String)]
    customer_id: Id,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: Kind,
    location: Location,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Time,
}

impl ScenarioBody {
    /// The scenario, if it has at least one step.
    pub(super) fn into_scenario(self) -> Option<Scenario> {
        let step = |step: StepBody| Step {
            at: step.timestamp.0,
            x: step.location.x.0,
            y: step.location.y.0,
            kind: step.kind.0,
        };
        let steps: Vec<Step> = self.path.into_iter().map(step).collect();
        (!steps.is_empty()).then_some(Scenario { customer: self.customer.customer_id.0, steps })
    }

    pub(super) fn of(customer: &CustomerId, steps: &[Step]) -> Self {
        let step = |step: &Step| StepBody {
            kind: Kind(step.kind),
            location: Location::of(step),
            timestamp: Time(step.at),
        };
        Self { customer: Customer::of(customer), path: steps.iter().map(step).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.path.len()
    }
}

impl DraftBody {
    pub(super) fn len(&self) -> usize {
        self.path.len()
    }

    /// The customer and the steps, if there is at least one.
    pub(super) fn into_draft(self) -> Option<(CustomerId, Vec<DraftStep>)> {
        let step =
            |step: DraftStepBody| DraftStep { kind: step.kind.0, x: step.location.x.0, y: step.location.y.0 };
        let steps: Vec<DraftStep> = self.path.into_iter().map(step).collect();
        (!steps.is_empty()).then_some((self.customer.customer_id.0, steps))
    }
}

impl Customer {
    fn of(customer: &CustomerId) -> Self {
        Self { customer_id: Id(customer.clone()) }
    }
}

impl Location {
    fn of(step: &Step) -> Self {
        Self { x: Coordinate(step.x), y: Coordinate(step.y) }
    }
}

impl State {
    pub(super) fn of(state: &CustomerState) -> Self {
        Self {
            customer_description: Customer::of(&state.customer),
            location: Location::of(&state.step),
            status: Kind(state.step.kind),
            timestamp: Time(state.step.at),
        }
    }
}

impl PlaybackBody {
    pub(super) fn of(customer: &CustomerId, playback: &Playback, now: Micros) -> Self {
        Self {
            customer_id: Id(customer.clone()),
            state: match playback.phase(now) {
                Phase::Waiting => "waiting",
                Phase::Running => "running",
                Phase::Paused => "paused",
                Phase::Ended => "ended",
            },
            speed: playback.speed().factor(),
            r#loop: playback.looping(),
            position_ms: playback.position_us(now) / 1000,
            length_ms: playback.length_us() / 1000,
        }
    }
}

impl Replay {
    pub(super) fn speed(&self) -> Speed {
        self.speed.as_ref().map_or(Speed::NORMAL, |rate| rate.0)
    }

    pub(super) fn looping(&self) -> bool {
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

impl EventBody {
    pub(super) fn of(event: &Event) -> Self {
        Self {
            customer_id: Id((*event.customer).clone()),
            kind: Kind(event.step.kind),
            location: Location::of(&event.step),
            timestamp: Time(event.step.at),
        }
    }
}

/// A customer's id in JSON.
pub(super) struct Id(pub(super) CustomerId);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        CustomerId::parse(String::deserialize(deserializer)?).map(Self).map_err(de::Error::custom)
    }
}

/// A step's type in JSON.
struct Kind(StepKind);

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Kind;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("ENTER, MOVE, EXIT or FOCUS")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Kind, E> {
                StepKind::parse(text)
                    .map(Kind)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// A coordinate in JSON: any number; its fraction is cut.
#[derive(Clone, Copy)]
struct Coordinate(i32);

impl Serialize for Coordinate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32(self.0)
    }
}

impl<'de> Deserialize<'de> for Coordinate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?.trunc();
        let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
        if fits {
            Ok(Self(number as i32))
        } else {
            Err(de::Error::custom("must lie between -2147483648 and 2147483647"))
        }
    }
}

/// A time in JSON.
struct Time(Micros);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.iso())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrMilliseconds;
        impl Visitor<'_> for TextOrMilliseconds {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("ISO 8601 with a zone, or epoch milliseconds")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                Micros::parse(text).map(Time).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, ms: u64) -> Result<Time, E> {
                self.visit_f64(ms as f64)
            }
            fn visit_i64<E: de::Error>(self, ms: i64) -> Result<Time, E> {
                self.visit_f64(ms as f64)
            }
            fn visit_f64<E: de::Error>(self, ms: f64) -> Result<Time, E> {
                Micros::from_ms(ms).map(Time).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(TextOrMilliseconds)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let factor = f64::deserialize(deserializer)?;
        Speed::new(factor).map(Self).ok_or_else(|| de::Error::custom("must lie between 0.1 and 1000"))
    }
}
