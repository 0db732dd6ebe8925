//! What the errors of Redis mean.

use redis_core::RedisError;

/// Whether Redis refuses the command to this user, or to everybody.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    ["NOPERM", "READONLY", "ERR unknown command"].iter().any(|prefix| error.details().starts_with(prefix))
}
