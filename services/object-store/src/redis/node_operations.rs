//! Operations that a node needs for itself: it reads the notifications of other nodes, and checks what its requests wait for.

use std::collections::VecDeque;
use std::time::Instant;

use super::operation::{OnReply, Operation};
use super::partition_ids::PartitionIds;
use super::wait_recheck::WaitRecheck;
use crate::reply_to::Waiter;
use crate::wait_queue::{WaitQueue, Waiting};

/// The operations that are due, and when further ones are.
pub(super) struct NodeOperations {
    ids: PartitionIds,
    due: VecDeque<Operation>,
    recheck: WaitRecheck,
    /// There may be notifications that have not been read.
    has_notifications: bool,
    /// Notifications are being read.
    is_reading: bool,
    /// Number of the last notification that was read.
    last_notification: u64,
}

impl NodeOperations {
    pub(super) fn new(ids: PartitionIds) -> Self {
        Self {
            ids,
            due: VecDeque::new(),
            recheck: WaitRecheck::new(ids),
            has_notifications: false,
            is_reading: false,
            last_notification: 0,
        }
    }

    /// A message said that there is a notification.
    pub(super) fn notified(&mut self) {
        self.has_notifications = true;
    }

    /// The connection was lost and is back: messages may be missing.
    pub(super) fn reconnected(&mut self) {
        self.recheck.restart_now();
    }

    /// When the next check of waiting requests is due.
    pub(super) fn next_recheck(&self) -> Instant {
        self.recheck.next_due()
    }

    pub(super) fn is_recheck_due(&self) -> bool {
        Instant::now() >= self.recheck.next_due()
    }

    /// Adds what is due now. Requests are checked only while nothing is in flight: that may have answered them.
    pub(super) fn schedule(&mut self, waiting: &WaitQueue<Waiter>, is_in_flight: bool) {
        if !is_in_flight && self.is_recheck_due() {
            let (part, is_last) = self.recheck.next_part(waiting);
            self.due.extend(part);
            // Notifications are read at least once per round. This also tells Redis that the node is alive. Where it has many
            // partitions, those in which nobody waits cost nothing.
            self.has_notifications |= is_last && (self.ids.count == 1 || waiting.len() > 0);
        }
        if self.has_notifications && !self.is_reading {
            (self.has_notifications, self.is_reading) = (false, true);
            let last = self.last_notification.to_string();
            let read = Operation::new(&[b"notifications", last.as_bytes()], OnReply::Notifications);
            self.due.push_front(read);
        }
    }

    /// Notifications have been read, or could not be. If there were some, there may be more.
    pub(super) fn notifications_read(&mut self, last: Option<u64>) {
        self.is_reading = false;
        if let Some(last) = last {
            (self.has_notifications, self.last_notification) = (true, last);
        }
    }

    /// These requests were answered. If the notification and a recheck crossed, Redis may believe again that one waits. To
    /// answer a get twice does no harm, but a duplicate must not be executed again later.
    pub(super) fn cancel_rechecked(&mut self, answered: &[Box<Waiting<Waiter>>]) {
        let rechecked = answered.iter().filter(|one| self.recheck.may_have_checked(one.ticket));
        let duplicates = rechecked.filter(|one| one.waiter.duplicate_id().is_some());
        self.due.extend(duplicates.map(|one| Operation::cancel(one.ticket, &one.id, &one.waiter, self.ids)));
    }

    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    pub(super) fn next(&mut self) -> Option<Operation> {
        self.due.pop_front()
    }
}
