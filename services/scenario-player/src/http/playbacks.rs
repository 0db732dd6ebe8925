//! Playbacks: replaying, showing and changing those of scenarios, and what recordings have in common with that.

use actix_web::web::{Data, Json, Path};

use super::body::Body;
use super::error::{ApiError, Detail};
use super::params::customer_id;
use super::state::AppState;
use super::wire::{PlaybackChange, Replay, ScenarioPlayback};
use crate::playback::{Change, Playback, Speed};
use crate::track::TrackId;

/// Play a stored scenario again from its beginning, starting now.
#[utoipa::path(post, path = "/scenarios/{customer_id}/replay", tag = "scenarios", params(("customer_id" = String, Path)),
    request_body = Option<Replay>, responses(
    (status = 200, body = ScenarioPlayback), (status = 400, body = Detail), (status = 404, body = Detail),
    (status = 408, body = Detail), (status = 409, body = Detail), (status = 413, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn replay(
    state: Data<AppState>,
    path: Path<String>,
    body: Body,
) -> Result<Json<ScenarioPlayback>, ApiError> {
    let customer = customer_id(path)?;
    let playback = replay_track(&state, &TrackId::from(&customer), body).await?;
    Ok(Json(ScenarioPlayback::of(&customer, &playback, state.service.now_of(customer.as_str()))))
}

/// How a scenario is being played.
#[utoipa::path(get, path = "/scenarios/{customer_id}/playback", tag = "scenarios", params(("customer_id" = String, Path)),
    responses((status = 200, body = ScenarioPlayback), (status = 404, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn playback(
    state: Data<AppState>,
    path: Path<String>,
) -> Result<Json<ScenarioPlayback>, ApiError> {
    let customer = customer_id(path)?;
    let stored = state.service.scenario(&customer).await?;
    Ok(Json(ScenarioPlayback::of(&customer, &stored.playback, state.service.now_of(customer.as_str()))))
}

/// Pause, resume, seek, change the speed, loop.
#[utoipa::path(patch, path = "/scenarios/{customer_id}/playback", tag = "scenarios", params(("customer_id" = String, Path)),
    request_body = PlaybackChange, responses(
    (status = 200, body = ScenarioPlayback), (status = 400, body = Detail), (status = 404, body = Detail),
    (status = 408, body = Detail), (status = 409, body = Detail), (status = 413, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn change(
    state: Data<AppState>,
    path: Path<String>,
    body: Body,
) -> Result<Json<ScenarioPlayback>, ApiError> {
    let customer = customer_id(path)?;
    let playback = change_track(&state, &TrackId::from(&customer), body).await?;
    Ok(Json(ScenarioPlayback::of(&customer, &playback, state.service.now_of(customer.as_str()))))
}

/// Replays a scenario or recording as the body says.
pub(super) async fn replay_track(state: &AppState, id: &TrackId, body: Body) -> Result<Playback, ApiError> {
    let replay: Option<Replay> = if body.is_empty() { None } else { Some(body.parse()?.0) };
    let (speed, looping) =
        replay.map_or((Speed::NORMAL, false), |replay| (replay.speed(), replay.is_looping()));
    Ok(state.service.replay(id, speed, looping).await?)
}

/// Changes the playback of a scenario or recording as the body says.
pub(super) async fn change_track(state: &AppState, id: &TrackId, body: Body) -> Result<Playback, ApiError> {
    let change: PlaybackChange = body.parse()?.0;
    Ok(state.service.change(id, Change::from(change)).await?)
}
