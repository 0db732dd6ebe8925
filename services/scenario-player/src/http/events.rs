//! The next events, and a stream of events as they are published.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data, Json, Query};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio_stream::wrappers::BroadcastStream;
use utoipa::IntoParams;

use super::error::{ApiError, Detail};
use super::params;
use super::state::AppState;
use super::wire::EventBody;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineQuery {
    /// 1 to 1000. Without it: 50.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// The next steps on the timeline, overdue ones first. Reading them changes nothing.
#[utoipa::path(get, path = "/timeline", params(TimelineQuery), responses(
    (status = 200, body = Vec<EventBody>), (status = 422, body = Detail), (status = 503, body = Detail)))]
pub(super) async fn timeline(
    state: Data<AppState>,
    query: Result<Query<TimelineQuery>, actix_web::Error>,
) -> Result<Json<Vec<EventBody>>, ApiError> {
    let query = query.map_err(|error| ApiError::unprocessable(error.to_string()))?;
    let limit = params::limit(query.limit.as_deref())?;
    Ok(Json(state.service.upcoming(limit).await?.iter().map(EventBody::of).collect()))
}

/// Server-Sent Events: each step when it is published, by any instance. An event named `gap` says that this client was
/// too slow and missed some.
#[utoipa::path(get, path = "/events", responses(
    (status = 200, body = String, content_type = "text/event-stream")))]
pub(super) async fn events(state: Data<AppState>) -> HttpResponse {
    let stopping = state.stopping.clone().cancelled_owned();
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-cache"))
        // A proxy that buffers answers would delay events.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(published(&state).take_until(stopping).map(Ok::<_, actix_web::Error>))
}

fn published(state: &AppState) -> impl Stream<Item = Bytes> + use<> {
    let guard = state.metrics.count_subscriber();
    let published = BroadcastStream::new(state.service.timeline.published()).map(move |event| {
        let _counted = &guard;
        match event.map(|event| serde_json::to_string(&EventBody::of(&event))) {
            Ok(Ok(json)) => Bytes::from(format!("data: {json}\n\n")),
            _ => Bytes::from_static(b"event: gap\ndata: {}\n\n"),
        }
    });
    // Sent at once, so that the browser knows that it is connected, and after how many ms to reconnect.
    let first = stream::once(async { Bytes::from_static(b"retry: 1000\n\n") });
    first.chain(stream::select(
        published,
        stream::unfold((), |()| async {
            tokio::time::sleep(KEEP_ALIVE).await;
            Some((Bytes::from_static(b": still here\n\n"), ()))
        }),
    ))
}

const KEEP_ALIVE: Duration = Duration::from_secs(15);
