//! What an error of Redis means for whoever sent the command. Services decide by class, never by text.

mod class;
mod words;

pub use self::class::{ErrorClass, RETRY_INTERVAL_MS, RedisError};
pub use self::words::reason;
pub(crate) use self::words::{NO_ANSWER, TOO_FEW_REPLICAS, hint, reason_at};

#[cfg(test)]
mod tests;
