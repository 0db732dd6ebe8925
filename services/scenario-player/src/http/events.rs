//! What is to come, and what is published as it happens.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data, Json, Query};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio_stream::wrappers::BroadcastStream;
use utoipa::IntoParams;

use super::Desk;
use super::failure::{Detail, Failure};
use super::wire::EventBody;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineQuery {
    /// 1 to 1000; 50 if it is not given.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// The next steps on the timeline, overdue ones first. Reading them changes nothing.
#[utoipa::path(get, path = "/timeline", params(TimelineQuery), responses(
    (status = 200, body = Vec<EventBody>), (status = 422, body = Detail), (status = 503, body = Detail)))]
pub(super) async fn timeline(
    desk: Data<Desk>,
    query: Result<Query<TimelineQuery>, actix_web::Error>,
) -> Result<Json<Vec<EventBody>>, Failure> {
    let query = query.map_err(|error| Failure::unprocessable(error.to_string()))?;
    let limit = query.limit.as_deref().map_or(Some(50), |text| text.parse().ok());
    let limit = limit.filter(|limit| (1..=1000).contains(limit));
    let limit =
        limit.ok_or_else(|| Failure::unprocessable("limit: must be a whole number from 1 to 1000"))?;
    Ok(Json(desk.shop.upcoming(limit).await?.iter().map(EventBody::of).collect()))
}

/// Server-Sent Events: each step as it is published, by any instance. An event named `gap` says that this listener was
/// too slow and missed some.
#[utoipa::path(get, path = "/events", responses(
    (status = 200, body = String, content_type = "text/event-stream")))]
pub(super) async fn events(desk: Data<Desk>) -> HttpResponse {
    let stopped = desk.stopping.clone().cancelled_owned();
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-cache"))
        // A proxy that gathers answers would hold events back.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(published(&desk).take_until(stopped).map(Ok::<_, actix_web::Error>))
}

fn published(desk: &Desk) -> impl Stream<Item = Bytes> + use<> {
    let listener = desk.metrics.listener();
    let published = BroadcastStream::new(desk.timeline.published()).map(move |event| {
        let _counted = &listener;
        match event.map(|event| serde_json::to_string(&EventBody::of(&event))) {
            Ok(Ok(json)) => Bytes::from(format!("data: {json}\n\n")),
            _ => Bytes::from_static(b"event: gap\ndata: {}\n\n"),
        }
    });
    // A first word, so that the browser knows at once that it is connected, and how soon to come back.
    let hello = stream::once(async { Bytes::from_static(b"retry: 1000\n\n") });
    hello.chain(stream::select(
        published,
        stream::unfold((), |()| async {
            tokio::time::sleep(KEEP_ALIVE).await;
            Some((Bytes::from_static(b": still here\n\n"), ()))
        }),
    ))
}

const KEEP_ALIVE: Duration = Duration::from_secs(15);
