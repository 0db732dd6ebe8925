//! Who may use the store over HTTP.

use actix_web::HttpRequest;
use chassis::http::bearer_token;

use super::error::ApiError;

/// What a request over HTTP needs.
#[derive(Clone)]
pub(crate) struct Access {
    /// The BLAKE3 hash of the token. Hashes are compared in a time that says nothing about them.
    token: Option<blake3::Hash>,
    writes: bool,
}

impl Access {
    /// With a token every request needs it. Without one, objects may be written only if `writes` says so.
    pub(crate) fn new(token: Option<&str>, writes: bool) -> Self {
        Self { token: token.map(|token| blake3::hash(token.as_bytes())), writes }
    }

    /// Checks a request that reads.
    ///
    /// # Errors
    /// When it has not the token.
    pub(super) fn may_read(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let Some(token) = self.token else { return Ok(()) };
        if bearer_token(request).is_some_and(|given| blake3::hash(given.trim().as_bytes()) == token) {
            return Ok(());
        }
        Err(ApiError::Unauthorized)
    }

    /// Checks a request that writes.
    ///
    /// # Errors
    /// When it has not the token, or there is none and writing is off.
    pub(super) fn may_write(&self, request: &HttpRequest) -> Result<(), ApiError> {
        if self.token.is_none() && !self.writes {
            return Err(ApiError::WritesAreOff);
        }
        self.may_read(request)
    }
}
