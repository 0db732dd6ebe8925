//! Keeps the looping scenarios and recordings of a lane going: puts the events of their next iterations on the timeline.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::effect::Effect;
use crate::hint::Hint;
use crate::lanes::Lane;
use crate::playback::Playback;
use crate::service::ScenarioService;

/// Schedules the next iterations of a lane's looping playbacks, until stopped. Every instance does this. The first one to schedule
/// an iteration wins, and the others find nothing to do.
pub(crate) async fn run(
    service: Arc<ScenarioService>,
    lane: Lane,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut hints = service.timeline.hints(lane);
    while !stopping.is_cancelled() {
        schedule_iterations(&service, lane).await;
        tokio::select! {
            () = stopping.cancelled() => {}
            () = tokio::time::sleep(CHECK_INTERVAL) => {}
            () = async { while !matches!(hints.recv().await, Ok(Hint::Reset)) {} } => {}
        }
    }
    Ok(())
}

async fn schedule_iterations(service: &ScenarioService, lane: Lane) {
    let until = service.clocks.of(lane).now().plus(SCHEDULE_AHEAD_US);
    for id in service.timeline.loops_ending_by(lane, until).await.unwrap_or_default() {
        // This fails if another instance was faster, or Redis does not answer. The next check finds what is left to do.
        let _ = service
            .try_update_playback(&id, Effect::Now, |stored, now, post| {
                let next = |playback: &Playback| playback.next_iteration(now, until, post);
                std::iter::successors(next(&stored.playback), next).last().or(Some(stored.playback.clone()))
            })
            .await;
    }
}

/// Iterations are scheduled this far ahead. More than two check intervals, so that one check may fail.
const SCHEDULE_AHEAD_US: i64 = 45_000_000;
const CHECK_INTERVAL: Duration = Duration::from_secs(20);
