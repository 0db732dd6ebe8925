//! What status-proxy serves on its port.
//!
//! | request | answer |
//! |---|---|
//! | WebSocket `/…/<run>:<channel>` or `/…/<run>:<a>,<b>` | the lines, one frame each; 400 for any other path |
//! | `GET /…/<run>:<channels>/sse` | the same as server-sent events |
//! | `GET /` | the page |
//! | `GET /health`, `/ready`, `/metrics` | the probes |
//!
//! Query: `history=N` for the last N lines first; `since=<id>` (or the header `Last-Event-ID`) for all lines after that
//! one; `token=<JWT>`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use ws_chassis::{Access, HttpFront, Opener};
use ws_server::token::AccessDenied;
use ws_server::{Client, Handler, Reply, Request, Response};

use crate::history_reader::HistoryReader;
use crate::hub::Hub;
use crate::resume::{ResumeRequest, Since};
use crate::run_channels::RunChannels;
use crate::shard::ChannelSubscription;
use crate::subscriptions::{SubscribeRefusal, SubscriptionGuard, Subscriptions};

/// The most lines that a client can ask for.
const MAX_HISTORY: usize = 100_000;

/// Answers requests.
pub(crate) struct Endpoint {
    pub(crate) front: HttpFront,
    pub(crate) opener: Arc<ViewerOpener>,
}

/// Opens viewers.
pub(crate) struct ViewerOpener {
    pub(crate) hub: Hub,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) history: HistoryReader,
    /// How long a client waits for its subscriptions before it is refused with 503.
    pub(crate) subscribe_timeout: Duration,
}

impl Handler for Endpoint {
    async fn handle(&self, request: Request) -> Reply {
        self.front.handle(request, &self.opener).await
    }
}

impl Opener for ViewerOpener {
    async fn open(&self, request: Request, access: Access) -> Result<Reply, AccessDenied> {
        match self.open_viewer(request, &access).await {
            Ok(reply) => Ok(reply),
            Err(Refusal::Denied(denied)) => Err(denied),
            Err(Refusal::Response(response)) => Ok(response.into()),
        }
    }
}

/// Why a viewer is not opened.
enum Refusal {
    Denied(AccessDenied),
    Response(Response),
}

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

impl ViewerOpener {
    async fn open_viewer(&self, request: Request, access: &Access) -> Result<Reply, Refusal> {
        let mut segments = request.segments_from_end();
        let mut last = segments.next().unwrap_or_default();
        let is_event_stream = last == "sse" && !request.is_websocket();
        if is_event_stream {
            last = segments.next().unwrap_or_default();
        }
        let channels = RunChannels::parse(last).map_err(|problem| Response::text(400, problem))?;
        let mut resume = resume_request(&request).map_err(|problem| Response::text(400, problem))?;
        let run_access = access.enter(channels.run().as_str()).map_err(Refusal::Denied)?;
        if !request.is_websocket() && !is_event_stream {
            return Err(Response::text(426, "this is a WebSocket").header("Upgrade", "websocket").into());
        }

        // The subscriptions come first: without them nobody knows which lines are complete.
        let guards = self.subscribe(&channels).await?;
        if let Some(since) = resume.since {
            resume.since = Some(self.history.check(since).await);
        }
        let names: Vec<&str> = channels.channels().collect();
        let stored = self.history.read(&names, resume).await.unwrap_or_default();
        let stored = stored.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        let subscriptions = guards
            .into_iter()
            .zip(stored)
            .map(|(guard, stored)| ChannelSubscription { guard, stored })
            .collect();

        let hub = self.hub.clone();
        let open = move |client: Client| (hub.join(client, channels, resume, subscriptions), run_access);
        Ok(if is_event_stream { Reply::event_stream(open) } else { Reply::websocket(open) })
    }

    /// Waits until Redis has confirmed the subscriptions to all channels.
    async fn subscribe(&self, channels: &RunChannels) -> Result<Vec<SubscriptionGuard>, Response> {
        let deadline = Instant::now() + self.subscribe_timeout;
        // All are requested before the first is awaited, so that they share a round trip.
        let requested: Vec<_> =
            channels.channels().map(|channel| self.subscriptions.subscribe(channel)).collect();
        let mut guards = Vec::with_capacity(requested.len());
        for guard in requested {
            let answer = timeout_at(deadline, guard).await.ok().and_then(Result::ok);
            guards.push(answer.unwrap_or(Err(SubscribeRefusal::Unreachable)).map_err(refusal)?);
        }
        Ok(guards)
    }
}

fn refusal(refusal: SubscribeRefusal) -> Response {
    match refusal {
        SubscribeRefusal::Forbidden => Response::text(403, "Redis does not allow this channel"),
        SubscribeRefusal::TooManyChannels => {
            Response::text(503, "too many channels are watched now").header("Retry-After", "5")
        }
        SubscribeRefusal::Unreachable => {
            Response::text(503, "Redis cannot be reached now").header("Retry-After", "1")
        }
    }
}

/// The history that the request asks for.
fn resume_request(request: &Request) -> Result<ResumeRequest, String> {
    let last = match request.query("history") {
        None => None,
        Some(text) => {
            let count: usize =
                text.parse().map_err(|_| "history must be a whole number of lines".to_owned())?;
            Some(count.min(MAX_HISTORY))
        }
    };
    // The header wins: an EventSource that reconnects sends its last id there, and its URL as it was at first.
    let since = request.header("last-event-id").map(str::to_owned).or_else(|| request.query("since"));
    let since = since.map(|id| id.parse().map_or(Since::Unknown, Since::Line));
    Ok(ResumeRequest { since, last })
}
