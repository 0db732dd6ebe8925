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

use chassis::probe::Probes;
use redis_core::id::RunId;
use ws_server::token::TokenKey;
use ws_server::{Handler, Reply, Request, Response, page};

use crate::hub::Door;

/// Answers requests.
pub(crate) struct Endpoint {
    pub(crate) door: Door,
    pub(crate) probes: Probes,
    pub(crate) metrics_enabled: bool,
    /// Without one, anybody may watch.
    pub(crate) token_key: Option<TokenKey>,
}

impl Handler for Endpoint {
    async fn handle(&self, request: Request) -> Reply {
        if !request.is_websocket()
            && let Some(response) = self.plain(request.path())
        {
            return response.into();
        }
        let last_segment = request.path().rsplit('/').next().unwrap_or_default();
        let run = match RunId::parse(last_segment) {
            Ok(run) => run,
            Err(error) => return Response::text(400, format!("{error}: ws://HOST/<run id>")).into(),
        };
        if let Some(key) = &self.token_key
            && let Err(denied) = key.check(request.token().as_deref(), run.as_str())
        {
            return denied.into();
        }
        let door = self.door.clone();
        Reply::websocket(move |client| door.join(run, client))
    }
}

impl Endpoint {
    /// The answer to what is no WebSocket, if it is one of the few paths.
    fn plain(&self, path: &str) -> Option<Response> {
        if path == "/" {
            return Some(page::html(include_str!("page.html")));
        }
        if path == "/metrics" && !self.metrics_enabled {
            return Some(Response::text(404, "metrics are not enabled"));
        }
        let answer = self.probes.answer(path)?;
        Some(Response::new(answer.status, answer.content_type, answer.body))
    }
}
