use fred::error::ErrorKind;
use redis_core::RedisError;

/// True if the connection is lost or does not answer. Readiness reports that already.
pub fn is_connection_error(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::IO | ErrorKind::Timeout | ErrorKind::Canceled)
}

/// True if the consumer group does not exist: Redis is new or was emptied.
pub fn is_missing_group(error: &RedisError) -> bool {
    error.details().starts_with("NOGROUP")
}
