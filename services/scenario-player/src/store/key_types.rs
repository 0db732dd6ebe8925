//! Whether the keys that all customers of a lane share hold what they should hold.
//!
//! If one of them does not, nothing can be played. So it is looked for as soon as Redis calls a command invalid,
//! and the gate `timeline` is closed until somebody has repaired it.

use std::time::Duration;

use chassis::Gate;
use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface};
use fred::types::CustomCommand;
use futures_util::future::join_all;
use redis_core::Key;

use super::client::Store;
use crate::lanes::Lane;
use crate::unavailable::Unavailable;

/// The keys of a lane, and the type of each as `TYPE` names it.
fn key_types(lane: Lane) -> [(Key<'static>, &'static str); 9] {
    let partition = lane.key_partition();
    [
        (Key::Timeline(partition), "zset"),
        (Key::TimelineMeta(partition), "hash"),
        (Key::TimelineInstances(partition), "zset"),
        (Key::TimelinePartitions(partition), "hash"),
        (Key::TimelineLoops(partition), "zset"),
        (Key::Scenarios(partition), "zset"),
        (Key::Recordings(partition), "zset"),
        (Key::RecordingLoops(partition), "zset"),
        (Key::TimelineDeadLetters(partition), "stream"),
    ]
}

const CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl Store {
    /// Keeps the gate closed while a key holds something else. Never ends.
    pub(crate) async fn watch_key_types(&self, gate: Gate) {
        gate.open();
        loop {
            self.invalid_reply.notified().await;
            while let Some(problem) = self.bad_key().await {
                gate.close(problem);
                tokio::time::sleep(CHECK_INTERVAL).await;
            }
            gate.open();
        }
    }

    /// What is wrong with the first bad key that is found.
    async fn bad_key(&self) -> Option<String> {
        let lanes = self.lanes.iter().map(|lane| self.bad_key_of(lane));
        // An error of Redis is the business of the gate `redis`; what was found before still holds.
        let found = join_all(lanes).await.into_iter();
        found.map(|found| found.unwrap_or_else(|error| Some(error.to_string()))).find_map(|problem| problem)
    }

    async fn bad_key_of(&self, lane: Lane) -> Result<Option<String>, Unavailable> {
        for (key, expected) in key_types(lane) {
            let name = &self.name(key);
            let ask = |client: Client| async move {
                let command = CustomCommand::new_static("TYPE", None, false);
                client.custom::<String, _>(command, vec![name.as_str()]).await
            };
            let found = self.run(lane, ask).await?;
            if found != expected && found != "none" {
                return Ok(Some(format!(
                    "the key {name} is a {found}, not a {expected}: rename or delete it"
                )));
            }
        }
        let meta = &self.name(Key::TimelineMeta(lane.key_partition()));
        for field in ["start", "changes", "posts"] {
            let read = |client: Client| async move { client.hget(meta.as_str(), field).await };
            let text: Option<String> = self.run(lane, read).await?;
            if text.is_some_and(|text| text.parse::<i64>().is_err()) {
                return Ok(Some(format!("{field} in the key {meta} is not a number: delete it")));
            }
        }
        Ok(None)
    }
}
