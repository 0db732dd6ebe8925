//! A connection's hold on the session of its client.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::header::RequestHeader;
use crate::outgoing::OutgoingResponse;
use crate::session::Session;
use crate::session::link::{Delivery, Predecessor, Signals};

/// A connection's hold on its session.
pub(crate) struct Attachment {
    pub(crate) session: Arc<Session>,
    pub(crate) signals: Arc<Signals>,
    /// Tells the connection that follows what this one leaves behind.
    handover: oneshot::Sender<Option<RequestHeader>>,
}

impl Attachment {
    /// Makes a new connection the current one of a session.
    pub(crate) fn new(session: Arc<Session>) -> (Self, Predecessor) {
        let (signals, (sender, handover)) = (Arc::<Signals>::default(), oneshot::channel());
        // For responses that became ready while the client had no connection.
        signals.wakeup.notify_one();
        let predecessor = session.attach(Arc::clone(&signals), handover);
        (Self { session, signals, handover: sender }, predecessor)
    }

    /// The connection was reset, or replaced. The client gets the `unsent` responses over its next connection.
    pub(crate) fn detach(self, pending_header: Option<RequestHeader>, unsent: VecDeque<OutgoingResponse>) {
        if let Err(pending_header) = self.session.detach(&self.signals, pending_header, unsent) {
            // The connection that follows may have ended since.
            let _ = self.handover.send(pending_header);
        }
    }

    /// Resolves when there may be something new to write, or a newer connection.
    pub(crate) async fn woken_up(&self) {
        self.signals.wakeup.notified().await;
    }

    /// Resolves when the client has a newer connection.
    pub(crate) async fn replaced(&self) {
        self.signals.replaced.cancelled().await;
    }

    /// Moves the next responses to `into`. False if the client has a newer connection.
    pub(crate) fn take_ready(&self, into: &mut VecDeque<OutgoingResponse>) -> bool {
        self.session.take_ready(&self.signals, into)
    }

    /// What was taken has been written.
    pub(crate) fn mark_written(&self) {
        self.session.mark_written(&self.signals);
    }

    /// Runs `waiting`, in which this client waits for others. Nobody waits for it meanwhile, or two clients could wait for each
    /// other.
    pub(crate) async fn while_waiting_for_others(&self, waiting: impl Future<Output = ()>) {
        let before = self.session.change_delivery(&self.signals, |_, _| Delivery::NotAwaited);
        waiting.await;
        self.session.change_delivery(&self.signals, |_, _| before);
    }
}
