//! Why a call of the store had no effect, or only a part of it.

use fred::error::ErrorKind;
use redis_core::error::reason;
use redis_core::{ErrorClass, RedisError};

/// Why a call of the store had no effect, or only a part of it. The same call may succeed later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreFailure {
    /// There was no answer. Redis may have done it or not. The gate `redis` says why.
    #[error("{0}")]
    Unanswered(String),
    /// Redis refuses it, for a reason that has nothing to do with a single message.
    #[error("{0}")]
    Refused(String),
}

impl StoreFailure {
    /// The failure of a call that is about `key`.
    pub(super) fn new(key: &str, error: &RedisError) -> Self {
        match ErrorClass::of(error) {
            ErrorClass::Unreachable => Self::Unanswered(reason(error)),
            ErrorClass::Invalid => Self::Refused(format!("{key}: {}", reason(error))),
            _ => Self::Refused(reason(error)),
        }
    }

    /// What the error text of a command in a script means. `key` is empty if the command was about the message's own key:
    /// then an error of the class `Invalid` is the message's own, and is returned as `Ok`.
    pub(super) fn of_message(text: String, key: &str) -> Result<String, Self> {
        let error = RedisError::new(ErrorKind::Unknown, text);
        if key.is_empty() && ErrorClass::of(&error).is_invalid() {
            return Ok(error.details().to_owned());
        }
        Err(Self::new(key, &error))
    }

    /// The label `outcome` of the metric `kafka_ingester_batch_seconds`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unanswered(_) => "unanswered",
            Self::Refused(_) => "later",
        }
    }

    /// A reply that the script does not give.
    pub(super) fn unexpected_reply(key: &str) -> Self {
        Self::Refused(format!("{key}: unexpected reply of the script"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the scripts see them: without what Redis adds about the script.
    #[test]
    fn only_an_error_of_the_messages_own_key_is_the_messages_own() {
        let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
        let refused = |text: &str, key| StoreFailure::of_message(text.to_owned(), key);
        assert_eq!(refused(wrong_type, ""), Ok(wrong_type.to_owned()));
        assert_eq!(
            refused(wrong_type, "info:batteries:ids"),
            Err(StoreFailure::Refused(format!("info:batteries:ids: {wrong_type}")))
        );
        for text in [
            "The user executing the script can't publish to the channel mentioned in the command",
            "The user executing the script can't run this command or subcommand",
            "ERR ACL failure in script: No permissions to access a channel",
            "NOPERM No permissions to access a channel",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "READONLY You can't write against a read only replica.",
            "MISCONF Errors writing to the AOF file: No space left on device",
            "NOREPLICAS Not enough good replicas to write.",
        ] {
            assert!(matches!(refused(text, ""), Err(StoreFailure::Refused(_))), "{text}");
        }
    }
}
