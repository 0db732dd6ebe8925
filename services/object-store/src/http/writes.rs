//! Whether the store may be changed over HTTP.

use super::error::ApiError;

/// Whether objects may be stored and deleted over HTTP.
#[derive(Clone, Copy)]
pub(crate) struct Writes(pub(crate) bool);

impl Writes {
    /// # Errors
    /// When they may not.
    pub(super) fn check(self) -> Result<(), ApiError> {
        if self.0 { Ok(()) } else { Err(ApiError::WritesAreOff) }
    }
}
