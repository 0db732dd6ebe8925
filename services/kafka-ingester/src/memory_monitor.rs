//! Watches how full Redis is. If Redis would refuse writes when it is full, ingesting pauses shortly before.

use std::time::Duration;

use redis_core::{State, publish_state};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::store::RedisMemory;

/// Reports until `stopping` whether Redis has memory for more messages. At `pause_percent` or more it has
/// not, until some percent are free again.
///
/// # Errors
/// Never.
pub(crate) async fn run(
    memory: RedisMemory,
    pause_percent: u8,
    state: watch::Sender<State>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    while stopping.run_until_cancelled(tokio::time::sleep(CHECK_INTERVAL)).await.is_some() {
        // If Redis does not answer, the gate `redis` shows it, and this state stays as it is.
        if let Ok(used_percent) = memory.used_percent().await {
            let is_paused = state.borrow().is_err();
            publish_state(&state, evaluate(used_percent, pause_percent, is_paused));
        }
    }
    Ok(())
}

fn evaluate(used_percent: Option<u64>, pause_percent: u8, is_paused: bool) -> State {
    let limit = u64::from(pause_percent).saturating_sub(if is_paused { HYSTERESIS_PERCENT } else { 0 });
    match used_percent {
        Some(used_percent) if pause_percent > 0 && used_percent >= limit => {
            Err(format!("memory is at {pause_percent} % of maxmemory or more, ingesting pauses"))
        }
        _ => Ok(None),
    }
}

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const HYSTERESIS_PERCENT: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ingesting_pauses_at_the_limit_and_resumes_well_below() {
        assert!(evaluate(Some(94), 95, false).is_ok());
        assert!(evaluate(Some(95), 95, false).is_err());
        assert!(evaluate(Some(93), 95, true).is_err());
        assert!(evaluate(Some(91), 95, true).is_ok());
        assert!(evaluate(Some(100), 0, false).is_ok());
        assert!(evaluate(None, 95, true).is_ok());
    }
}
