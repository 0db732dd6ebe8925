use std::io;
use std::path::PathBuf;

use redis_core::error::reason;
use redis_core::{ConnectError, RedisError};

/// Why a change or a status line did not get through.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Redis cannot be reached, or it refused the login. Nothing was sent.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Redis refused the command, or did not answer within 5 s. In the second case it may still have run the command.
    #[error("{operation}: {}", reason(source))]
    Redis {
        /// The operation that failed.
        operation: &'static str,
        /// The error of Redis or of its client.
        source: RedisError,
    },
    /// The change is in Redis, but the dump file could not be written.
    #[error("write {}", path.display())]
    Dump {
        /// The dump file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The thread for the blocking calls could not be started.
    #[error("start the thread of the blocking client")]
    Thread(#[source] io::Error),
}

impl Error {
    pub(crate) fn redis(operation: &'static str) -> impl FnOnce(RedisError) -> Self {
        move |source| Self::Redis { operation, source }
    }
}
