//! This instance's lease and its partitions.
//!
//! A partition belongs to one instance at a time, so that a customer's events keep their order: the next owner begins with
//! the first event that is still on the timeline.
//!
//! An instance that has work holds a lease and renews it with a heartbeat. If it stops doing so, its partitions become free
//! when the lease ends. When another instance joins, this one gives up what exceeds its fair share. It gives up a partition
//! only once it has no claimed event in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::assignment::Assignment;
use crate::claimed::ClaimedEvents;
use crate::config::ConsumeFrom;
use crate::hint::Hint;
use crate::partitions::{NO_PARTITIONS, PARTITIONS};
use crate::store::{JoinReply, JoinRequest, MembershipStatus, Store};

/// The task that keeps the lease.
pub(crate) struct Membership {
    pub(crate) store: Arc<Store>,
    pub(crate) claimed: Arc<ClaimedEvents>,
    pub(crate) consume_from: ConsumeFrom,
    /// Where it publishes the assignment, for the other tasks.
    pub(crate) assignment: watch::Sender<Assignment>,
    /// Whether there is anything to publish soon.
    pub(crate) has_work: watch::Receiver<bool>,
    /// Cancelled after the last acknowledgement.
    pub(crate) finished: CancellationToken,
}

impl Membership {
    /// The assignment before the first join: no partition.
    pub(crate) fn initial_assignment() -> Assignment {
        Assignment::none(new_instance_name())
    }

    /// Joins while there is work, and leaves when there is none, until `finished`.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let started_at = Instant::now();
        let mut start_ms = self.consume_from.start_ms();
        let mut status = MembershipStatus::New;
        let mut given_up = Vec::new();
        let mut hints = self.store.hints();
        while !self.finished.is_cancelled() {
            let is_idle = status != MembershipStatus::New && !*self.has_work.borrow_and_update();
            if is_idle && self.claimed.stop_if_empty() {
                self.leave_until_there_is_work(&mut status).await;
                continue;
            }
            let requested_at = Instant::now();
            let instance = Arc::clone(&self.assignment.borrow().instance);
            let request = JoinRequest {
                instance: &instance,
                lease_ms: LEASE_TTL.as_millis().try_into().unwrap_or(i64::MAX),
                partitions: PARTITIONS,
                start_ms,
                uptime_ms: started_at.elapsed().as_millis().try_into().unwrap_or(i64::MAX),
                status,
                starts_with_process: self.consume_from == ConsumeFrom::Latest,
                given_up: &given_up,
            };
            match self.store.join(request).await {
                Ok(reply) if reply.lease_lost => {
                    // Other instances may own our partitions by now, so our claimed events are theirs. Under a new name
                    // nothing that was read under the old one can be acknowledged.
                    warn!(%instance, "the lease was lost; joining again under a new name");
                    status = MembershipStatus::Returning;
                    given_up.clear();
                    self.claimed.set_partitions(NO_PARTITIONS, &[]);
                    self.assignment.send_replace(Assignment::none(new_instance_name()));
                    continue;
                }
                Ok(reply) => {
                    start_ms = Some(reply.start_ms);
                    status = MembershipStatus::Member;
                    given_up = self.apply(&reply, requested_at);
                }
                // Without a renewal the lease ends by itself. /ready and the log say what is wrong with Redis.
                Err(_) => given_up.clear(),
            }
            if given_up.is_empty() {
                self.wait_for_heartbeat(&mut hints).await;
            }
        }
        let instance = Arc::clone(&self.assignment.borrow().instance);
        if self.store.leave(&instance).await.is_err() {
            warn!(%instance, "could not give up the partitions; they become free when the lease ends");
        }
        Ok(())
    }

    /// Publishes the new assignment. Returns the partitions above our fair share that can be given up at once.
    fn apply(&self, reply: &JoinReply, requested_at: Instant) -> Vec<usize> {
        let count = reply.partitions.len().min(reply.fair_share);
        let (kept, surplus) = reply.partitions.split_at(count);
        let mut partitions = NO_PARTITIONS;
        for partition in kept {
            partitions[*partition] = true;
        }
        let emptied = self.claimed.set_partitions(partitions, surplus);
        self.assignment.send_if_modified(|assignment| {
            let has_changed = assignment.partitions != partitions
                || assignment.start_ms != reply.start_ms
                || !assignment.is_valid();
            if assignment.partitions != partitions {
                let instance = &assignment.instance;
                debug!(%instance, partitions = count, "playing {count} of {PARTITIONS} partitions");
            }
            *assignment = Assignment {
                instance: Arc::clone(&assignment.instance),
                partitions,
                start_ms: reply.start_ms,
                valid_until: Some(requested_at + LEASE_TTL),
            };
            has_changed
        });
        emptied
    }

    /// Waits until the lease must be renewed, or there is another reason to call `join` again.
    async fn wait_for_heartbeat(&mut self, hints: &mut broadcast::Receiver<Hint>) {
        let heartbeat = tokio::time::sleep(HEARTBEAT_INTERVAL);
        tokio::pin!(heartbeat);
        loop {
            tokio::select! {
                () = &mut heartbeat => return,
                () = self.claimed.partition_emptied.notified() => return,
                () = self.finished.cancelled() => return,
                changed = self.has_work.changed() => if changed.is_err() || !*self.has_work.borrow() { return },
                hint = hints.recv() => if !matches!(hint, Ok(Hint::Posted | Hint::Reset)) { return },
            }
        }
    }

    async fn leave_until_there_is_work(&mut self, status: &mut MembershipStatus) {
        let instance = Arc::clone(&self.assignment.borrow().instance);
        if self.store.leave(&instance).await.is_err() {
            tokio::time::sleep(HEARTBEAT_INTERVAL).await;
            return;
        }
        *status = MembershipStatus::Returning;
        self.assignment.send_modify(|assignment| assignment.partitions = NO_PARTITIONS);
        tokio::select! {
            _ = self.has_work.wait_for(|has_work| *has_work) => {}
            () = self.finished.cancelled() => {}
        }
    }
}

/// A name that no other instance ever has.
fn new_instance_name() -> Arc<str> {
    format!("{}-{:x}", std::process::id(), chassis::unique::instance_id()).into()
}

const LEASE_TTL: Duration = Duration::from_secs(2);
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);
