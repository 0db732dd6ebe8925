//! A client across its connections: the responses that it is owed.
//!
//! A client is known by its identity. After a reset it connects again but does not repeat its requests. So its session is
//! kept for a while, and what it was waiting for is sent over its next connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::header::RequestHeader;
use crate::outgoing::OutgoingResponse;
use crate::request::Response;

/// Responses that a connection takes from the outbox at a time.
const TAKE_MAX: usize = 128;

/// One client.
pub(crate) struct Session {
    /// Unique on this node: the owner of the client's waiting requests.
    pub(crate) id: u64,
    pub(crate) identity: Bytes,
    outbox: Mutex<Outbox>,
    /// Notified when [`Session::wait_until_drained`] or [`Session::wait_until_executed`] may be able to return.
    drained: Notify,
    /// The client will not come back: no further request may wait on its behalf.
    closed: AtomicBool,
}

struct Outbox {
    /// Responses to be written next, in this order.
    ready: VecDeque<OutgoingResponse>,
    /// Requests that are being executed.
    in_flight: usize,
    /// Number of the client's newest connection. Only that one writes responses.
    connection: u64,
    link: Link,
    /// The connection is writing responses that it has taken.
    writing: bool,
    /// The client does not read fast enough for others to wait for it.
    not_reading: bool,
}

/// What is known of the client's newest connection.
enum Link {
    Connected {
        /// Wakes the connection when there is something to write, and one last time when a newer one replaces it.
        wakeup: Arc<Notify>,
        /// Cancelled when a newer connection replaces it.
        replaced: CancellationToken,
        /// Receives what the connection leaves behind.
        legacy: oneshot::Receiver<Option<RequestHeader>>,
    },
    /// It was reset, or there was none yet. The client may come back.
    Disconnected { since: Instant, pending_header: Option<RequestHeader> },
}

/// A connection's hold on its session.
pub(crate) struct Attachment {
    pub(crate) session: Arc<Session>,
    /// Number of this connection among those of the client.
    pub(crate) connection: u64,
    /// Notified when [`Session::take_ready`] may have something new.
    pub(crate) wakeup: Arc<Notify>,
    /// Cancelled when the client has a newer connection.
    pub(crate) replaced: CancellationToken,
    legacy: oneshot::Sender<Option<RequestHeader>>,
}

/// The client's connection before this one, which may have received the header of a set without its payload.
pub(crate) enum Predecessor {
    Ended(Option<RequestHeader>),
    /// It has yet to execute what it has received. Then it says what header it has left.
    Ending(oneshot::Receiver<Option<RequestHeader>>),
}

impl Attachment {
    /// The connection was reset, or replaced. The client gets the `unsent` responses over its next connection.
    pub(crate) fn detach(
        self,
        pending_header: Option<RequestHeader>,
        mut unsent: VecDeque<OutgoingResponse>,
    ) {
        let mut outbox = self.session.outbox.lock();
        unsent.append(&mut outbox.ready);
        outbox.ready = unsent;
        outbox.wake();
        if outbox.connection == self.connection {
            outbox.link = Link::Disconnected { since: Instant::now(), pending_header };
            drop(outbox);
            self.session.drained.notify_waiters();
        } else {
            drop(outbox);
            // The newer connection may have ended since.
            let _ = self.legacy.send(pending_header);
        }
    }
}

impl Outbox {
    fn wake(&self) {
        if let Link::Connected { wakeup, .. } = &self.link {
            wakeup.notify_one();
        }
    }
}

