//! Removes large contents that have had no id for a while, when nobody can be reading them any more.

use std::time::Duration;

use fred::types::scripts::Script;
use redis_core::Key;
use tracing::debug;

use super::backend::RedisBackend;
use super::chunks::CHUNK_LEN;

/// How often garbage is collected.
const INTERVAL: Duration = Duration::from_secs(2);
/// How many contents one call of the script removes.
const MAX_CONTENTS: usize = 100;

/// Runs for ever. Every node does; Redis executes one script at a time.
pub(super) async fn collect_garbage(backend: &RedisBackend) {
    let script = Script::from_lua(include_str!("script/collect_garbage.lua"));
    let prefix = backend.0.prefix.as_str();
    let garbage = Key::ObjectGarbage(prefix).to_string();
    let args = vec![
        Key::ObjectContents(prefix).to_string(),
        Key::ObjectChunks(prefix).to_string(),
        CHUNK_LEN.to_string(),
        MAX_CONTENTS.to_string(),
    ];
    loop {
        tokio::time::sleep(INTERVAL).await;
        loop {
            let client = backend.0.pool.next();
            match script.evalsha_with_reload::<usize, _, _>(client, garbage.clone(), args.clone()).await {
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
