//! Removes contents that nobody can be reading any more.

use std::time::Duration;

use fred::types::scripts::Script;
use tracing::debug;

use super::Redis;
use super::chunks::CHUNK;

/// How often removed contents are looked for, and how many are removed at a time.
const COLLECT: Duration = Duration::from_secs(2);
const COLLECT_MAX: usize = 100;

/// Works for ever. Every node does; Redis lets one at a time.
pub(super) async fn collect(redis: &Redis) {
    let script = Script::from_lua(include_str!("collect.lua"));
    loop {
        tokio::time::sleep(COLLECT).await;
        loop {
            let args = vec![redis.0.prefix.clone(), CHUNK.to_string(), COLLECT_MAX.to_string()];
            match script.evalsha_with_reload::<usize, _, _>(redis.0.pool.next(), (), args).await {
                Ok(removed) if removed == COLLECT_MAX => {}
                Ok(_) => break,
                Err(error) => {
                    debug!("cannot remove old contents: {}", error.details());
                    break;
                }
            }
        }
    }
}
