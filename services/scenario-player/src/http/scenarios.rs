//! Scenarios: posting, showing and deleting them, and the state of all customers.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use chassis::parsers;
use redis_core::id::CustomerId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::body::Body;
use super::error::{ApiError, Detail};
use super::params::{customer_id, parse_time};
use super::state::AppState;
use super::wire::{DraftBody, Id, Posted, ScenarioBody, ScenarioPlayback, State, Summary};
use crate::records::TrackSummary;
use crate::track::TrackId;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PostQuery {
    /// Move the first step to now, and all other steps by the same amount.
    #[param(value_type = Option<bool>)]
    recalculate_time: Option<String>,
}

/// What [`Body`] reads; for the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct PostHeaders {
    /// Any text. A request of the same customer with the same key is the same post for 10 min: its steps are stored once.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StateQuery {
    /// ISO 8601 with a zone, or epoch seconds (up to 2e10) or milliseconds. Without it: now.
    timestamp: Option<String>,
}

/// Store a scenario and put its steps on the timeline.
#[utoipa::path(post, path = "/scenario", params(PostQuery, PostHeaders), request_body = ScenarioBody, responses(
    (status = 200, body = Posted), (status = 400, body = Detail), (status = 408, body = Detail), (status = 413, body = Detail),
    (status = 422, body = Detail), (status = 503, body = Detail)))]
pub(super) async fn post(
    state: Data<AppState>,
    query: Result<Query<PostQuery>, actix_web::Error>,
    body: Body,
) -> Result<Json<Posted>, ApiError> {
    let query = query.map_err(|error| ApiError::unprocessable(error.to_string()))?;
    let recalculate = query.recalculate_time.as_deref().map_or(Ok(false), parsers::boolean);
    let recalculate =
        recalculate.map_err(|problem| ApiError::unprocessable(format!("recalculate_time: {problem}")))?;
    let id = body.post_id(if recalculate { "scenario from now on" } else { "scenario" });
    let (body, _share) = body.parse::<ScenarioBody>()?;
    check_steps(body.len(), state.limits.steps)?;
    let scenario = body.into_scenario().ok_or_else(no_steps)?;
    let customer = Id(scenario.customer.clone());
    let steps = state.service.post(id, scenario, recalculate).await?;
    Ok(Json(Posted { customer_id: customer, steps }))
}

/// Compute the times of a draft, store it and start it. The first step is due in 10 s.
#[utoipa::path(post, path = "/scenario_draft", params(PostHeaders), request_body = DraftBody, responses(
    (status = 200, body = ScenarioBody), (status = 400, body = Detail), (status = 408, body = Detail), (status = 413, body = Detail),
    (status = 422, body = Detail), (status = 503, body = Detail)))]
pub(super) async fn post_draft(state: Data<AppState>, body: Body) -> Result<Json<ScenarioBody>, ApiError> {
    let id = body.post_id("draft");
    let (body, _share) = body.parse::<DraftBody>()?;
    check_steps(body.len(), state.limits.steps)?;
    let (customer, draft) = body.into_draft().ok_or_else(no_steps)?;
    let scenario = state.service.post_draft(id, customer, &draft).await?;
    Ok(Json(ScenarioBody::of(&scenario.customer, &scenario.steps)))
}

/// Where every customer is at a time. Reading it changes nothing.
#[utoipa::path(get, path = "/state", params(StateQuery), responses(
    (status = 200, body = Vec<State>), (status = 422, body = Detail), (status = 503, body = Detail)))]
pub(super) async fn state(
    state: Data<AppState>,
    query: Result<Query<StateQuery>, actix_web::Error>,
) -> Result<Json<Vec<State>>, ApiError> {
    let query = query.map_err(|error| ApiError::unprocessable(error.to_string()))?;
    let time = match query.timestamp.as_deref() {
        None => state.service.now(),
        Some(text) => {
            parse_time(text).map_err(|problem| ApiError::unprocessable(format!("timestamp: {problem}")))?
        }
    };
    Ok(Json(state.service.state_at(time).await?.iter().map(State::of).collect()))
}

/// All stored scenarios.
#[utoipa::path(get, path = "/scenarios", responses(
    (status = 200, body = Vec<Summary>), (status = 503, body = Detail)))]
pub(super) async fn list(state: Data<AppState>) -> Result<Json<Vec<Summary>>, ApiError> {
    let now = state.service.now();
    let scenarios = state.service.summaries().await?;
    let summary = |(customer, summary): &(Arc<CustomerId>, TrackSummary)| Summary {
        customer_id: Id((**customer).clone()),
        steps: summary.items,
        playback: ScenarioPlayback::of(customer, &summary.playback, now),
    };
    Ok(Json(scenarios.iter().map(summary).collect()))
}

/// A stored scenario.
#[utoipa::path(get, path = "/scenarios/{customer_id}", params(("customer_id" = String, Path)), responses(
    (status = 200, body = ScenarioBody), (status = 404, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn show(state: Data<AppState>, path: Path<String>) -> Result<Json<ScenarioBody>, ApiError> {
    let customer = customer_id(path)?;
    Ok(Json(ScenarioBody::of(&customer, &state.service.scenario(&customer).await?.steps)))
}

/// Delete a scenario, and take its upcoming steps off the timeline.
#[utoipa::path(delete, path = "/scenarios/{customer_id}", params(("customer_id" = String, Path)), responses(
    (status = 204), (status = 404, body = Detail), (status = 409, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn delete(state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    state.service.delete(&TrackId::from(&customer_id(path)?)).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn check_steps(steps: usize, limit: usize) -> Result<(), ApiError> {
    if steps <= limit {
        Ok(())
    } else {
        Err(ApiError::too_large(format!("path: has {steps} steps, more than {limit}")))
    }
}

fn no_steps() -> ApiError {
    ApiError::unprocessable("path: must have at least one step")
}
