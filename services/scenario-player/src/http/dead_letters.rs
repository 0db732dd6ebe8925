//! Dead letters: showing, replaying and dropping them.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::{ApiError, Detail};
use super::params;
use super::state::AppState;
use super::wire::{DeadLetterBody, Replayed};
use crate::dead_letter::DeadLetterId;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeadLettersQuery {
    /// 1 to 1000. Without it: 50.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// Only those that follow this one: the id of the last of the page before.
    #[param(pattern = "^[0-9]{1,15}-[0-9]{1,9}(-[0-9]{1,2})?$")]
    after: Option<String>,
}

/// The steps that the broker refused for good, the oldest first.
#[utoipa::path(get, path = "/dead_letters", tag = "dead letters", params(DeadLettersQuery), responses(
    (status = 200, body = Vec<DeadLetterBody>), (status = 422, body = Detail), (status = 503, body = Detail)))]
pub(super) async fn list(
    state: Data<AppState>,
    query: Result<Query<DeadLettersQuery>, actix_web::Error>,
) -> Result<Json<Vec<DeadLetterBody>>, ApiError> {
    let query = query.map_err(|error| ApiError::unprocessable(error.to_string()))?;
    let limit = params::limit(query.limit.as_deref())?;
    let after = query.after.as_deref().map(|text| parse_id("after", text)).transpose()?;
    let letters = state.service.dead_letters(after, limit).await?;
    Ok(Json(letters.iter().map(DeadLetterBody::of).collect()))
}

/// Publish the steps of all dead letters now, each customer's in their order.
#[utoipa::path(post, path = "/dead_letters/replay", tag = "dead letters", responses(
    (status = 200, body = Replayed), (status = 503, body = Detail)))]
pub(super) async fn replay_all(state: Data<AppState>) -> Result<Json<Replayed>, ApiError> {
    Ok(Json(Replayed { steps: state.service.replay_dead_letters().await? }))
}

/// Publish the step of a dead letter now.
#[utoipa::path(post, path = "/dead_letters/{id}/replay", tag = "dead letters", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, body = Detail), (status = 422, body = Detail), (status = 503, body = Detail)))]
pub(super) async fn replay(state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    state.service.replay_dead_letter(parse_id("id", &path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Drop a dead letter: its step is never published.
#[utoipa::path(delete, path = "/dead_letters/{id}", tag = "dead letters", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, body = Detail), (status = 422, body = Detail), (status = 503, body = Detail)))]
pub(super) async fn delete(state: Data<AppState>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    state.service.drop_dead_letter(parse_id("id", &path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Drop all dead letters.
#[utoipa::path(delete, path = "/dead_letters", tag = "dead letters", responses(
    (status = 204), (status = 503, body = Detail)))]
pub(super) async fn delete_all(state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    state.service.drop_dead_letters().await?;
    Ok(HttpResponse::NoContent().finish())
}

fn parse_id(name: &str, text: &str) -> Result<DeadLetterId, ApiError> {
    DeadLetterId::parse(text).ok_or_else(|| {
        ApiError::unprocessable(format!("{name}: must be the id of a dead letter, such as 1618389615513-0"))
    })
}
