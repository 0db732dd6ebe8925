//! Whether the keys that all customers share hold what they should hold.
//!
//! If one of them does not, nothing can be played. So it is looked for as soon as Redis calls a command invalid,
//! and the gate `timeline` is closed until somebody has repaired it.

use std::time::Duration;

use chassis::Gate;
use fred::interfaces::{ClientLike, HashesInterface};
use fred::types::CustomCommand;
use redis_core::{Key, RedisError};

use super::client::Store;

/// The keys, and the type of each as `TYPE` names it.
const KEY_TYPES: [(Key<'static>, &str); 9] = [
    (Key::Timeline, "zset"),
    (Key::TimelineMeta, "hash"),
    (Key::TimelineInstances, "zset"),
    (Key::TimelinePartitions, "hash"),
    (Key::TimelineLoops, "zset"),
    (Key::Scenarios, "zset"),
    (Key::Recordings, "zset"),
    (Key::RecordingLoops, "zset"),
    (Key::TimelineDeadLetters, "stream"),
];

const CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl Store {
    /// Keeps the gate closed while a key holds something else. Never ends.
    pub(crate) async fn watch_key_types(&self, gate: Gate) {
        gate.open();
        loop {
            self.invalid_reply.notified().await;
            // An error of Redis is the business of the gate `redis`; what was found before still holds.
            while let Some(problem) = self.bad_key().await.unwrap_or_else(|error| Some(error.to_string())) {
                gate.close(problem);
                tokio::time::sleep(CHECK_INTERVAL).await;
            }
            gate.open();
        }
    }

    async fn bad_key(&self) -> Result<Option<String>, RedisError> {
        for (key, expected) in KEY_TYPES {
            let command = CustomCommand::new_static("TYPE", None, false);
            let found: String = self.client().custom(command, vec![key.to_string()]).await?;
            if found != expected && found != "none" {
                return Ok(Some(format!(
                    "the key {key} is a {found}, not a {expected}: rename or delete it"
                )));
            }
        }
        for field in ["start", "changes", "posts"] {
            let text: Option<String> = self.client().hget(Key::TimelineMeta.to_string(), field).await?;
            if text.is_some_and(|text| text.parse::<i64>().is_err()) {
                return Ok(Some(format!(
                    "{field} in the key {} is not a number: delete it",
                    Key::TimelineMeta
                )));
            }
        }
        Ok(None)
    }
}
