//! Removes large contents that have had no id for a while, when nobody can be reading them any more.

use std::time::Duration;

use fred::clients::Client;
use fred::types::scripts::Script;
use redis_core::Key;
use tracing::debug;

use super::chunks::CHUNK_LEN;
use super::partition::Partition;

/// How often garbage is collected.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often it is at least where a node has many partitions, so that those without garbage cost little.
const LONGEST_INTERVAL: Duration = Duration::from_secs(10);
/// How many contents one call of the script removes.
const MAX_CONTENTS: usize = 100;

/// Runs for ever. Every node does; Redis executes one script at a time.
pub(super) async fn collect_garbage(partition: &Partition, node: &str) {
    let script = Script::from_lua(include_str!("script/collect_garbage.lua"));
    let prefix = partition.keyspace().prefix();
    let keys = [Key::ObjectGarbage(prefix), Key::ObjectTrial(prefix, node)].map(|key| key.to_string());
    let args = vec![
        Key::ObjectContents(prefix).to_string(),
        Key::ObjectChunks(prefix).to_string(),
        CHUNK_LEN.to_string(),
        MAX_CONTENTS.to_string(),
    ];
    let interval = (INTERVAL * u32::from(partition.ids().count)).min(LONGEST_INTERVAL);
    let collect = |client: Client| {
        let (script, keys, args) = (script.clone(), keys.to_vec(), args.clone());
        async move { script.evalsha_with_reload::<usize, _, _>(&client, keys, args).await }
    };
    loop {
        tokio::time::sleep(interval).await;
        loop {
            match partition.keyspace().run(collect).await {
                Ok(MAX_CONTENTS) => {}
                Ok(_) => break,
                Err(error) => {
                    debug!("cannot remove old contents: {}", error.details());
                    break;
                }
            }
        }
    }
}
