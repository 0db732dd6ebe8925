//! What Redis itself says of a connection, and whether its replies are those of their commands.

use std::sync::atomic::{AtomicU64, Ordering};

use fred::clients::{Client, WithOptions};
use fred::error::ErrorKind;
use fred::interfaces::ClientLike;
use fred::types::{CustomCommand, Value};

use crate::{ErrorClass, RedisError};

/// How often a barrier is tried until replies are those of their commands again.
const MAX_BARRIERS: usize = 20;

/// Asks Redis.
#[derive(Default)]
pub(crate) struct Proof {
    barriers: AtomicU64,
}

/// What Redis says of the connection on which it is asked.
pub(crate) struct ConnectionInfo {
    /// No other connection to this server has had it.
    pub(crate) connection_id: u64,
    /// The channels that are subscribed.
    pub(crate) channels: usize,
    /// The patterns that are subscribed.
    pub(crate) patterns: usize,
    /// The channels that are subscribed by SSUBSCRIBE. A Redis before 7 has none.
    pub(crate) sharded: usize,
}

impl Proof {
    /// What Redis says after it has carried out the commands before; `None` if it is too old to say.
    pub(crate) async fn info(
        &self,
        client: &WithOptions<Client>,
    ) -> Result<Option<ConnectionInfo>, RedisError> {
        self.settle(client).await?;
        let command = CustomCommand::new_static("CLIENT", None, false);
        match client.custom::<String, _>(command, vec!["INFO"]).await {
            Ok(text) => ConnectionInfo::parse(&text).map(Some).ok_or_else(out_of_step),
            Err(error) if ErrorClass::of(&error).is_invalid() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until Redis has carried out the commands before, and replies are those of their commands.
    pub(crate) async fn settle(&self, client: &WithOptions<Client>) -> Result<(), RedisError> {
        for _ in 0..MAX_BARRIERS {
            match self.barrier(client).await {
                Ok(true) => return Ok(()),
                Err(error) if ErrorClass::of(&error) == ErrorClass::Unreachable => return Err(error),
                Ok(false) | Err(_) => {}
            }
        }
        Err(out_of_step())
    }

    /// Sends a number, which Redis sends back. `false`: it sent something else, the reply to an earlier command.
    ///
    /// It is no PING: Redis refuses that when it cannot save to its disk.
    async fn barrier(&self, client: &WithOptions<Client>) -> Result<bool, RedisError> {
        let number = self.barriers.fetch_add(1, Ordering::Relaxed).to_string();
        let echo = CustomCommand::new_static("ECHO", None, false);
        let reply: Value = client.custom(echo, vec![number.as_str()]).await?;
        Ok(reply.as_str().is_some_and(|reply| reply == number))
    }
}

impl ConnectionInfo {
    /// From the reply to CLIENT INFO: `id=7 addr=… sub=2 psub=0 …`.
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            text.split_whitespace()
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        let counted = |name: &str| field(name).and_then(|count| usize::try_from(count).ok());
        Some(Self {
            connection_id: field("id")?,
            channels: counted("sub")?,
            patterns: counted("psub")?,
            sharded: counted("ssub").unwrap_or_default(),
        })
    }
}

/// Only a new connection can help.
pub(crate) fn out_of_step() -> RedisError {
    RedisError::new(ErrorKind::IO, "what Redis says of the connection is not what was done on it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_client_info_are_read_by_their_whole_names() {
        let text =
            "id=42 addr=127.0.0.1:1 laddr=127.0.0.1:2 fd=8 name= db=0 sub=3 psub=1 ssub=9 multi=-1 resp=3\n";
        let info = ConnectionInfo::parse(text).unwrap();
        assert_eq!((info.connection_id, info.channels, info.patterns, info.sharded), (42, 3, 1, 9));
        assert!(ConnectionInfo::parse("id=42 addr=127.0.0.1:1").is_none());
    }
}
