use std::sync::Arc;

use anyhow::Context;
use chassis::probe::Probes;
use chassis::{Lifecycle, SettingError};
use ws_server::token::AccessDenied;
use ws_server::{Reply, Request, Response, page};

use crate::token_key::{KeyFile, follow};
use crate::token_verifier::TokenVerifier;
use crate::{Access, SocketSettings};

/// What every service with WebSockets does with a request before its own logic: it serves the page and the probes, and
/// checks the access token.
pub struct HttpFront {
    page: &'static str,
    probes: Probes,
    metrics_enabled: bool,
    verifier: Option<Arc<TokenVerifier>>,
    key_file: Option<KeyFile>,
    token_cookie: Option<String>,
    refuse_after_upgrade: bool,
}

impl HttpFront {
    /// `page` is the HTML of `/`, with `/*style*/` where the [shared stylesheet](page::STYLESHEET) belongs.
    pub fn new(settings: &SocketSettings, probes: Probes, page: &'static str) -> Self {
        Self {
            page,
            probes,
            metrics_enabled: settings.metrics_enabled,
            verifier: settings
                .token_key
                .clone()
                .map(|key| Arc::new(TokenVerifier::new(key.keys, settings.token_leeway))),
            key_file: settings.token_key.as_ref().and_then(|key| key.file.clone()),
            token_cookie: settings.token_cookie.clone(),
            refuse_after_upgrade: settings.refuse_after_upgrade,
        }
    }

    /// The token key is read again, if there is one, when its file changes and on SIGHUP: `read` reads the settings again. Open
    /// connections stay.
    pub fn reload_on_hangup(
        &self,
        lifecycle: &Lifecycle,
        read: impl Fn() -> Result<SocketSettings, SettingError> + Send + 'static,
    ) {
        if let Some(verifier) = self.verifier.clone() {
            if let Some(file) = self.key_file.clone() {
                tokio::spawn(follow(file, verifier.clone()));
            }
            lifecycle.on_reload("the token key", move || {
                // Without a key everybody could watch everything, so that takes a restart.
                verifier.replace(read()?.token_key.context("it is no longer set")?.keys);
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
        Access::new(self.verifier.clone(), request.token(self.token_cookie.as_deref()).as_deref())
    }

    /// Refuses a client: with a 401 or 403, or, if that is set, by a close with 4401 or 4403 after the upgrade. A page can read
    /// the latter only.
    pub fn refuse(&self, request: &Request, denied: AccessDenied) -> Reply {
        if self.refuse_after_upgrade && request.is_websocket() {
            return Reply::websocket(move |client| client.close(denied.close_code(), denied.reason()));
        }
        denied.into()
    }
}
