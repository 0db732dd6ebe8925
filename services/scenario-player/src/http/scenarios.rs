//! Scenarios: posting, looking, playing again, changing, deleting.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Payload, Query};
use chassis::parsers;
use redis_core::id::CustomerId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::failure::{Detail, Failure};
use super::wire::{
    DraftBody, Id, PlaybackBody, PlaybackChange, Posted, Replay, ScenarioBody, State, Summary,
};
use super::{Desk, body};
use crate::playback::{Change, Speed};
use crate::time::{Micros, TimeError};
use crate::timeline;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PostQuery {
    /// Move the first step to now; every other keeps its distance to it.
    #[param(value_type = Option<bool>)]
    recalculate_time: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StateQuery {
    /// ISO 8601 with a zone, or epoch milliseconds; now if it is not given.
    timestamp: Option<String>,
}

/// Store a scenario and put its steps on the timeline.
#[utoipa::path(post, path = "/scenario", params(PostQuery), request_body = ScenarioBody, responses(
    (status = 200, body = Posted), (status = 400, body = Detail), (status = 413, body = Detail),
    (status = 422, body = Detail), (status = 503, body = Detail)))]
pub(super) async fn post(
    desk: Data<Desk>,
    query: Result<Query<PostQuery>, actix_web::Error>,
    payload: Payload,
) -> Result<Json<Posted>, Failure> {
    let query = query.map_err(|error| Failure::unprocessable(error.to_string()))?;
    let recalculate = query.recalculate_time.as_deref().map_or(Ok(false), parsers::boolean);
    let recalculate =
        recalculate.map_err(|problem| Failure::unprocessable(format!("recalculate_time: {problem}")))?;
    let body: ScenarioBody = body::parse(&body::read(payload, desk.limits.body_bytes).await?)?;
    check_steps(body.len(), desk.limits.steps)?;
    let scenario = body.into_scenario().ok_or_else(no_steps)?;
    let customer_id = Id(scenario.customer.clone());
    let steps = desk.shop.post(scenario, recalculate).await?;
    Ok(Json(Posted { customer_id, steps }))
}

/// Give a draft its times, store it and start it: the first step in 10 s.
#[utoipa::path(post, path = "/scenario_draft", request_body = DraftBody, responses(
    (status = 200, body = ScenarioBody), (status = 400, body = Detail), (status = 413, body = Detail),
    (status = 422, body = Detail), (status = 503, body = Detail)))]
pub(super) async fn post_draft(desk: Data<Desk>, payload: Payload) -> Result<Json<ScenarioBody>, Failure> {
    let body: DraftBody = body::parse(&body::read(payload, desk.limits.body_bytes).await?)?;
    check_steps(body.len(), desk.limits.steps)?;
    let (customer, draft) = body.into_draft().ok_or_else(no_steps)?;
    let scenario = desk.shop.post_draft(customer, &draft).await?;
    Ok(Json(ScenarioBody::of(&scenario.customer, &scenario.steps)))
}

/// Where every customer is at a time. Reading it changes nothing.
#[utoipa::path(get, path = "/state", params(StateQuery), responses(
    (status = 200, body = Vec<State>), (status = 422, body = Detail), (status = 503, body = Detail)))]
pub(super) async fn state(
    desk: Data<Desk>,
    query: Result<Query<StateQuery>, actix_web::Error>,
) -> Result<Json<Vec<State>>, Failure> {
    let query = query.map_err(|error| Failure::unprocessable(error.to_string()))?;
    let time = match query.timestamp.as_deref() {
        None => desk.shop.now(),
        Some(text) => {
            parse_time(text).map_err(|problem| Failure::unprocessable(format!("timestamp: {problem}")))?
        }
    };
    Ok(Json(desk.shop.state(time).await?.iter().map(State::of).collect()))
}

/// All stored scenarios.
#[utoipa::path(get, path = "/scenarios", responses(
    (status = 200, body = Vec<Summary>), (status = 503, body = Detail)))]
pub(super) async fn list(desk: Data<Desk>) -> Result<Json<Vec<Summary>>, Failure> {
    let now = desk.shop.now();
    let scenarios = desk.shop.summaries().await?;
    let summary = |(customer, stored): &(Arc<CustomerId>, timeline::Summary)| Summary {
        customer_id: Id((**customer).clone()),
        steps: stored.steps,
        playback: PlaybackBody::of(customer, &stored.playback, now),
    };
    Ok(Json(scenarios.iter().map(summary).collect()))
}

