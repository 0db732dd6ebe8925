//! What preflight serves on its port.
//!
//! | request | answer |
//! |---|---|
//! | WebSocket `/…/<run id>`, `/…/<run id>/` | the run's checklist now, and each time it changes; 400 if it is not a run id; 401 or 403 without a token for the run, where tokens are on |
//! | `GET /runs`, `/runs/<run id>/checklist` | see [`crate::http`] |
//! | `GET /` | the page; also with `?run=<run id>` |
//! | `GET /health`, `/ready`, `/metrics` | the probes |
//!
//! Viewers are sent `{"type":"preflight","checklist":{…},"lock_statuses":{…},"last_modified":…}` and
//! `{"type":"ping"}`. They may send anything; each message shows that the viewer is alive. See [`crate::session`] for those
//! that add runs.

use std::sync::Arc;

use redis_core::id::RunId;
use ws_chassis::{Access, HttpFront, Opener};
use ws_server::token::AccessDenied;
use ws_server::{Handler, Reply, Request, Response};

use crate::http::RunsApi;
use crate::hub_handle::HubHandle;
use crate::run_refusal::RunRefusal;
use crate::session::{RunsSession, SocketRun};

/// Answers requests.
pub(crate) struct Endpoint {
    pub(crate) front: HttpFront,
    pub(crate) opener: Arc<RunOpener>,
}

/// Opens sockets.
pub(crate) struct RunOpener {
    pub(crate) hub: HubHandle,
    pub(crate) runs: RunsApi,
    /// The most runs on one socket.
    pub(crate) max_runs_per_client: usize,
}

impl Handler for Endpoint {
    async fn handle(&self, request: Request) -> Reply {
        self.front.handle(request, &self.opener).await
    }
}

impl Opener for RunOpener {
    async fn open(&self, request: Request, access: Access) -> Result<Reply, AccessDenied> {
        if !request.is_websocket()
            && let Some(response) = self.runs.answer(&request, &access).await?
        {
            return Ok(response.into());
        }
        let last_segment = request.segments_from_end().next().unwrap_or_default();
        let run = match RunId::parse(last_segment) {
            Ok(run) => run,
            Err(error) => return Ok(Response::text(400, format!("{error}: ws://HOST/<run id>")).into()),
        };
        let run_access = access.enter(run.as_str())?;
        if !request.is_websocket() {
            return Ok(Response::text(426, "this is a WebSocket").header("Upgrade", "websocket").into());
        }
        Ok(match self.hub.enter(run).await {
            Ok(viewer) => {
                let (hub, max_runs) = (self.hub.clone(), self.max_runs_per_client);
                Reply::session(move |client| {
                    RunsSession::new(hub, client, access, SocketRun::new(viewer, run_access), max_runs)
                })
            }
            Err(refusal) => {
                let response = Response::text(refusal.status(), refusal.to_string());
                match refusal {
                    RunRefusal::InstanceFull => response.header("Retry-After", "1").into(),
                    _ => response.into(),
                }
            }
        })
    }
}
