//! One run that has viewers, or had some a moment ago.

use std::time::{Duration, Instant};

use redis_core::id::RunId;

use crate::audience::Audience;
use crate::latest_checklist::LatestChecklist;
use crate::read_scheduler::{ReadAction, ReadScheduler};
use crate::run_refusal::RunRefusal;
use crate::shard_name::ShardName;

/// How long a run without viewers stays subscribed, if it exists. A page that is reloaded meanwhile needs no new
/// subscription.
const LINGER: Duration = Duration::from_secs(10);
/// After as many refused reads in a row, those who watch are sent away. If Redis refuses all reads, that is known sooner.
const MAX_REFUSED_READS: u8 = 5;

/// A connection that is subscribed to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscribed {
    pub(crate) shard: ShardName,
    /// See [`crate::hub`]: another connection to the shard has another.
    pub(crate) epoch: u64,
}

/// A run, its viewers, and the checklist that they were sent last.
pub(crate) struct WatchedRun {
    pub(crate) audience: Audience,
    pub(crate) scheduler: ReadScheduler,
    /// The connection that is subscribed to the run, if one is.
    pub(crate) subscribed: Option<Subscribed>,
    /// When the run is read next if no change is reported.
    pub(crate) recheck_at: Instant,
    /// Whether it can be watched. `None` until that is known.
    pub(crate) verdict: Option<Result<(), RunRefusal>>,
    /// `None` before the first read and while there are no viewers.
    pub(crate) latest: Option<LatestChecklist>,
    /// Whether it had any fields when it was read.
    exists: bool,
    refused_reads: u8,
    last_left_at: Instant,
}

impl WatchedRun {
    pub(crate) fn new(now: Instant, recheck_at: Instant) -> Self {
        Self {
            audience: Audience::default(),
            scheduler: ReadScheduler::default(),
            subscribed: None,
            recheck_at,
            verdict: None,
            latest: None,
            exists: false,
            refused_reads: 0,
            last_left_at: now,
        }
    }

    /// The run was read. Sends its checklist to its viewers if it differs from the last. Returns whether it does.
    pub(crate) async fn on_read(&mut self, id: &RunId, exists: bool, message: &str) -> bool {
        self.exists = exists;
        self.refused_reads = 0;
        if self.audience.is_empty() || self.latest.as_ref().is_some_and(|latest| latest.is(message)) {
            return false;
        }
        let latest = self.latest.insert(LatestChecklist::new(message));
        self.audience.send(id, latest).await;
        true
    }

    /// Lets in those who wait, or sends them away.
    pub(crate) fn decide(&mut self, id: &RunId, verdict: Result<(), RunRefusal>) {
        self.verdict = Some(verdict);
        match verdict {
            Ok(()) => self.audience.admit(id, &mut self.latest),
            Err(refusal) => self.audience.refuse_entrants(id, refusal),
        }
    }

    /// A read was refused. Those who watch are sent away too if that lasts, or if the run itself is the reason.
    pub(crate) fn on_read_refused(&mut self, id: &RunId, refusal: RunRefusal) {
        self.decide(id, Err(refusal));
        self.exists = false;
        self.refused_reads += 1;
        if refusal == RunRefusal::TooLarge || self.refused_reads >= MAX_REFUSED_READS {
            self.refused_reads = 0;
            self.audience.refuse(id, refusal);
        }
    }

    /// The read has failed. It is tried again, unless nobody waits for it.
    pub(crate) fn retry(&mut self, now: Instant) -> ReadAction {
        if self.audience.is_empty() {
            self.scheduler.on_read_finished(now)
        } else {
            self.scheduler.on_read_failed(now)
        }
    }

    /// Called after a viewer has left. After the last one the checklist is forgotten: nobody keeps it current any more.
    pub(crate) fn on_leave(&mut self, now: Instant) {
        self.last_left_at = now;
        if self.audience.is_empty() {
            self.latest = None;
        }
    }

    /// Whether the run has had no viewers for so long that its subscription can end. One that does not exist is not kept:
    /// anybody can make up its name.
    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.audience.is_empty() && (!self.exists || now >= self.last_left_at + LINGER)
    }
}
