//! Recordings: posting, listing, playing and deleting them.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use chassis::parsers;
use redis_core::id::RecordingName;
use serde::Deserialize;
use utoipa::IntoParams;

use super::body::Body;
use super::error::{ApiError, Detail};
use super::params;
use super::playbacks::{change_track, replay_track};
use super::state::AppState;
use super::wire::{PlaybackChange, RecordingBody, RecordingPlayback, Replay};
use crate::playback::Speed;
use crate::recording::{LineError, RecordedMessage};
use crate::records::NewRecording;
use crate::track::TrackId;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RecordingQuery {
    /// Its name. Without it: a digest of the body.
    #[param(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$")]
    name: Option<String>,
    /// 0.1 to 1000, or `max`: as fast as the broker takes it. Without it: 1.
    speed: Option<String>,
    /// Begin again at the end.
    #[param(value_type = Option<bool>)]
    r#loop: Option<String>,
}

/// Store a recording, and play it from its beginning, starting now. If it is stored already, it is left as it is.
///
/// Each line of the body is a message as JSON: `{"time":1618323771180,"topic":"shop/1","payload":"text","qos":1,"retain":false}`.
/// `time` counts milliseconds from any moment. `payload_base64` in place of `payload` is for what is not text.
#[utoipa::path(post, path = "/recordings", tag = "recordings", params(RecordingQuery),
    request_body(content = String, content_type = "text/plain"), responses(
    (status = 200, body = RecordingBody), (status = 400, body = Detail), (status = 408, body = Detail),
    (status = 409, body = Detail), (status = 413, body = Detail), (status = 422, body = Detail), (status = 503, body = Detail)))]
pub(super) async fn post(
    state: Data<AppState>,
    query: Result<Query<RecordingQuery>, actix_web::Error>,
    body: Body,
) -> Result<Json<RecordingBody>, ApiError> {
    let query = query.map_err(|error| ApiError::unprocessable(error.to_string()))?;
    let speed = query.speed.as_deref().map_or(Ok(Speed::NORMAL), params::speed)?;
    let looping = query.r#loop.as_deref().map_or(Ok(false), parsers::boolean);
    let looping = looping.map_err(|problem| ApiError::unprocessable(format!("loop: {problem}")))?;
    let digest = body.post_id("recording").request().to_owned();
    let name = Arc::new(parse_name(query.name.as_deref().unwrap_or(&digest[..NAME_DIGITS]))?);
    let (bytes, _share) = body.into_parts();
    let messages = parse_lines(&bytes, state.limits.steps)?;
    drop(bytes);
    let new = NewRecording { name: Arc::clone(&name), digest, messages };
    let summary = state.service.post_recording(new, speed, looping).await?;
    Ok(Json(RecordingBody::of(&name, &summary, state.service.now_of(name.as_str()))))
}

/// All stored recordings.
#[utoipa::path(get, path = "/recordings", tag = "recordings", responses(
    (status = 200, body = Vec<RecordingBody>), (status = 503, body = Detail)))]
pub(super) async fn list(state: Data<AppState>) -> Result<Json<Vec<RecordingBody>>, ApiError> {
    let now = state.service.now();
    let recordings = state.service.recordings().await?;
    Ok(Json(recordings.iter().map(|(name, summary)| RecordingBody::of(name, summary, now)).collect()))
}

/// Delete a recording, and take its upcoming messages off the timeline.
#[utoipa::path(delete, path = "/recordings/{name}", tag = "recordings", params(("name" = String, Path)), responses(
    (status = 204), (status = 404, body = Detail), (status = 409, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn delete(state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    state.service.delete(&TrackId::from(&parse_name(&path)?)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Play a recording again from its beginning, starting now.
#[utoipa::path(post, path = "/recordings/{name}/replay", tag = "recordings", params(("name" = String, Path)),
    request_body = Option<Replay>, responses(
    (status = 200, body = RecordingPlayback), (status = 400, body = Detail), (status = 404, body = Detail),
    (status = 408, body = Detail), (status = 409, body = Detail), (status = 413, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn replay(
    state: Data<AppState>,
    path: Path<String>,
    body: Body,
) -> Result<Json<RecordingPlayback>, ApiError> {
    let name = parse_name(&path)?;
    let playback = replay_track(&state, &TrackId::from(&name), body).await?;
    Ok(Json(RecordingPlayback::of(&name, &playback, state.service.now_of(name.as_str()))))
}

/// How a recording is being played.
#[utoipa::path(get, path = "/recordings/{name}/playback", tag = "recordings", params(("name" = String, Path)),
    responses((status = 200, body = RecordingPlayback), (status = 404, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn playback(
    state: Data<AppState>,
    path: Path<String>,
) -> Result<Json<RecordingPlayback>, ApiError> {
    let name = parse_name(&path)?;
    let recording = state.service.recording(&name).await?;
    Ok(Json(RecordingPlayback::of(&name, &recording.playback, state.service.now_of(name.as_str()))))
}

/// Pause, resume, seek, change the speed, loop.
#[utoipa::path(patch, path = "/recordings/{name}/playback", tag = "recordings", params(("name" = String, Path)),
    request_body = PlaybackChange, responses(
    (status = 200, body = RecordingPlayback), (status = 400, body = Detail), (status = 404, body = Detail),
    (status = 408, body = Detail), (status = 409, body = Detail), (status = 413, body = Detail), (status = 422, body = Detail),
    (status = 503, body = Detail)))]
pub(super) async fn change(
    state: Data<AppState>,
    path: Path<String>,
    body: Body,
) -> Result<Json<RecordingPlayback>, ApiError> {
    let name = parse_name(&path)?;
    let playback = change_track(&state, &TrackId::from(&name), body).await?;
    Ok(Json(RecordingPlayback::of(&name, &playback, state.service.now_of(name.as_str()))))
}

fn parse_name(text: &str) -> Result<RecordingName, ApiError> {
    RecordingName::parse(text).map_err(|error| ApiError::unprocessable(format!("name: {error}")))
}

/// The messages, at least one. An error names the line.
fn parse_lines(body: &[u8], limit: usize) -> Result<Vec<RecordedMessage>, ApiError> {
    let lines = (1..).zip(body.split(|byte| *byte == b'\n'));
    let mut messages = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        if messages.len() >= limit {
            return Err(ApiError::too_large(format!("the recording has more than {limit} messages")));
        }
        let message = RecordedMessage::parse(line).map_err(|error| match error {
            LineError::Json(_) => ApiError::bad_request(format!("line {number}: {error}")),
            LineError::Value(_) => ApiError::unprocessable(format!("line {number}: {error}")),
        })?;
        messages.push(message);
    }
    if messages.is_empty() {
        return Err(ApiError::unprocessable("the recording must have at least one message"));
    }
    Ok(messages)
}

/// So many digits of a digest are a name.
const NAME_DIGITS: usize = 12;
