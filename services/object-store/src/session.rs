//! A client across its connections: the responses that it is owed.
//!
//! A client is known by its identity. After a reset it connects again but does not repeat its requests. So its session is
//! kept for a while, and what it was waiting for is sent over its next connection.

pub(crate) mod link;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::header::RequestHeader;
use crate::outgoing::OutgoingResponse;
use link::{Delivery, Handover, Link, Predecessor, Signals};

/// Responses that a connection takes from the outbox at a time.
const TAKE_MAX: usize = 128;

/// One client.
pub(crate) struct Session {
    /// Unique on this node: the owner of the client's waiting requests.
    pub(crate) id: u64,
    pub(crate) identity: Bytes,
    outbox: Mutex<Outbox>,
    /// Notified when [`Session::wait_until_drained`] or [`Session::wait_until_executed`] may be able to return.
    changed: Notify,
}

#[derive(Default)]
struct Outbox {
    /// Responses to be written next, in this order.
    ready: VecDeque<OutgoingResponse>,
    /// Requests that are being executed.
    in_flight: usize,
    link: Link,
}

impl Session {
    pub(crate) fn new(id: u64, identity: Bytes) -> Self {
        Self { id, identity, outbox: Mutex::default(), changed: Notify::new() }
    }

    /// Makes a new connection the current one. Only that one writes responses.
    pub(crate) fn attach(&self, signals: Arc<Signals>, handover: Handover) -> Predecessor {
        self.outbox.lock().link.attach(signals, handover)
    }

    /// A connection has ended, and the client may come back. It gets the `unsent` responses over its next connection.
    ///
    /// # Errors
    /// Returns the header if the client has a newer connection, which goes on with it.
    pub(crate) fn detach(
        &self,
        connection: &Arc<Signals>,
        pending_header: Option<RequestHeader>,
        mut unsent: VecDeque<OutgoingResponse>,
    ) -> Result<(), Option<RequestHeader>> {
        let mut outbox = self.outbox.lock();
        unsent.append(&mut outbox.ready);
        outbox.ready = unsent;
        outbox.link.wake();
        let detached = outbox.link.detach(connection, pending_header);
        drop(outbox);
        self.changed.notify_waiters();
        detached
    }

    /// The client has gone, unless it has a newer connection than this. True if it has gone.
    pub(crate) fn close(&self, connection: &Arc<Signals>) -> bool {
        let has_gone = self.outbox.lock().link.close(connection);
        self.changed.notify_waiters();
        has_gone
    }

    /// The client has gone if it has been disconnected for at least `grace`. True if it has gone.
    pub(crate) fn expire(&self, grace: Duration) -> bool {
        self.outbox.lock().link.expire(grace)
    }

    /// True if the client will not come back: no further request may wait on its behalf.
    pub(crate) fn has_gone(&self) -> bool {
        matches!(self.outbox.lock().link, Link::Gone)
    }

    /// A request is being executed, until [`Session::finish_request`].
    pub(crate) fn begin_request(&self) {
        self.outbox.lock().in_flight += 1;
    }

    /// A request has been executed: here is its response, or it begins to wait.
    pub(crate) fn finish_request(&self, response: Option<OutgoingResponse>) {
        let mut outbox = self.outbox.lock();
        outbox.in_flight -= 1;
        outbox.ready.extend(response);
        outbox.link.wake();
        let is_last = outbox.in_flight == 0;
        drop(outbox);
        if is_last {
            self.changed.notify_waiters();
        }
    }

    /// Adds responses for the client's connection, or for its next one.
    pub(crate) fn push(&self, responses: impl IntoIterator<Item = OutgoingResponse>) {
        let mut outbox = self.outbox.lock();
        outbox.ready.extend(responses);
        outbox.link.wake();
    }

    /// Number of requests that are being executed.
    pub(crate) fn in_flight(&self) -> usize {
        self.outbox.lock().in_flight
    }

    /// True if no request is being executed and no response is ready.
    pub(crate) fn is_idle(&self) -> bool {
        let outbox = self.outbox.lock();
        outbox.in_flight == 0 && outbox.ready.is_empty()
    }

    /// Moves the next responses to `into`, some at a time. False if the client has a newer connection than this.
    pub(crate) fn take_ready(
        &self,
        connection: &Arc<Signals>,
        into: &mut VecDeque<OutgoingResponse>,
    ) -> bool {
        let mut outbox = self.outbox.lock();
        if !outbox.link.is_current(connection) {
            return false;
        }
        let count = outbox.ready.len().min(TAKE_MAX);
        into.extend(outbox.ready.drain(..count));
        if count > 0 {
            outbox.link.change_delivery(Delivery::taken);
        }
        if outbox.ready.is_empty() {
            outbox.ready.shrink_to(TAKE_MAX);
        }
        true
    }

    /// The connection has written what it took.
    pub(crate) fn mark_written(&self, connection: &Arc<Signals>) {
        self.change_delivery(connection, Delivery::written);
    }

    /// Changes whether others wait for this client, if this is its connection. `change` is also told whether responses are
    /// ready. Returns what it was.
    pub(crate) fn change_delivery(
        &self,
        connection: &Arc<Signals>,
        change: impl FnOnce(Delivery, bool) -> Delivery,
    ) -> Delivery {
        let mut outbox = self.outbox.lock();
        let has_ready = !outbox.ready.is_empty();
        if !outbox.link.is_current(connection) {
            return Delivery::NotAwaited;
        }
        let before = outbox.link.change_delivery(|delivery| change(delivery, has_ready));
        let is_awaited = outbox.link.is_awaited(has_ready);
        drop(outbox);
        if !is_awaited {
            self.changed.notify_waiters();
        }
        before
    }

    /// Nobody waits for this client any more until it has everything: it does not read fast enough.
    pub(crate) fn give_up(&self) {
        self.outbox.lock().link.change_delivery(|_| Delivery::NotAwaited);
        self.changed.notify_waiters();
    }

    /// Waits until the client's connection has written every response that is ready. Does not wait for a client that is not
    /// reading, is disconnected, or has gone.
    pub(crate) async fn wait_until_drained(&self) {
        self.wait_until(|outbox| !outbox.link.is_awaited(!outbox.ready.is_empty())).await;
    }

    /// Waits until no request is being executed.
    pub(crate) async fn wait_until_executed(&self) {
        self.wait_until(|outbox| outbox.in_flight == 0).await;
    }

    async fn wait_until(&self, is_reached: impl Fn(&Outbox) -> bool) {
        loop {
            let changed = self.changed.notified();
            if is_reached(&self.outbox.lock()) {
                return;
            }
            changed.await;
        }
    }
}
