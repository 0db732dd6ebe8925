//! What the hub knows about the current subscribing connection.

use tokio::sync::watch;

use crate::notification_support::NotificationSupport;

/// The connection's epoch, and which changes Redis reports on it.
#[derive(Default)]
pub(super) struct NotificationState {
    /// Counts the connections. A subscription of an earlier epoch is lost.
    epoch: u64,
    /// `None` until the probe has a result; nothing is subscribed to before.
    support: watch::Sender<Option<NotificationSupport>>,
    /// Whether a change of a watched run was reported on this connection.
    has_reported: bool,
}

impl NotificationState {
    pub(super) fn watch(&self) -> watch::Receiver<Option<NotificationSupport>> {
        self.support.subscribe()
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// There is a new connection.
    pub(super) fn on_connected(&mut self) {
        self.epoch += 1;
        self.has_reported = false;
        self.support.send_replace(None);
    }

    /// A change of a watched run was reported.
    pub(super) fn on_change(&mut self) {
        self.has_reported = true;
    }

    /// Stores the result of a probe. Returns whether it differs from the one before.
    pub(super) fn on_probed(&mut self, support: NotificationSupport) -> bool {
        let is_new = self.support.borrow().as_ref() != Some(&support);
        if is_new {
            self.support.send_replace(Some(support));
        }
        is_new
    }

    /// Whether a probe on the current connection has found out what Redis reports.
    pub(super) fn is_known(&self) -> bool {
        self.support.borrow().is_some()
    }

    pub(super) fn can_subscribe(&self) -> bool {
        self.support.borrow().as_ref().is_some_and(NotificationSupport::can_subscribe)
    }

    /// Whether watched runs have to be polled, because Redis does not report their changes.
    pub(super) fn must_poll(&self) -> bool {
        match &*self.support.borrow() {
            Some(NotificationSupport::Unknown(_)) => !self.has_reported,
            Some(support) => !support.reports_changes(),
            None => false,
        }
    }
}
