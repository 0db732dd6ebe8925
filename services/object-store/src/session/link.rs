//! Where a client is: the state of its session.
//!
//! ```text
//!                      attach
//!      Disconnected ◀──────────▶ Connected ──┐ attach: a newer connection
//!           │          detach     │     ▲────┘ replaces the older one
//!    expire │               close │
//!           └──────▶ Gone ◀───────┘
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::header::RequestHeader;

/// Where a client is.
pub(crate) enum Link {
    /// Its connection was reset, or there was none yet. It may come back, and then sends the payload of this header.
    Disconnected { since: Instant, pending_header: Option<RequestHeader> },
    /// Its newest connection.
    Connected { signals: Arc<Signals>, delivery: Delivery, handover: Handover },
    /// It will not come back.
    Gone,
}

/// How a session reaches a connection, by which it also knows it.
#[derive(Default)]
pub(crate) struct Signals {
    /// There may be something to write. Notified one last time when a newer connection replaces this one.
    pub(crate) wakeup: Notify,
    /// Cancelled when a newer connection replaces this one.
    pub(crate) replaced: CancellationToken,
}

/// Receives the header whose payload the connection did not receive, if there is one, when it has executed everything else.
pub(crate) type Handover = oneshot::Receiver<Option<RequestHeader>>;

/// Whether others wait until the client has been sent what it is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Its connection has written everything that it took.
    Done,
    /// Its connection writes what it has taken.
    Writing,
    /// Nobody waits: the client does not read fast enough, or waits for others itself.
    NotAwaited,
}

/// The client's connection before this one, which may have received the header of a set without its payload.
pub(crate) enum Predecessor {
    Ended(Option<RequestHeader>),
    /// It has yet to execute what it has received.
    Ending(Handover),
}

impl Default for Link {
    fn default() -> Self {
        Self::Disconnected { since: Instant::now(), pending_header: None }
    }
}

impl Link {
    /// A new connection becomes the current one, and learns what was before it.
    pub(crate) fn attach(&mut self, signals: Arc<Signals>, handover: Handover) -> Predecessor {
        match std::mem::replace(self, Self::Connected { signals, delivery: Delivery::Done, handover }) {
            Self::Disconnected { pending_header, .. } => Predecessor::Ended(pending_header),
            Self::Connected { signals: older, handover, .. } => {
                older.replaced.cancel();
                older.wakeup.notify_one();
                Predecessor::Ending(handover)
            }
            Self::Gone => Predecessor::Ended(None),
        }
    }

    /// A connection has ended, and the client may come back.
    ///
    /// # Errors
    /// Returns the header if the connection is not the current one: then it goes to the one that follows.
    pub(crate) fn detach(
        &mut self,
        connection: &Arc<Signals>,
        pending_header: Option<RequestHeader>,
    ) -> Result<(), Option<RequestHeader>> {
        if !self.is_current(connection) {
            return Err(pending_header);
        }
        *self = Self::Disconnected { since: Instant::now(), pending_header };
        Ok(())
    }

    /// A connection has ended, and the client has gone unless it has a newer one. True if it has gone.
    pub(crate) fn close(&mut self, connection: &Arc<Signals>) -> bool {
        let is_current = self.is_current(connection);
        if is_current {
            *self = Self::Gone;
        }
        is_current
    }

    /// The client has gone if it has been disconnected for at least `grace`. True if it has gone.
    pub(crate) fn expire(&mut self, grace: Duration) -> bool {
        let is_over = matches!(self, Self::Disconnected { since, .. } if since.elapsed() >= grace);
        if is_over {
            *self = Self::Gone;
        }
        is_over
    }

    pub(crate) fn is_current(&self, connection: &Arc<Signals>) -> bool {
        matches!(self, Self::Connected { signals, .. } if Arc::ptr_eq(signals, connection))
    }

    pub(crate) fn wake(&self) {
        if let Self::Connected { signals, .. } = self {
            signals.wakeup.notify_one();
        }
    }

    /// Changes the delivery of the client's connection, and returns what it was. A client without one has nothing to deliver.
    pub(crate) fn change_delivery(&mut self, change: impl FnOnce(Delivery) -> Delivery) -> Delivery {
        match self {
            Self::Connected { delivery, .. } => std::mem::replace(delivery, change(*delivery)),
            Self::Disconnected { .. } | Self::Gone => Delivery::NotAwaited,
        }
    }

    /// True if others wait for the client. `has_ready` says whether responses are ready to be written.
    pub(crate) fn is_awaited(&self, has_ready: bool) -> bool {
        match self {
            Self::Connected { delivery: Delivery::Done, .. } => has_ready,
            Self::Connected { delivery: Delivery::Writing, .. } => true,
            Self::Connected { delivery: Delivery::NotAwaited, .. }
            | Self::Disconnected { .. }
            | Self::Gone => false,
        }
    }
}

impl Delivery {
    /// The connection has taken responses.
    pub(crate) fn taken(self) -> Self {
        match self {
            Self::Done | Self::Writing => Self::Writing,
            Self::NotAwaited => Self::NotAwaited,
        }
    }

    /// The connection has written what it took. `has_more` says whether further responses are ready.
    pub(crate) fn written(self, has_more: bool) -> Self {
        match self {
            Self::NotAwaited if has_more => Self::NotAwaited,
            Self::Done | Self::Writing | Self::NotAwaited => Self::Done,
        }
    }
}

#[cfg(test)]
mod tests;
