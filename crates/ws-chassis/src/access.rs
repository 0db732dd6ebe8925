use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use serde::Deserialize;
use ws_server::token::{AccessDenied, Grant};
use ws_server::{Client, Session};

use crate::token_verifier::TokenVerifier;

/// What one client may watch, and until when. Clones are of the same client. Without a token key it may watch everything.
#[derive(Clone)]
pub struct Access(Option<Arc<ClientAccess>>);

struct ClientAccess {
    verifier: Arc<TokenVerifier>,
    state: Mutex<State>,
}

struct State {
    grant: Result<Grant, AccessDenied>,
    /// The runs that the client was allowed to watch.
    runs: Vec<String>,
    /// The first end of a token in use.
    expires_at: Option<SystemTime>,
    client: Option<Client>,
}

impl Access {
    pub(crate) fn new(verifier: Option<Arc<TokenVerifier>>, token: Option<&str>) -> Self {
        Self(verifier.map(|verifier| {
            let grant = verifier.verify(token);
            let expires_at = grant.as_ref().ok().and_then(Grant::expires_at);
            let state = Mutex::new(State { grant, runs: Vec::new(), expires_at, client: None });
            Arc::new(ClientAccess { verifier, state })
        }))
    }

    /// Checks that the client may watch a run.
    ///
    /// # Errors
    /// Says why it may not.
    pub fn check(&self, run: &str) -> Result<(), AccessDenied> {
        let Some(access) = &self.0 else { return Ok(()) };
        let state = &mut *access.state.lock();
        match &state.grant {
            Ok(grant) if grant.allows(run) => {
                state.remember(run);
                Ok(())
            }
            Ok(_) => Err(AccessDenied::Forbidden),
            Err(denied) => Err(*denied),
        }
    }

    /// As [`check`](Self::check), with this token in place of the one with which the client has come. When the first of them
    /// ends, so does the client's access.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_token(&self, token: Option<&str>, run: &str) -> Result<(), AccessDenied> {
        let Some(access) = &self.0 else { return Ok(()) };
        let grant = access.verifier.verify(token)?;
        if !grant.allows(run) {
            return Err(AccessDenied::Forbidden);
        }
        let state = &mut *access.state.lock();
        state.remember(run);
        state.expires_at = [state.expires_at, grant.expires_at()].into_iter().flatten().min();
        state.apply();
        Ok(())
    }

    /// Closes the client with 4401 when its token ends, and has its messages `{"type":"token","token":"…"}` renew it. What
    /// else it sends goes on to the session.
    pub fn session<S: Session>(self, client: Client, session: S) -> AccessSession<S> {
        if let Some(access) = &self.0 {
            let state = &mut *access.state.lock();
            state.client = Some(client);
            state.apply();
        }
        AccessSession { access: self, session }
    }
}

impl ClientAccess {
    /// Takes a token in place of all earlier ones, if it is for all runs that the client watches.
    fn renew(&self, token: &str) {
        let renewed = self.verifier.verify(Some(token));
        let state = &mut *self.state.lock();
        let renewed = renewed.and_then(|grant| match state.runs.iter().all(|run| grant.allows(run)) {
            true => Ok(grant),
            false => Err(AccessDenied::Forbidden),
        });
        match (renewed, &state.client) {
            (Ok(grant), _) => {
                state.expires_at = grant.expires_at();
                state.grant = Ok(grant);
                state.apply();
            }
            (Err(denied), Some(client)) => client.close(denied.close_code(), denied.reason()),
            (Err(_), None) => {}
        }
    }
}

impl State {
    fn remember(&mut self, run: &str) {
        if !self.runs.iter().any(|known| known == run) {
            self.runs.push(run.to_owned());
        }
    }

    fn apply(&self) {
        if let Some(client) = &self.client {
            client.expire_at(self.expires_at);
        }
    }
}

/// The session of a client whose access may end: see [`Access::session`].
pub struct AccessSession<S> {
    access: Access,
    session: S,
}

#[derive(Deserialize)]
struct TokenMessage {
    r#type: String,
    token: String,
}

impl<S: Session> Session for AccessSession<S> {
    fn on_text(&mut self, text: &str) {
        let message =
            text.contains("\"token\"").then(|| serde_json::from_str::<TokenMessage>(text).ok()).flatten();
        match (message, &self.access.0) {
            (Some(message), access) if message.r#type == "token" => {
                if let Some(access) = access {
                    access.renew(&message.token);
                }
            }
            _ => self.session.on_text(text),
        }
    }
}
