//! What status-proxy serves on its port.
//!
//! | request | answer |
//! |---|---|
//! | WebSocket `/…/<run>:<channel>`, `/…/<run>:<a>,<b>` or `/…/<run>:*` | the lines, one frame each; 400 for any other path |
//! | `GET /…/<run>:<channels>/sse` | the same as server-sent events |
//! | `GET /runs` | runs to choose from, with their channels: see [`crate::run_list`] |
//! | `GET /` | the page |
//! | `GET /health`, `/ready`, `/metrics` | the probes |
//!
//! Query: `history=N` for the last N lines first; `since=<id>` (or the header `Last-Event-ID`) for all lines after that
//! one; `token=<JWT>`.

use std::sync::Arc;

use ws_chassis::{Access, HttpFront, Opener};
use ws_server::token::AccessDenied;
use ws_server::{Handler, Reply, Request, Response};

use crate::client_message::MAX_HISTORY;
use crate::preparer::Preparer;
use crate::resume::{ResumeRequest, Since};
use crate::run_channels::RunChannels;
use crate::run_list::RunLists;
use crate::session::ViewerSession;
use crate::socket_runs::SocketRuns;
use crate::subscriptions::SubscribeRefusal;

/// Answers requests.
pub(crate) struct Endpoint {
    pub(crate) front: HttpFront,
    pub(crate) opener: Arc<ViewerOpener>,
}

/// Opens viewers.
pub(crate) struct ViewerOpener {
    pub(crate) preparer: Arc<Preparer>,
    pub(crate) runs: RunLists,
}

impl Handler for Endpoint {
    async fn handle(&self, request: Request) -> Reply {
        self.front.handle(request, &self.opener).await
    }
}

impl Opener for ViewerOpener {
    async fn open(&self, request: Request, access: Access) -> Result<Reply, AccessDenied> {
        match self.open_viewer(request, access).await {
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
    async fn open_viewer(&self, request: Request, access: Access) -> Result<Reply, Refusal> {
        if !request.is_websocket() && request.path().trim_matches('/') == "runs" {
            return Ok(self.runs.answer(&request, &access).await.map_err(Refusal::Denied)?.into());
        }
        let mut segments = request.segments_from_end();
        let mut last = segments.next().unwrap_or_default();
        let is_event_stream = last == "sse" && !request.is_websocket();
        if is_event_stream {
            last = segments.next().unwrap_or_default();
        }
        let channels = RunChannels::parse(last).map_err(|problem| Response::text(400, problem))?;
        let resume = resume_request(&request).map_err(|problem| Response::text(400, problem))?;
        let run_access = access.enter(channels.run().as_str()).map_err(Refusal::Denied)?;
        if !request.is_websocket() && !is_event_stream {
            return Err(Response::text(426, "this is a WebSocket").header("Upgrade", "websocket").into());
        }

        let prepared = self.preparer.prepare(channels, resume).await.map_err(refusal)?;
        let preparer = self.preparer.clone();
        Ok(if is_event_stream {
            Reply::event_stream(move |client| (preparer.hub.join(client, prepared), run_access))
        } else {
            Reply::session(move |client| {
                let viewer = preparer.hub.join(client.clone(), prepared);
                ViewerSession::new(
                    client.clone(),
                    SocketRuns::new(client, access, preparer, viewer, run_access),
                )
            })
        })
    }
}

fn refusal(refusal: SubscribeRefusal) -> Response {
    let response = |status| Response::text(status, refusal.reason());
    match refusal {
        SubscribeRefusal::WholeRun => response(400),
        SubscribeRefusal::Forbidden => response(403),
        SubscribeRefusal::TooManyChannels => response(503).header("Retry-After", "5"),
        SubscribeRefusal::Unreachable => response(503).header("Retry-After", "1"),
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
