//! What preflight serves on its port.
//!
//! | request | answer |
//! |---|---|
//! | WebSocket `/…/<run id>` | the run's answer now, and each time it changes; 400 for what is no run id; 401 or 403 without a token for it, where one is needed |
//! | `GET /` | the page; also with `?run=<run id>` |
//! | `GET /health`, `/ready`, `/metrics` | the probes |
//!
//! To a viewer: `{"type":"preflight","checklist":{…},"lock_statuses":{…},"last_modified":…}` and `{"type":"ping"}`.
//! From a viewer: anything; each message is a sign of life.

use redis_core::id::RunId;
use ws_chassis::Front;
use ws_server::{Handler, Reply, Request, Response};

use crate::door::Door;

/// Answers requests.
pub(crate) struct Endpoint {
    pub(crate) front: Front,
    pub(crate) door: Door,
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
        if let Err(denied) = self.front.admit(&request, run.as_str()) {
            return denied.into();
        }
        let door = self.door.clone();
        Reply::websocket(move |client| door.join(run, client))
    }
}
