use std::io;
use std::path::PathBuf;

use redis_core::ConnectError;

/// Why a change or a line did not get through.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Redis could not be reached, or refused the sign-in. Nothing was sent.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Redis did not carry out the command, or did not answer within 5 s: it may have been carried out.
    #[error("{what}: {}", source.details())]
    Redis {
        /// What was attempted.
        what: &'static str,
        /// What Redis or its client says.
        source: fred::error::Error,
    },
    /// The change is in Redis, but the dump file could not be written.
    #[error("write {}", path.display())]
    Dump {
        /// The dump file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The thread that serves the blocking calls could not be started.
    #[error("start the thread of the blocking client")]
    Thread(#[source] io::Error),
}

impl Error {
    pub(crate) fn redis(what: &'static str) -> impl FnOnce(fred::error::Error) -> Self {
        move |source| Self::Redis { what, source }
    }
}
