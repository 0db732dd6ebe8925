//! Requests and answers as JSON. The names of these types are those of the schemas in the OpenAPI document.

mod number_or_text;
mod playback;
mod scalar;

use redis_core::id::CustomerId;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

pub(super) use self::playback::{
    PlaybackChange, RecordingBody, RecordingPlayback, Replay, ScenarioPlayback, Summary,
};
use self::scalar::{Coordinate, Kind, Time, TimeSchema};
pub(super) use self::scalar::{Id, MAX_RATE, RATE_RANGE};
use crate::dead_letter::DeadLetter;
use crate::event::{CustomerStep, Event, Item, MessageRef};
use crate::scenario::{DraftStep, Scenario, Step};
use crate::service::CustomerState;

/// A customer's visit.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct ScenarioBody {
    customer: Customer,
    /// In the order they happen; at least one.
    #[schema(min_items = 1)]
    #[serde(deserialize_with = "null_as_empty")]
    path: Vec<StepBody>,
}

/// A visit whose steps may lack times.
#[derive(Deserialize, ToSchema)]
pub(super) struct DraftBody {
    customer: Customer,
    /// In the order they happen; at least one.
    #[schema(min_items = 1)]
    #[serde(deserialize_with = "null_as_empty")]
    path: Vec<DraftStepBody>,
}

/// A customer.
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
    /// ISO 8601 with a zone, or a number since the epoch: up to 2e10 of seconds, above that of milliseconds.
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

/// A position. Fractions are cut off.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
pub(super) struct Location {
    #[schema(value_type = f64, minimum = -2_147_483_648.0, maximum = 2_147_483_647.0)]
    x: Coordinate,
    #[schema(value_type = f64, minimum = -2_147_483_648.0, maximum = 2_147_483_647.0)]
    y: Coordinate,
}

/// What a post has put on the timeline.
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
    /// When the last step was due.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Time,
}

/// What is due next, or was published.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum EventBody {
    Step(StepEvent),
    Message(MessageEvent),
}

/// A step of a customer.
#[derive(Serialize, ToSchema)]
pub(super) struct StepEvent {
    #[schema(value_type = String)]
    customer_id: Id,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: Kind,
    location: Location,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Time,
}

/// A message of a recording.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageEvent {
    /// The name of the recording.
    recording: String,
    /// Which message, from 0 on.
    index: u32,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Time,
}

/// A step or message that the broker refused for good.
#[derive(Serialize, ToSchema)]
pub(super) struct DeadLetterBody {
    /// Later ones have greater ids.
    id: String,
    #[serde(flatten)]
    event: EventBody,
    /// Why the broker did not take it.
    reason: String,
    #[schema(value_type = String, format = DateTime)]
    refused_at: Time,
}

/// What a replay has put on the timeline.
#[derive(Serialize, ToSchema)]
pub(super) struct Replayed {
    /// Number of steps.
    pub(super) steps: usize,
}

/// `null` is an empty list, as in the original.
fn null_as_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl ScenarioBody {
    /// The scenario, if it has at least one step.
    pub(super) fn into_scenario(self) -> Option<Scenario> {
        let step = |step: StepBody| Step {
            time: step.timestamp.0,
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
            timestamp: Time(step.time),
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
            timestamp: Time(state.step.time),
        }
    }
}

impl EventBody {
    pub(super) fn of(event: &Event) -> Self {
        match &event.item {
            Item::Step(CustomerStep { customer, step }) => Self::Step(StepEvent {
                customer_id: Id((**customer).clone()),
                kind: Kind(step.kind),
                location: Location::of(step),
                timestamp: Time(step.time),
            }),
            Item::Message(MessageRef { recording, index, time }) => Self::Message(MessageEvent {
                recording: recording.to_string(),
                index: *index,
                timestamp: Time(*time),
            }),
        }
    }
}

impl DeadLetterBody {
    pub(super) fn of(letter: &DeadLetter) -> Self {
        Self {
            id: letter.id.to_string(),
            event: EventBody::of(&letter.event),
            reason: letter.reason.clone(),
            refused_at: Time(letter.refused_at),
        }
    }
}
