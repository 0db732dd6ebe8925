//! Which customers this instance plays. Customers are spread over lanes; a lane belongs to one instance at a time, so that
//! a customer's steps keep their order: the next owner begins with the first step that is still on the timeline.
//!
//! An instance that has work holds a lease and renews it. When it falls silent its lanes are free after the lease; when
//! another comes, it gives up what is more than its share, but only once nothing of those lanes is in its hands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis_core::id::CustomerId;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::config::ConsumeFrom;
use crate::holdings::Holdings;
use crate::store::{Join, Joined, Standing, Store};
use crate::timeline::Hint;

/// Lanes that customers are spread over. All instances must agree.
pub(crate) const LANES: usize = 64;

/// The lane of a customer.
pub(crate) fn lane_of(customer: &CustomerId) -> usize {
    usize::from(fred::util::redis_keyslot(customer.as_str().as_bytes())) % LANES
}

/// What this instance may play now.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// This instance's name; a new one each time that its lease was lost.
    pub(crate) instance: Arc<str>,
    /// Lanes whose customers it takes steps of.
    pub(crate) lanes: [bool; LANES],
    /// Steps due before this are not played (ms).
    pub(crate) start_ms: i64,
    /// Nothing is published after this moment without a renewal.
    pub(crate) valid_until: Option<Instant>,
}

impl View {
    /// All lanes, for ever: the memory backend.
    pub(crate) fn all() -> Self {
        Self { instance: "memory".into(), lanes: [true; LANES], start_ms: 0, valid_until: None }
    }

    fn none(instance: Arc<str>) -> Self {
        Self { instance, lanes: [false; LANES], start_ms: 0, valid_until: Some(Instant::now()) }
    }

    /// True while the lease runs.
    pub(crate) fn is_valid(&self) -> bool {
        self.valid_until.is_none_or(|until| Instant::now() < until)
    }
}

/// Keeps this instance's lease and lanes.
pub(crate) struct Membership {
    pub(crate) store: Arc<Store>,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) from: ConsumeFrom,
    pub(crate) view: watch::Sender<View>,
    /// True while there is something to play soon.
    pub(crate) active: watch::Receiver<bool>,
    /// Cancelled when the last acknowledgement has been made.
    pub(crate) finished: CancellationToken,
}

impl Membership {
    /// The view that a membership starts from: nothing yet.
    pub(crate) fn initial_view() -> View {
        View::none(new_name())
    }

    /// Joins while there is work and leaves when there is none, until finished.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let born = Instant::now();
        let mut start_ms = self.from.start_ms();
        let mut standing = Standing::New;
        let mut give_up = Vec::new();
        let mut hints = self.store.hints();
        while !self.finished.is_cancelled() {
            let idle = standing != Standing::New && !*self.active.borrow_and_update();
            if idle && self.holdings.close_if_empty() {
                self.rest(&mut standing).await;
                continue;
            }
            let asked = Instant::now();
            let instance = Arc::clone(&self.view.borrow().instance);
            let join = Join {
                instance: &instance,
                lease_ms: LEASE.as_millis().try_into().unwrap_or(i64::MAX),
                lanes: LANES,
                start_ms,
                age_ms: born.elapsed().as_millis().try_into().unwrap_or(i64::MAX),
                standing,
                give_up: &give_up,
            };
            match self.store.join(join).await {
                Ok(joined) if joined.lost => {
                    // Others may hold our lanes by now: what is in our hands is theirs, and our name must not pass for ours.
                    warn!(%instance, "the lease was lost; joining again under a new name");
                    standing = Standing::Back;
                    give_up.clear();
                    self.holdings.reopen([false; LANES], &[]);
                    self.view.send_replace(View::none(new_name()));
                    continue;
                }
                Ok(joined) => {
                    start_ms = Some(joined.start_ms);
                    standing = Standing::Known;
                    give_up = self.adopt(&joined, asked);
                }
                // The lease runs out by itself; readiness tells of Redis.
                Err(_) => give_up.clear(),
            }
            if give_up.is_empty() {
                self.pause_until_next_beat(&mut hints).await;
            }
        }
        let instance = Arc::clone(&self.view.borrow().instance);
        if self.store.leave(&instance).await.is_err() {
            warn!(%instance, "could not give up the lanes; they are free when the lease ends");
        }
        Ok(())
    }

    /// Publishes the new view; gives back the lanes that are over our share and empty already.
    fn adopt(&self, joined: &Joined, asked: Instant) -> Vec<usize> {
        let keep = joined.lanes.len().min(joined.share);
        let (kept, surplus) = joined.lanes.split_at(keep);
        let mut lanes = [false; LANES];
        for lane in kept {
            lanes[*lane] = true;
        }
        let empty = self.holdings.reopen(lanes, surplus);
        self.view.send_if_modified(|view| {
            let changed = view.lanes != lanes || view.start_ms != joined.start_ms || !view.is_valid();
            if view.lanes != lanes {
                debug!(instance = %view.instance, lanes = keep, "playing {keep} of {LANES} lanes");
            }
            *view = View {
                instance: Arc::clone(&view.instance),
                lanes,
                start_ms: joined.start_ms,
                valid_until: Some(asked + LEASE),
            };
            changed
        });
        empty
    }

    async fn pause_until_next_beat(&mut self, hints: &mut broadcast::Receiver<Hint>) {
        let next = tokio::time::sleep(BEAT);
        tokio::pin!(next);
        loop {
            tokio::select! {
                () = &mut next => return,
                () = self.holdings.emptied.notified() => return,
                () = self.finished.cancelled() => return,
                changed = self.active.changed() => if changed.is_err() || !*self.active.borrow() { return },
                hint = hints.recv() => if !matches!(hint, Ok(Hint::Posted | Hint::Reset)) { return },
            }
        }
    }

    /// Leaves, and waits until there is work again.
    async fn rest(&mut self, standing: &mut Standing) {
        let instance = Arc::clone(&self.view.borrow().instance);
        if self.store.leave(&instance).await.is_err() {
            tokio::time::sleep(BEAT).await;
            return;
        }
        *standing = Standing::Back;
        self.view.send_modify(|view| view.lanes = [false; LANES]);
        tokio::select! {
            _ = self.active.wait_for(|active| *active) => {}
            () = self.finished.cancelled() => {}
        }
    }
}

/// A name that no other instance ever has.
fn new_name() -> Arc<str> {
    format!("{}-{:x}", std::process::id(), chassis::unique::instance_id()).into()
}

const LEASE: Duration = Duration::from_secs(2);
const BEAT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_the_same_for_every_instance_for_ever() {
        let lane = |id: &str| lane_of(&CustomerId::parse(id).unwrap());
        assert_eq!([lane("1"), lane("2"), lane("a|b")], [50, 17, 11]);
    }
}
