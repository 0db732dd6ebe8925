use std::time::Duration;

use parking_lot::RwLock;
use tracing::warn;
use ws_server::token::{AccessDenied, Grant, TokenKeys};

/// The keys of this moment, which verify tokens.
pub(crate) struct TokenVerifier {
    keys: RwLock<TokenKeys>,
    /// By how much clocks may differ.
    leeway: Duration,
}

impl TokenVerifier {
    pub(crate) fn new(keys: TokenKeys, leeway: Duration) -> Self {
        let verifier = Self { keys: RwLock::default(), leeway };
        verifier.replace(keys);
        verifier
    }

    pub(crate) fn replace(&self, keys: TokenKeys) {
        for reason in keys.unusable() {
            warn!("{reason}");
        }
        *self.keys.write() = keys;
    }

    pub(crate) fn verify(&self, token: Option<&str>) -> Result<Grant, AccessDenied> {
        let token = token.filter(|token| !token.is_empty());
        let token = token.ok_or(AccessDenied::Unauthorized("a token is needed"))?;
        self.keys.read().verify(token, self.leeway)
    }
}
