//! Finds the games that ended without a message, and does the periodic maintenance.

use std::time::Duration;

use chassis::Gate;
use prometheus::IntGaugeVec;
use redis_core::error::reason;
use redis_core::{ErrorClass, RedisError};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::metrics::Metrics;
use crate::output::Output;
use crate::recent_games::{RecentGames, warn_unreadable};
use crate::store::Store;

/// Creates jobs for games whose message was lost. All workers run one; a lease lets one of them look at a time.
pub struct Reconciler {
    /// Where the games and jobs are.
    pub store: Store,
    /// Where abandoned files are removed.
    pub output: Output,
    /// How long a game must have been `Completed` and unchanged.
    pub settle: Duration,
    /// How many dead letters are kept, and how long.
    pub dead_letters: DeadLetterLimits,
    /// The jobs, the backlog and the dead letters are counted here.
    pub metrics: Metrics,
    /// Open while the keys that all games share have the types that they must have.
    pub gate: Gate,
}

/// Which dead letters are kept.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetterLimits {
    /// The number of the youngest that are kept.
    pub count: u64,
    /// How long each is kept; for ever if `None`.
    pub age: Option<Duration>,
}

/// What was logged, so that it is not logged each second.
#[derive(Default)]
struct Logged {
    unreadable: RecentGames,
    invalid_tokens: usize,
}

impl Reconciler {
    /// Looks for games once a second until `stopping` is cancelled.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        // Each step is one command: wherever this is cut off, another worker goes on.
        stopping.run_until_cancelled(self.reconcile_repeatedly()).await;
        Ok(())
    }

    async fn reconcile_repeatedly(&self) {
        let mut next_cleanup = Instant::now();
        let mut logged = Logged::default();
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.check_shared_keys().await;
            if let Err(error) = self.reconcile(&mut logged).await {
                debug!("look for ended games: {}", reason(&error));
            }
            if Instant::now() >= next_cleanup {
                next_cleanup = Instant::now() + CLEANUP_INTERVAL;
                self.remove_abandoned().await;
            }
        }
    }

    /// A key of another type that all games need stops the work, as no key of one game can.
    async fn check_shared_keys(&self) {
        match self.store.find_wrong_type().await {
            Ok(None) => self.gate.open(),
            Ok(Some(reason)) => self.gate.close(reason),
            Err(error) => debug!("look at the keys that all games share: {}", reason(&error)),
        }
    }

    async fn reconcile(&self, logged: &mut Logged) -> Result<(), RedisError> {
        match self.store.queue_lengths().await {
            Ok((backlog, dead)) => {
                let dataset = [self.store.dataset().name.as_str()];
                let set = |gauge: &IntGaugeVec, number| {
                    gauge.with_label_values(&dataset).set(i64::try_from(number).unwrap_or(i64::MAX));
                };
                set(&self.metrics.backlog, backlog);
                set(&self.metrics.dead, dead);
            }
            // One of the keys has another type, which the gate says. The games can be looked for all the same.
            Err(error) if ErrorClass::of(&error).is_invalid() => {}
            Err(error) => return Err(error),
        }
        // Shorter than the interval, so that it has expired when the next look is due.
        if !self.store.acquire_reconciler_lease(INTERVAL.mul_f32(0.9)).await? {
            return Ok(());
        }
        let (mut cursor, mut invalid_tokens) = ("0".to_owned(), 0);
        loop {
            let page = self.store.scan_games(cursor).await?;
            invalid_tokens += page.invalid_tokens;
            // Most games have a job: what else is to be known of a game is asked only for the others.
            let games = self.store.without_job(page.games).await?;
            if !games.is_empty() {
                let settled = self.store.enqueue_settled(&games, self.settle).await?;
                if settled.queued > 0 {
                    let queued = settled.queued;
                    info!(queued, "found {queued} completed games without a message");
                    self.metrics.reconciled.inc_by(queued);
                }
                settled
                    .unreadable
                    .iter()
                    .filter(|game| logged.unreadable.insert(game))
                    .for_each(warn_unreadable);
            }
            if page.next_cursor == "0" {
                break;
            }
            cursor = page.next_cursor;
        }
        if invalid_tokens > logged.invalid_tokens {
            warn!(invalid_tokens, "ignored {invalid_tokens} games with an invalid token");
        }
        logged.invalid_tokens = invalid_tokens;
        Ok(())
    }

    /// Removes what workers that ended have left behind, their consumers in Redis and their files, and dead letters above the limits.
    async fn remove_abandoned(&self) {
        if let Err(error) = self.store.remove_idle_consumers().await {
            debug!("remove the consumers of workers that ended: {}", reason(&error));
        }
        if let Err(error) = self.output.remove_abandoned().await {
            warn!("{error}");
        }
        match self.drop_dead_letters().await {
            Ok(0) => {}
            Ok(dropped) => warn!(dropped, "dropped {dropped} dead letters, which were too old or too many"),
            Err(error) => debug!("drop dead letters: {}", reason(&error)),
        }
    }

    async fn drop_dead_letters(&self) -> Result<u64, RedisError> {
        let too_many = self.store.drop_dead_letters_above(self.dead_letters.count).await?;
        match self.dead_letters.age {
            Some(age) => Ok(too_many + self.store.drop_older_dead_letters(age).await?),
            None => Ok(too_many),
        }
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
const CLEANUP_INTERVAL: Duration = Duration::from_secs(60);
