use std::sync::Arc;

use anyhow::Context;
use chassis::probe::Probes;
use chassis::{Lifecycle, SettingError};
use parking_lot::RwLock;
use ws_server::token::{AccessDenied, TokenKey};
use ws_server::{Request, Response, page};

use crate::{Access, SocketSettings};

/// What every service with WebSockets does with a request before its own logic: it serves the page and the probes, and
/// checks the access token.
pub struct HttpFront {
    page: &'static str,
    probes: Probes,
    metrics_enabled: bool,
    token_key: Option<Arc<RwLock<TokenKey>>>,
}

impl HttpFront {
    /// `page` is the HTML of `/`, with `/*style*/` where the [shared stylesheet](page::STYLESHEET) belongs.
    pub fn new(settings: &SocketSettings, probes: Probes, page: &'static str) -> Self {
        Self {
            page,
            probes,
            metrics_enabled: settings.metrics_enabled,
            token_key: settings.token_key.clone().map(|key| Arc::new(RwLock::new(key))),
        }
    }

    /// On SIGHUP the token key is read again, if there is one: `read` reads the settings again. Open connections stay.
    pub fn reload_on_hangup(
        &self,
        lifecycle: &Lifecycle,
        read: impl Fn() -> Result<SocketSettings, SettingError> + Send + 'static,
    ) {
        if let Some(key) = self.token_key.clone() {
            lifecycle.on_reload("the token key", move || {
                // Without a key everybody could watch everything, so that takes a restart.
                *key.write() = read()?.token_key.context("it is no longer set")?;
                Ok(())
            });
        }
    }

    /// The response, if the request is for the page or a probe. A WebSocket request never is, because a run may have the
    /// name of a probe.
    pub fn answer(&self, request: &Request) -> Option<Response> {
        match request.path() {
            _ if request.is_websocket() => None,
            "/" => Some(page::html(self.page)),
            "/metrics" if !self.metrics_enabled => Some(Response::text(404, "metrics are not enabled")),
            path => {
                let answer = self.probes.answer(path)?;
                Some(Response::new(answer.status, answer.content_type, answer.body))
            }
        }
    }

    /// What the client may watch, by the token of its request. Without a token key, every client may watch every run.
    pub fn access(&self, request: &Request) -> Access {
        Access { key: self.token_key.clone(), token: request.token() }
    }

    /// Checks that the client may watch a run.
    ///
    /// # Errors
    /// Says why it may not. The error converts into the response.
    pub fn authorize(&self, request: &Request, run: &str) -> Result<(), AccessDenied> {
        self.access(request).check(run)
    }
}
