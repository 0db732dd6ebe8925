//! Why subscribing failed, and what helps.

use std::fmt;

use redis_core::error::reason;
use redis_core::{ErrorClass, RedisError};

/// An attempt to subscribe has failed.
pub(super) struct SubscribeFailure {
    /// What was attempted, and why it failed.
    pub(super) reason: String,
    /// Only a new connection can help. Otherwise Redis refuses now what it may allow later.
    pub(super) needs_connection: bool,
}

impl SubscribeFailure {
    pub(super) fn new(reason: &str) -> Self {
        Self { reason: reason.to_owned(), needs_connection: true }
    }

    /// The failure of what was attempted.
    pub(super) fn of(attempt: &'static str) -> impl Fn(RedisError) -> Self {
        move |error| Self {
            reason: format!("{attempt}: {}", reason(&error)),
            needs_connection: match ErrorClass::of(&error) {
                ErrorClass::Unreachable | ErrorClass::Unauthenticated | ErrorClass::Invalid => true,
                ErrorClass::Busy
                | ErrorClass::WrongServer
                | ErrorClass::CannotWrite
                | ErrorClass::Forbidden
                | ErrorClass::Cluster => false,
            },
        }
    }
}

impl fmt::Display for SubscribeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
