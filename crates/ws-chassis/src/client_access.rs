use std::sync::Arc;

use parking_lot::Mutex;
use slab::Slab;
use ws_server::Client;
use ws_server::token::{AccessDenied, Grant};

use crate::token_verifier::TokenVerifier;

/// The client's token, and what rests on it.
pub(crate) struct ClientAccess {
    verifier: Arc<TokenVerifier>,
    state: Mutex<State>,
}

struct State {
    grant: Result<Grant, AccessDenied>,
    /// The runs that the client watches by its token.
    runs: Slab<String>,
    client: Option<Client>,
}

impl ClientAccess {
    pub(crate) fn new(verifier: Arc<TokenVerifier>, grant: Result<Grant, AccessDenied>) -> Arc<Self> {
        Arc::new(Self { verifier, state: Mutex::new(State { grant, runs: Slab::new(), client: None }) })
    }

    pub(crate) fn verifier(&self) -> &TokenVerifier {
        &self.verifier
    }

    /// The key of a run that the client may watch by its token, for [`leave`](Self::leave).
    pub(crate) fn enter(&self, run: &str) -> Result<usize, AccessDenied> {
        let state = &mut *self.state.lock();
        match &state.grant {
            Ok(grant) if grant.allows(run) => Ok(state.runs.insert(run.to_owned())),
            Ok(_) => Err(AccessDenied::Forbidden),
            Err(denied) => Err(*denied),
        }
    }

    /// What its token grants now.
    pub(crate) fn grant(&self) -> Result<Grant, AccessDenied> {
        self.state.lock().grant.clone()
    }

    /// Closes this client with 4401 when its token ends.
    pub(crate) fn bind(&self, client: Client) {
        let state = &mut *self.state.lock();
        state.client = Some(client);
        state.apply();
    }

    /// Takes the token of the first message of a client that has come without one.
    pub(crate) fn set(&self, grant: Result<Grant, AccessDenied>) {
        self.state.lock().grant = grant;
    }

    /// Takes another token in place of the client's, if it is for all runs that rest on that. A wrong one closes the client.
    pub(crate) fn renew(&self, token: &str) {
        let renewed = self.verifier.verify_now(Some(token));
        let state = &mut *self.state.lock();
        let renewed = renewed.and_then(|grant| match state.runs.iter().all(|(_, run)| grant.allows(run)) {
            true => Ok(grant),
            false => Err(AccessDenied::Forbidden),
        });
        match (renewed, &state.client) {
            (Ok(grant), _) => {
                state.grant = Ok(grant);
                state.apply();
            }
            (Err(denied), Some(client)) => client.close(denied.close_code(), denied.reason()),
            (Err(_), None) => {}
        }
    }

    /// The client watches a run no more.
    pub(crate) fn leave(&self, key: usize) {
        let runs = &mut self.state.lock().runs;
        runs.try_remove(key);
        if runs.is_empty() {
            *runs = Slab::new();
        }
    }
}

impl State {
    fn apply(&self) {
        if let Some(client) = &self.client {
            client.expire_at(self.grant.as_ref().ok().and_then(Grant::expires_at));
        }
    }
}
