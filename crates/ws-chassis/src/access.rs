use std::sync::Arc;

use parking_lot::RwLock;
use ws_server::token::{AccessDenied, TokenKey};

/// What one client may watch.
#[derive(Clone)]
pub struct Access {
    pub(crate) key: Option<Arc<RwLock<TokenKey>>>,
    pub(crate) token: Option<String>,
}

impl Access {
    /// Checks that the client may watch a run.
    ///
    /// # Errors
    /// Says why it may not.
    pub fn check(&self, run: &str) -> Result<(), AccessDenied> {
        self.check_token(self.token.as_deref(), run)
    }

    /// As [`check`](Self::check), with this token in place of the one with which the client has come.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_token(&self, token: Option<&str>, run: &str) -> Result<(), AccessDenied> {
        match &self.key {
            Some(key) => key.read().check(token, run),
            None => Ok(()),
        }
    }
}