impl Session {
    pub(crate) fn new(id: u64, identity: Bytes) -> Self {
        let outbox = Outbox {
            ready: VecDeque::new(),
            in_flight: 0,
            connection: 0,
            link: Link::Disconnected { since: Instant::now(), pending_header: None },
            writing: false,
            not_reading: false,
        };
        Self {
            id,
            identity,
            outbox: Mutex::new(outbox),
            drained: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Makes a new connection the current one.
    pub(crate) fn attach(self: Arc<Self>) -> (Attachment, Predecessor) {
        let (sender, legacy) = oneshot::channel();
        let (wakeup, replaced) = (Arc::new(Notify::new()), CancellationToken::new());
        // The first wakeup is for responses that became ready while the client had no connection.
        wakeup.notify_one();
        let link = Link::Connected { wakeup: Arc::clone(&wakeup), replaced: replaced.clone(), legacy };
        let mut outbox = self.outbox.lock();
        outbox.connection += 1;
        let connection = outbox.connection;
        let predecessor = match std::mem::replace(&mut outbox.link, link) {
            Link::Disconnected { pending_header, .. } => Predecessor::Ended(pending_header),
            Link::Connected { wakeup, replaced, legacy } => {
                replaced.cancel();
                wakeup.notify_one();
                Predecessor::Ending(legacy)
            }
        };
        drop(outbox);
        (Attachment { session: self, connection, wakeup, replaced, legacy: sender }, predecessor)
    }

    /// The client has gone, unless it has a newer connection than this. True if it has gone.
    pub(crate) fn close(&self, connection: u64) -> bool {
        let is_current = self.outbox.lock().connection == connection;
        self.closed.store(is_current, Ordering::Release);
        self.drained.notify_waiters();
        is_current
    }

    /// Closes the session if the client has been disconnected for at least `grace`. True if it was closed.
    pub(crate) fn expire(&self, grace: Duration) -> bool {
        let outbox = self.outbox.lock();
        let expired = matches!(&outbox.link, Link::Disconnected { since, .. } if since.elapsed() >= grace);
        self.closed.store(expired, Ordering::Release);
        expired
    }

    /// Where the response to a request goes. Responses are written in the order in which they are given. A request that is
    /// `in_flight` is counted until it has its response or begins to wait.
    pub(crate) fn expect_response(
        self: &Arc<Self>,
        request: RequestHeader,
        in_flight: bool,
    ) -> PendingResponse {
        self.outbox.lock().in_flight += usize::from(in_flight);
        PendingResponse { session: Arc::clone(self), request, in_flight }
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
    pub(crate) fn take_ready(&self, connection: u64, into: &mut VecDeque<OutgoingResponse>) -> bool {
        let mut outbox = self.outbox.lock();
        if outbox.connection == connection {
            let count = outbox.ready.len().min(TAKE_MAX);
            into.extend(outbox.ready.drain(..count));
            outbox.writing |= count > 0;
            if outbox.ready.is_empty() {
                outbox.ready.shrink_to(TAKE_MAX);
            }
        }
        outbox.connection == connection
    }

    /// The responses that were taken have been written.
    pub(crate) fn mark_written(&self) {
        let mut outbox = self.outbox.lock();
        outbox.writing = false;
        if outbox.ready.is_empty() {
            outbox.not_reading = false;
            self.drained.notify_waiters();
        }
    }

    /// While the client is not reading, nobody waits for its outbox to drain.
    pub(crate) fn set_not_reading(&self, not_reading: bool) {
        self.outbox.lock().not_reading = not_reading;
        if not_reading {
            self.drained.notify_waiters();
        }
    }

    /// Waits until the client's connection has written every response that is ready. Does not wait for a client that is not
    /// reading, is disconnected, or has gone.
    pub(crate) async fn wait_until_drained(&self) {
        loop {
            let drained = self.drained.notified();
            {
                let outbox = self.outbox.lock();
                let is_drained = outbox.ready.is_empty() && !outbox.writing;
                if is_drained
                    || outbox.not_reading
                    || matches!(outbox.link, Link::Disconnected { .. })
                    || self.closed.load(Ordering::Acquire)
                {
                    return;
                }
            }
            drained.await;
        }
    }

    /// Waits until no request is being executed.
    pub(crate) async fn wait_until_executed(&self) {
        loop {
            let changed = self.drained.notified();
            if self.in_flight() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Adds a response for the client's connection, or for its next one.
    pub(crate) fn push(&self, response: OutgoingResponse) {
        self.finish_request(false, Some(response));
    }

    fn finish_request(&self, was_in_flight: bool, response: Option<OutgoingResponse>) {
        let mut outbox = self.outbox.lock();
        outbox.in_flight -= usize::from(was_in_flight);
        outbox.ready.extend(response);
        outbox.wake();
        let is_last = was_in_flight && outbox.in_flight == 0;
        drop(outbox);
        if is_last {
            self.drained.notify_waiters();
        }
    }
}

/// A request of a client that has no response yet.
pub(crate) struct PendingResponse {
    session: Arc<Session>,
    request: RequestHeader,
    in_flight: bool,
}

impl PendingResponse {
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.session.closed.load(Ordering::Acquire)
    }

    pub(crate) fn send(self, response: Response) {
        let response = OutgoingResponse::new(self.request, response);
        self.session.finish_request(self.in_flight, Some(response));
    }

    /// The response will come when the object exists. Until then the request does not count as being in flight.
    pub(crate) fn mark_waiting(&mut self) {
        if std::mem::take(&mut self.in_flight) {
            self.session.finish_request(true, None);
        }
    }
}
