use std::sync::Arc;

use ws_server::token::AccessDenied;

use crate::client_access::ClientAccess;
use crate::run_access::RunAccess;

/// What one client may watch, and until when. Clones are of the same client. Without a token key it may watch everything.
#[derive(Clone)]
pub struct Access(pub(crate) Option<Arc<ClientAccess>>);

impl Access {
    /// Lets the client watch a run, by the token with which it has come, for as long as the result is kept.
    ///
    /// # Errors
    /// Says why it may not.
    pub fn enter(&self, run: &str) -> Result<RunAccess, AccessDenied> {
        let Some(access) = &self.0 else { return Ok(RunAccess::free()) };
        access.enter(run).map(|key| RunAccess::by_client(access.clone(), key))
    }

    /// As [`enter`](Self::enter), by a token for this run alone. It ends when that token does:
    /// see [`RunAccess::when_ended`].
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub fn enter_with(&self, token: &str, run: &str) -> Result<RunAccess, AccessDenied> {
        let Some(access) = &self.0 else { return Ok(RunAccess::free()) };
        let grant = access.verifier().verify_now(Some(token))?;
        if grant.allows(run) { Ok(RunAccess::by_token(&grant)) } else { Err(AccessDenied::Forbidden) }
    }
}
