//! What Pub/Sub tells a partition. Nothing relies on it: it only says when to look.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// What was heard since the last look.
#[derive(Default)]
pub(super) struct Hints {
    notified: AtomicBool,
    reconnected: AtomicBool,
    heard: Notify,
}

impl Hints {
    /// There is a notification for this node.
    pub(super) fn notify(&self) {
        self.notified.store(true, Ordering::Release);
        self.heard.notify_one();
    }

    /// The connection was lost and is back: messages may be missing.
    pub(super) fn reconnect(&self) {
        self.reconnected.store(true, Ordering::Release);
        self.heard.notify_one();
    }

    /// Waits until something is heard.
    pub(super) async fn heard(&self) {
        self.heard.notified().await;
    }

    pub(super) fn take_notified(&self) -> bool {
        self.notified.swap(false, Ordering::Acquire)
    }

    pub(super) fn take_reconnected(&self) -> bool {
        self.reconnected.swap(false, Ordering::Acquire)
    }
}
