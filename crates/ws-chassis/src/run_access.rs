use std::sync::Arc;
use std::time::SystemTime;

use tokio_util::task::AbortOnDropHandle;
use ws_server::token::Grant;

use crate::client_access::ClientAccess;

/// The right of a client to watch one run. It is kept for as long as the run is watched.
pub struct RunAccess(RunToken);

enum RunToken {
    /// No token is needed.
    None,
    /// The client's token. Held for its drop.
    Client(#[expect(dead_code, reason = "dropping it is its use")] ClientRun),
    /// A token for this run alone.
    Own { ends_at: Option<SystemTime>, timer: Option<AbortOnDropHandle<()>> },
}

/// A run that rests on the client's token.
struct ClientRun(Arc<ClientAccess>, usize);

impl RunAccess {
    pub(crate) fn free() -> Self {
        Self(RunToken::None)
    }

    pub(crate) fn by_client(access: Arc<ClientAccess>, key: usize) -> Self {
        Self(RunToken::Client(ClientRun(access, key)))
    }

    pub(crate) fn by_token(grant: &Grant) -> Self {
        Self(RunToken::Own { ends_at: grant.expires_at(), timer: None })
    }

    /// Has `end` called when the token for this run ends, unless this is dropped before. It is never called for a run that
    /// rests on the client's token: with that the client ends.
    pub fn when_ended(&mut self, end: impl FnOnce() + Send + 'static) {
        if let RunToken::Own { ends_at: Some(ends_at), timer } = &mut self.0 {
            let remaining = ends_at.duration_since(SystemTime::now()).unwrap_or_default();
            *timer = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                tokio::time::sleep(remaining).await;
                end();
            })));
        }
    }
}

impl Drop for ClientRun {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}
