//! This instance's lease on a lane, and its partitions there.
//!
//! A partition belongs to one instance at a time, so that a customer's events keep their order: the next owner begins with
//! the first event that is still on the timeline.
//!
//! An instance that has work holds a lease and renews it with a heartbeat. If it stops doing so, its partitions become free
//! when the lease ends. When another instance joins, this one gives up what exceeds its fair share. It gives up a partition
//! only once it has no claimed event in it.
//!
//! Each lane has leases of its own, so that its partitions are where its events are, and can be checked with them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::assignment::Assignment;
use crate::claimed::ClaimedEvents;
use crate::config::ConsumeFrom;
use crate::hint::Hint;
use crate::holdings::Holdings;
use crate::lane_clocks::LaneClocks;
use crate::lanes::Lane;
use crate::partitions::{NO_PARTITIONS, PARTITIONS};
use crate::store::{JoinReply, JoinRequest, MembershipStatus, Store};
use crate::work::{Work, has_work};

/// The task that keeps the lease on a lane.
pub(crate) struct Membership {
    pub(crate) lane: Lane,
    pub(crate) store: Arc<Store>,
    pub(crate) clocks: Arc<LaneClocks>,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) claimed: Arc<ClaimedEvents>,
    pub(crate) consume_from: ConsumeFrom,
    /// Where it publishes the assignment, for the other tasks.
    pub(crate) assignment: watch::Sender<Assignment>,
    pub(crate) work: Arc<Work>,
    /// Wakes the player when it may publish more.
    pub(crate) player: Arc<Notify>,
    /// Cancelled after the last acknowledgement.
    pub(crate) finished: CancellationToken,
}

impl Membership {
    /// The assignment before the first join: no partition.
    pub(crate) fn initial_assignment() -> Assignment {
        Assignment::none(new_instance_name())
    }

