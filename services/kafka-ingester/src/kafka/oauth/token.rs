//! A token of SASL OAUTHBEARER.

use std::time::Duration;

/// A token, and for how long it is good.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) lifetime: Duration,
}
