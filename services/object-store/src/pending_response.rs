//! A request of a client that has no response yet.

use std::sync::Arc;

use crate::header::RequestHeader;
use crate::outgoing::OutgoingResponse;
use crate::request::Response;
use crate::session::Session;

/// Where the response to a request of a client goes. Responses are written in the order in which they are sent here.
pub(crate) struct PendingResponse {
    session: Arc<Session>,
    request: RequestHeader,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is being executed, and others of the client may have to wait for it.
    InFlight,
    /// Its response will come when the object exists.
    Waiting,
}

impl PendingResponse {
    /// A request that is being executed.
    pub(crate) fn in_flight(session: &Arc<Session>, request: RequestHeader) -> Self {
        session.begin_request();
        Self { session: Arc::clone(session), request, state: State::InFlight }
    }

    /// A request that waits from the beginning.
    pub(crate) fn waiting(session: &Arc<Session>, request: RequestHeader) -> Self {
        Self { session: Arc::clone(session), request, state: State::Waiting }
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The response will come when the object exists. Until then the request does not count as being in flight.
    pub(crate) fn mark_waiting(&mut self) {
        if std::mem::replace(&mut self.state, State::Waiting) == State::InFlight {
            self.session.finish_request(None);
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    pub(crate) fn send(self, response: Response) {
        let response = OutgoingResponse::new(self.request, response);
        match self.state {
            State::InFlight => self.session.finish_request(Some(response)),
            State::Waiting => self.session.push([response]),
        }
    }

    /// The client, and what it is sent.
    pub(crate) fn into_outgoing(self, response: Response) -> (Arc<Session>, OutgoingResponse) {
        (self.session, OutgoingResponse::new(self.request, response))
    }
}