    /// Joins while there is work, and leaves when there is none, until `finished`.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let started_at = Instant::now();
        let mut start_ms = self.consume_from.start_ms();
        let mut status = MembershipStatus::New;
        let mut given_up = Vec::new();
        let mut hints = self.store.hints(self.lane);
        let mut has_work = self.work.any();
        while !self.finished.is_cancelled() {
            let is_idle = status != MembershipStatus::New && !*has_work.borrow_and_update();
            if is_idle && self.claimed.stop_if_empty() {
                self.leave_until_there_is_work(&mut status, &mut has_work).await;
                continue;
            }
            let requested_at = Instant::now();
            let instance = Arc::clone(&self.assignment.borrow().instance);
            let request = JoinRequest {
                instance: &instance,
                lease_ms: self.lease_ttl().as_millis().try_into().unwrap_or(i64::MAX),
                partitions: self.lane.partitions(),
                partitions_before: self.holdings.ask(self.lane),
                start_ms,
                uptime_ms: started_at.elapsed().as_millis().try_into().unwrap_or(i64::MAX),
                status,
                starts_with_process: self.consume_from == ConsumeFrom::Latest,
                given_up: &given_up,
            };
            match self.store.join(self.lane, request).await {
                Ok(reply) if reply.lease_lost => {
                    self.holdings.set(self.lane, 0, false);
                    // Other instances may own our partitions by now, so our claimed events are theirs. Under a new name
                    // nothing that was read under the old one can be acknowledged.
                    warn!(%instance, "the lease was lost; joining again under a new name");
                    status = MembershipStatus::Returning;
                    given_up.clear();
                    self.claimed.set_partitions(NO_PARTITIONS, &[]);
                    self.assignment.send_replace(Assignment::none(new_instance_name()));
                    self.player.notify_one();
                    continue;
                }
                Ok(reply) => {
                    start_ms = Some(reply.start_ms);
                    status = MembershipStatus::Member;
                    given_up = self.apply(&reply, requested_at);
                }
                // Without a renewal the lease ends by itself. /ready and the log say what is wrong with Redis.
                Err(_) => {
                    self.holdings.set(self.lane, self.assignment_count(), true);
                    given_up.clear();
                }
            }
            if given_up.is_empty() {
                self.wait_for_heartbeat(&mut hints, &mut has_work).await;
            }
        }
        let instance = Arc::clone(&self.assignment.borrow().instance);
        if self.store.leave(self.lane, &instance).await.is_err() {
            warn!(%instance, "could not give up the partitions; they become free when the lease ends");
        }
        Ok(())
    }

    /// Publishes the new assignment. Returns the partitions above our fair share that can be given up at once.
    fn apply(&self, reply: &JoinReply, requested_at: Instant) -> Vec<usize> {
        let is_taken = reply.partitions.is_empty() && reply.fair_share > 0;
        self.holdings.set(self.lane, reply.partitions.len(), is_taken);
        let has_work = has_work(reply.first_due_ms, reply.now_ms, reply.start_ms);
        if reply.partitions.is_empty() {
            // This instance does not read the lane. Its owners may be about to fail.
            self.clocks.of(self.lane).sample(reply.now_ms, requested_at);
            self.work.set(self.lane, has_work);
        } else if has_work && !self.work.is_in(self.lane) {
            // The reader has not heard of it: the hint came by a node that is away.
            self.store.send_hint(self.lane, Hint::Posted);
        }
        let count = reply.partitions.len().min(reply.fair_share);
        let (kept, surplus) = reply.partitions.split_at(count);
        let mut partitions = NO_PARTITIONS;
        for partition in kept {
            partitions[*partition] = true;
        }
        let emptied = self.claimed.set_partitions(partitions, surplus);
        let has_changed = self.assignment.send_if_modified(|assignment| {
            let has_changed = assignment.partitions != partitions
                || assignment.start_ms != reply.start_ms
                || !assignment.is_valid();
            if assignment.partitions != partitions {
                let instance = &assignment.instance;
                let (lane, of) = (self.lane.number(), self.lane.partitions().len());
                debug!(%instance, lane, partitions = count, "playing {count} of {of} partitions");
            }
            *assignment = Assignment {
                instance: Arc::clone(&assignment.instance),
                partitions,
                start_ms: reply.start_ms,
                valid_until: Some(requested_at + self.lease_ttl()),
            };
            has_changed
        });
        if has_changed {
            self.player.notify_one();
        }
        emptied
    }

    fn lease_ttl(&self) -> Duration {
        if self.lane.partitions().len() == PARTITIONS { LEASE_TTL } else { LANE_LEASE_TTL }
    }

    fn assignment_count(&self) -> usize {
        self.assignment.borrow().partitions.iter().filter(|is_ours| **is_ours).count()
    }

    /// Waits until the lease must be renewed, or there is another reason to call `join` again.
    async fn wait_for_heartbeat(
        &self,
        hints: &mut broadcast::Receiver<Hint>,
        has_work: &mut watch::Receiver<bool>,
    ) {
        // Not all lanes at once.
        let earlier = LANES_APART * u32::try_from(self.lane.number()).unwrap_or_default();
        let heartbeat = tokio::time::sleep(self.lease_ttl() / HEARTBEATS - earlier);
        tokio::pin!(heartbeat);
        loop {
            tokio::select! {
                () = &mut heartbeat => return,
                () = self.claimed.partition_emptied.notified() => return,
                () = self.finished.cancelled() => return,
                changed = has_work.changed() => if changed.is_err() || !*has_work.borrow() { return },
                hint = hints.recv() => if !matches!(hint, Ok(Hint::Posted | Hint::Reset)) { return },
            }
        }
    }

    async fn leave_until_there_is_work(
        &self,
        status: &mut MembershipStatus,
        has_work: &mut watch::Receiver<bool>,
    ) {
        let instance = Arc::clone(&self.assignment.borrow().instance);
        if self.store.leave(self.lane, &instance).await.is_err() {
            tokio::time::sleep(RETRY_DELAY).await;
            return;
        }
        *status = MembershipStatus::Returning;
        self.holdings.set(self.lane, 0, false);
        self.assignment.send_modify(|assignment| {
            assignment.partitions = NO_PARTITIONS;
            assignment.valid_until = Some(Instant::now());
        });
        tokio::select! {
            _ = has_work.wait_for(|has_work| *has_work) => {}
            () = self.finished.cancelled() => {}
        }
    }
}

/// A name that no other instance ever has.
fn new_instance_name() -> Arc<str> {
    format!("{}-{:x}", std::process::id(), chassis::unique::instance_id()).into()
}

const LEASE_TTL: Duration = Duration::from_secs(2);
/// The same where each instance renews many leases.
const LANE_LEASE_TTL: Duration = Duration::from_secs(4);
/// So often a lease is renewed before it would end.
const HEARTBEATS: u32 = 4;
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// By so much the time between two renewals is shorter than in the lane before.
const LANES_APART: Duration = Duration::from_millis(4);
