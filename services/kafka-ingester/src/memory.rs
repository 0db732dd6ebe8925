//! Watches Redis's memory: where writes are refused when it is full, ingesting pauses shortly before.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::store::Store;

/// Reports until `stopping` whether there is room: above `pause_percent` there is none, until some percent are free again.
///
/// # Errors
/// Never.
pub(crate) async fn watch(
    store: Store,
    pause_percent: u8,
    room: watch::Sender<Result<(), String>>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    while stopping.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
        // When Redis does not answer, that is what matters, and shows.
        if let Ok(percent) = store.memory_percent().await {
            let is_paused = room.borrow().is_err();
            let state = judge(percent, pause_percent, is_paused);
            room.send_if_modified(|old| std::mem::replace(old, state.clone()) != state);
        }
    }
    Ok(())
}

fn judge(percent: Option<u64>, pause_percent: u8, is_paused: bool) -> Result<(), String> {
    let limit = u64::from(pause_percent).saturating_sub(if is_paused { HYSTERESIS_PERCENT } else { 0 });
    match percent {
        Some(percent) if pause_percent > 0 && percent >= limit => {
            Err(format!("memory is at {pause_percent} % of maxmemory or more, ingesting pauses"))
        }
        _ => Ok(()),
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
const HYSTERESIS_PERCENT: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_pauses_at_the_limit_and_goes_on_well_below() {
        assert!(judge(Some(94), 95, false).is_ok());
        assert!(judge(Some(95), 95, false).is_err());
        assert!(judge(Some(93), 95, true).is_err());
        assert!(judge(Some(91), 95, true).is_ok());
        assert!(judge(Some(100), 0, false).is_ok());
        assert!(judge(None, 95, true).is_ok());
    }
}
