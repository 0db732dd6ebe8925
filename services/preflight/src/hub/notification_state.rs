//! What the hub knows about a subscribing connection.

use crate::notification_support::NotificationSupport;

/// The epoch of a connection, and which changes its server reports on it.
pub(super) struct NotificationState {
    /// No other connection has it. A subscription of another epoch is lost.
    pub(super) epoch: u64,
    /// `None` until the probe has a result; nothing is subscribed to before.
    pub(super) support: Option<NotificationSupport>,
    /// Whether a change of a watched run was reported on this connection.
    has_reported: bool,
}

impl NotificationState {
    /// There is a new connection.
    pub(super) fn new(epoch: u64) -> Self {
        Self { epoch, support: None, has_reported: false }
    }

    /// A change of a watched run was reported.
    pub(super) fn on_change(&mut self) {
        self.has_reported = true;
    }

    pub(super) fn can_subscribe(&self) -> bool {
        self.support.as_ref().is_some_and(NotificationSupport::can_subscribe)
    }

    /// Whether watched runs have to be polled, because their changes are not reported.
    pub(super) fn must_poll(&self) -> bool {
        match &self.support {
            Some(NotificationSupport::Unknown(_)) => !self.has_reported,
            Some(support) => !support.reports_changes(),
            None => false,
        }
    }
}
