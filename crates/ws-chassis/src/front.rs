use chassis::probe::Probes;
use ws_server::token::{Denied, TokenKey};
use ws_server::{Request, Response, page};

use crate::SocketSettings;

/// What a service answers before it looks at a request itself.
pub struct Front {
    page: &'static str,
    probes: Probes,
    metrics_enabled: bool,
    token_key: Option<TokenKey>,
}

impl Front {
    /// `page` is the HTML of `/`, with `/*style*/` where the [shared stylesheet](page::STYLE) belongs.
    pub fn new(settings: &SocketSettings, probes: Probes, page: &'static str) -> Self {
        Self {
            page,
            probes,
            metrics_enabled: settings.metrics_enabled,
            token_key: settings.token_key.clone(),
        }
    }

    /// The page or a probe, if the request is for one. A WebSocket never is: a run may have the name of a probe.
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

    /// Whether the client may watch a run. Without a key everybody may.
    ///
    /// # Errors
    /// Why not; it is also the answer.
    pub fn admit(&self, request: &Request, run: &str) -> Result<(), Denied> {
        match &self.token_key {
            Some(key) => key.check(request.token().as_deref(), run),
            None => Ok(()),
        }
    }
}
