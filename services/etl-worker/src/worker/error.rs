use redis_core::RedisError;

use crate::output::OutputError;

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoundError {
    #[error("redis: {}", .0.details())]
    Redis(#[from] RedisError),
    #[error(transparent)]
    Output(#[from] OutputError),
}
