use std::sync::Arc;

use ws_server::token::{AccessDenied, Grant};

use crate::client_access::ClientAccess;
use crate::listing::Listing;
use crate::run_access::RunAccess;

/// What one client may watch, and until when. Clones are of the same client.
#[derive(Clone)]
pub struct Access(Kind);

#[derive(Clone)]
enum Kind {
    /// There is no token key: it may watch everything, and perhaps list it.
    Free(Result<(), AccessDenied>),
    Client(Arc<ClientAccess>),
}

impl Access {
    pub(crate) fn free(may_list: Result<(), AccessDenied>) -> Self {
        Self(Kind::Free(may_list))
    }

    pub(crate) fn by(client: Arc<ClientAccess>) -> Self {
        Self(Kind::Client(client))
    }

    /// The runs of which the client may be told by the token with which it has come.
    ///
    /// # Errors
    /// Says why it may be told of none.
    pub fn listing(&self) -> Result<Listing, AccessDenied> {
        match &self.0 {
            Kind::Free(may_list) => may_list.map(|()| Listing::by(Grant::everything())),
            Kind::Client(client) => client.grant().map(Listing::by),
        }
    }

    /// Lets the client watch a run, by the token with which it has come, for as long as the result is kept.
    ///
    /// # Errors
    /// Says why it may not.
    pub fn enter(&self, run: &str) -> Result<RunAccess, AccessDenied> {
        let Kind::Client(access) = &self.0 else { return Ok(RunAccess::free()) };
        access.enter(run).map(|key| RunAccess::by_client(access.clone(), key))
    }

    /// As [`enter`](Self::enter), by a token for this run alone. It ends when that token does:
    /// see [`RunAccess::when_ended`].
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub fn enter_with(&self, token: &str, run: &str) -> Result<RunAccess, AccessDenied> {
        let Kind::Client(access) = &self.0 else { return Ok(RunAccess::free()) };
        let grant = access.verifier().verify_now(Some(token))?;
        if grant.allows(run) { Ok(RunAccess::by_token(&grant)) } else { Err(AccessDenied::Forbidden) }
    }
}
