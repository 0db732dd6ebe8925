//! Where the response to a request goes: to a client's session, or to a caller of the library.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::id::ObjectId;
use crate::pending_response::PendingResponse;
use crate::request::Response;
use crate::session::Session;

/// The sender of a request.
pub(crate) enum ReplyTo {
    Client(PendingResponse),
    Caller(oneshot::Sender<Response>),
}

impl ReplyTo {
    /// The owner of the request, by which its waiting requests are cancelled when it goes. All callers are owner 0.
    pub(crate) fn owner(&self) -> u64 {
        match self {
            Self::Client(pending) => pending.session().id,
            Self::Caller(_) => 0,
        }
    }

    /// Nobody will read the response. This is set before the waiting requests of the sender are cancelled.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Client(pending) => pending.session().has_gone(),
            Self::Caller(sender) => sender.is_closed(),
        }
    }

    pub(crate) fn send(self, response: Response) {
        match self {
            Self::Client(pending) => pending.send(response),
            // The caller may have given up waiting.
            Self::Caller(sender) => drop(sender.send(response)),
        }
    }

    /// The response will come when the object exists. Later requests need not wait for it.
    pub(crate) fn mark_waiting(&mut self) {
        if let Self::Client(pending) = self {
            pending.mark_waiting();
        }
    }
}

/// A request that waits for an object to be created.
pub(crate) enum Waiter {
    Get(ReplyTo),
    Duplicate { id: ObjectId, reply_to: ReplyTo },
}

impl Waiter {
    pub(crate) fn reply_to(&mut self) -> &mut ReplyTo {
        match self {
            Self::Get(reply_to) | Self::Duplicate { reply_to, .. } => reply_to,
        }
    }

    pub(crate) fn into_reply_to(self) -> ReplyTo {
        match self {
            Self::Get(reply_to) | Self::Duplicate { reply_to, .. } => reply_to,
        }
    }

    /// The id that a duplicate will create.
    pub(crate) fn duplicate_id(&self) -> Option<&ObjectId> {
        match self {
            Self::Get(_) => None,
            Self::Duplicate { id, .. } => Some(id),
        }
    }
}

/// The clients whose waiting requests a request has made possible to answer.
#[derive(Default)]
pub(crate) struct Woken(Vec<Arc<Session>>);

impl Woken {
    /// Notes the client, unless it was the last one noted.
    pub(crate) fn add(&mut self, reply_to: &ReplyTo) {
        if let ReplyTo::Client(pending) = reply_to
            && self.0.last().is_none_or(|last| last.id != pending.session().id)
        {
            self.0.push(Arc::clone(pending.session()));
        }
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Arc<Session>> {
        self.0.drain(..)
    }
}
