//! What preflight serves on its port.
//!
//! | request | answer |
//! |---|---|
//! | WebSocket `/…/<run id>` | the run's checklist now, and each time it changes; 400 if it is not a run id; 401 or 403 without a token for the run, where tokens are on |
//! | `GET /` | the page; also with `?run=<run id>` |
//! | `GET /health`, `/ready`, `/metrics` | the probes |
//!
//! Viewers are sent `{"type":"preflight","checklist":{…},"lock_statuses":{…},"last_modified":…}` and
//! `{"type":"ping"}`. They may send anything; each message shows that the viewer is alive.

use redis_core::id::RunId;
use ws_chassis::HttpFront;
use ws_server::{Handler, Reply, Request, Response};

use crate::hub_handle::HubHandle;

/// Answers requests.
pub(crate) struct Endpoint {
    pub(crate) front: HttpFront,
    pub(crate) hub: HubHandle,
}

impl Handler for Endpoint {
    async fn handle(&self, request: Request) -> Reply {
        if let Some(response) = self.front.answer(&request) {
            return response.into();
        }
        let last_segment = request.path().rsplit('/').next().unwrap_or_default();
        let run = match RunId::parse(last_segment) {
            Ok(run) => run,
            Err(error) => return Response::text(400, format!("{error}: ws://HOST/<run id>")).into(),
        };
        if let Err(denied) = self.front.authorize(&request, run.as_str()) {
            return denied.into();
        }
        let hub = self.hub.clone();
        Reply::websocket(move |client| hub.join(run, client))
    }
}