/// A stored scenario.
#[utoipa::path(get, path = "/scenarios/{customer_id}", params(("customer_id" = String, Path)), responses(
    (status = 200, body = ScenarioBody), (status = 404, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn show(desk: Data<Desk>, path: Path<String>) -> Result<Json<ScenarioBody>, Failure> {
    let customer = customer(path)?;
    Ok(Json(ScenarioBody::of(&customer, &desk.shop.scenario(&customer).await?.steps)))
}

/// Delete a scenario; what is to come of it is taken off the timeline.
#[utoipa::path(delete, path = "/scenarios/{customer_id}", params(("customer_id" = String, Path)), responses(
    (status = 204), (status = 404, body = Detail), (status = 409, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn delete(desk: Data<Desk>, path: Path<String>) -> Result<HttpResponse, Failure> {
    desk.shop.delete(&customer(path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Play a stored scenario again from its beginning, starting now.
#[utoipa::path(post, path = "/scenarios/{customer_id}/replay", params(("customer_id" = String, Path)),
    request_body = Option<Replay>, responses(
    (status = 200, body = PlaybackBody), (status = 400, body = Detail), (status = 404, body = Detail),
    (status = 409, body = Detail), (status = 413, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn replay(
    desk: Data<Desk>,
    path: Path<String>,
    payload: Payload,
) -> Result<Json<PlaybackBody>, Failure> {
    let customer = customer(path)?;
    let body = body::read(payload, desk.limits.body_bytes).await?;
    let replay: Option<Replay> = if body.is_empty() { None } else { body::parse(&body)? };
    let (speed, looping) = replay.map_or((Speed::NORMAL, false), |replay| (replay.speed(), replay.looping()));
    let playback = desk.shop.replay(&customer, speed, looping).await?;
    Ok(Json(PlaybackBody::of(&customer, &playback, desk.shop.now())))
}

/// How a scenario is being played.
#[utoipa::path(get, path = "/scenarios/{customer_id}/playback", params(("customer_id" = String, Path)), responses(
    (status = 200, body = PlaybackBody), (status = 404, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn playback(desk: Data<Desk>, path: Path<String>) -> Result<Json<PlaybackBody>, Failure> {
    let customer = customer(path)?;
    let stored = desk.shop.scenario(&customer).await?;
    Ok(Json(PlaybackBody::of(&customer, &stored.playback, desk.shop.now())))
}

/// Pause, resume, seek, change the speed, loop.
#[utoipa::path(patch, path = "/scenarios/{customer_id}/playback", params(("customer_id" = String, Path)),
    request_body = PlaybackChange, responses(
    (status = 200, body = PlaybackBody), (status = 400, body = Detail), (status = 404, body = Detail),
    (status = 409, body = Detail), (status = 413, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn change(
    desk: Data<Desk>,
    path: Path<String>,
    payload: Payload,
) -> Result<Json<PlaybackBody>, Failure> {
    let customer = customer(path)?;
    let change: PlaybackChange = body::parse(&body::read(payload, desk.limits.body_bytes).await?)?;
    let playback = desk.shop.change(&customer, Change::from(change)).await?;
    Ok(Json(PlaybackBody::of(&customer, &playback, desk.shop.now())))
}

fn customer(path: Path<String>) -> Result<CustomerId, Failure> {
    CustomerId::parse(path.into_inner())
        .map_err(|error| Failure::unprocessable(format!("customer_id: {error}")))
}

/// A `+` that was not percent-encoded arrives as a space.
fn parse_time(text: &str) -> Result<Micros, TimeError> {
    match text.parse::<f64>() {
        Ok(ms) => Micros::from_ms(ms),
        Err(_) => Micros::parse(text).or_else(|error| match text.rsplit_once(' ') {
            Some((time, zone)) => Micros::parse(&format!("{time}+{zone}")),
            None => Err(error),
        }),
    }
}

fn check_steps(steps: usize, limit: usize) -> Result<(), Failure> {
    if steps <= limit {
        Ok(())
    } else {
        Err(Failure::too_large(format!("path: has {steps} steps, more than {limit}")))
    }
}

fn no_steps() -> Failure {
    Failure::unprocessable("path: must have at least one step")
}
