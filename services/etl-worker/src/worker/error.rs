use redis_core::RedisError;

use crate::output::OutputError;

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoundError {
    #[error("redis: {}", redis_core::error::reason(.0))]
    Redis(#[from] RedisError),
    #[error(transparent)]
    Output(#[from] OutputError),
}
