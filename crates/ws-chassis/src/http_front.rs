use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::probe::Probes;
use chassis::{Lifecycle, SettingError};
use ws_server::token::{AccessDenied, Grant};
use ws_server::{Reply, Request, Response};

use crate::access::Access;
use crate::client_access::ClientAccess;
use crate::key_source::KeyKeeper;
use crate::listing::ListingRule;
use crate::opener::Opener;
use crate::operator_token::OperatorToken;
use crate::settings::SocketSettings;
use crate::token_session::TokenSession;

/// What every service with WebSockets does with a request before its own logic: it serves the page and the probes, and
/// checks the access token.
pub struct HttpFront {
    page: Response,
    probes: Probes,
    metrics_enabled: bool,
    operator_token: Option<OperatorToken>,
    listing_rule: ListingRule,
    keys: Option<Arc<KeyKeeper>>,
    key_refresh: Duration,
    token_cookie: Option<String>,
    refuse_after_upgrade: bool,
    token_after_upgrade: bool,
    handshake_timeout: Duration,
}

impl HttpFront {
    /// `page` is the answer to `/`: see [`page::html`](ws_server::page::html).
    pub fn new(settings: &SocketSettings, probes: Probes, page: Response) -> Self {
        let keys = settings.token_key.clone().map(|key| KeyKeeper::new(key, settings.token_leeway));
        Self {
            page,
            probes,
            metrics_enabled: settings.metrics_enabled,
            operator_token: settings.operator_token.clone().map(OperatorToken::new),
            listing_rule: ListingRule::new(settings),
            keys: keys.map(Arc::new),
            key_refresh: settings.token_key_refresh,
            token_cookie: settings.token_cookie.clone(),
            refuse_after_upgrade: settings.refuse_after_upgrade,
            token_after_upgrade: settings.token_after_upgrade,
            handshake_timeout: settings.handshake_timeout,
        }
    }

    /// The token key is kept current, if there is one: it is read again when its file changes, fetched again from its URL,
    /// and looked at on SIGHUP: `read` reads the settings again. Open connections stay.
    pub fn reload_on_hangup(
        &self,
        lifecycle: &Lifecycle,
        read: impl Fn() -> Result<SocketSettings, SettingError> + Send + 'static,
    ) {
        if let Some(keys) = self.keys.clone() {
            tokio::spawn(keys.clone().follow(lifecycle.readiness(), self.key_refresh));
            lifecycle.on_reload("the token key", move || {
                // Without a key everybody could watch everything, so that takes a restart.
                keys.set(read()?.token_key.context("it is no longer set")?);
                Ok(())
            });
        }
    }

    /// Answers a request for the page or a probe. Has the service open all others, for clients with a valid token if a token
    /// key is set. How long their access lasts is taken care of.
    pub async fn handle<O: Opener>(&self, request: Request, opener: &Arc<O>) -> Reply {
        if let Some(response) = self.answer(&request) {
            return response.into();
        }
        let is_websocket = request.is_websocket();
        let Some(keys) = &self.keys else {
            let may_list = self.listing_rule.check(&request, self.operator_token.as_ref());
            let opened = opener.open(request, Access::free(may_list)).await;
            return opened.unwrap_or_else(|denied| self.refuse(is_websocket, denied));
        };
        let verifier = keys.verifier();
        let token = request.token(self.token_cookie.as_deref());
        let grant = match &self.operator_token {
            Some(operator_token) if operator_token.is_in(&request) => Ok(Grant::everything()),
            _ => verifier.verify(token.as_deref()).await,
        };
        let access = ClientAccess::new(verifier.clone(), grant);
        if token.is_none() && is_websocket && self.token_after_upgrade {
            let (opener, time_limit) = (opener.clone(), self.handshake_timeout);
            return Reply::session(move |client| {
                TokenSession::before_token(client, access, time_limit, request, opener)
            });
        }
        match opener.open(request, Access::by(access.clone())).await {
            Ok(Reply::WebSocket(on_open)) => Reply::session(move |client| {
                let session = on_open(client.clone());
                TokenSession::new(client, access, session)
            }),
            Ok(Reply::EventStream(on_open)) => Reply::event_stream(move |client| {
                access.bind(client.clone());
                on_open(client)
            }),
            Ok(Reply::Http(response)) => response.into(),
            Err(denied) => self.refuse(is_websocket, denied),
        }
    }

    /// The response, if the request is for the page or a probe. A WebSocket request never is, because a run may have the
    /// name of a probe.
    fn answer(&self, request: &Request) -> Option<Response> {
        match request.path() {
            _ if request.is_websocket() => None,
            "/" => Some(self.page.clone()),
            "/metrics" | "/metrics/history" if !self.metrics_enabled => {
                Some(Response::text(404, "metrics are not enabled"))
            }
            path => {
                let answer = self.probes.answer(path, request.query("names").as_deref())?;
                Some(Response::new(answer.status, answer.content_type, answer.body))
            }
        }
    }

    /// Refuses a client: with a 401 or 403, or, if that is set, by a close with 4401 or 4403 after the upgrade. A page can read
    /// the latter only.
    fn refuse(&self, is_websocket: bool, denied: AccessDenied) -> Reply {
        if self.refuse_after_upgrade && is_websocket {
            return Reply::websocket(move |client| client.close(denied.close_code(), denied.reason()));
        }
        denied.into()
    }
}
