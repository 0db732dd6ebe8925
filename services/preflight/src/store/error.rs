//! What the errors of Redis mean.

use fred::error::ErrorKind;
use redis_core::{ErrorClass, RedisError};

/// Whether Redis has understood the command and will not carry it out: not for this user, not now, or never.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    // That is an error of the connection.
    if *error.kind() == ErrorKind::Protocol {
        return false;
    }
    match ErrorClass::of(error) {
        ErrorClass::WrongServer | ErrorClass::CannotWrite | ErrorClass::Forbidden | ErrorClass::Invalid => {
            true
        }
        ErrorClass::Unreachable | ErrorClass::Busy | ErrorClass::Unauthenticated | ErrorClass::Cluster => {
            false
        }
    }
}

/// What is asked of a shard that has just gone.
pub(super) fn unknown_shard() -> RedisError {
    RedisError::new(ErrorKind::IO, "the shard has no part of the Redis Cluster any more")
}

/// Whether this user may not do it, here or at all.
pub(super) fn is_forbidden(error: &RedisError) -> bool {
    ErrorClass::of(error) == ErrorClass::Forbidden
}
