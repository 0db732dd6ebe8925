//! What a handler returns for a request.

use crate::client::Client;
use crate::response::Response;
use crate::session::{Guard, Session};

/// What a [`Handler`](crate::Handler) returns for a request.
pub enum Reply {
    /// A plain HTTP response, after which the connection ends.
    Http(Response),
    /// The WebSocket is opened. Only for a request that [asks for one](crate::Request::is_websocket).
    WebSocket(OnOpen),
    /// An event stream is started. It has no end of its own.
    EventStream(OnOpen),
}

/// Called with the new client before the response is written, so that whatever the client is sent from then on follows
/// the response. The session that it returns is dropped when the client has disconnected.
pub(crate) type OnOpen = Box<dyn FnOnce(Client) -> Box<dyn Session> + Send>;

impl Reply {
    /// Opens the WebSocket. `on_open` gets the client before the 101 is written; the guard that it returns is dropped when
    /// the client has disconnected. It is called on the runtime, so it must not block.
    pub fn websocket<G: Send + 'static>(on_open: impl FnOnce(Client) -> G + Send + 'static) -> Self {
        Self::session(|client| Guard(on_open(client)))
    }

    /// As [`websocket`](Self::websocket), with a session that gets what the client sends.
    pub fn session<S: Session + 'static>(on_open: impl FnOnce(Client) -> S + Send + 'static) -> Self {
        Self::WebSocket(Box::new(|client| Box::new(on_open(client))))
    }

    /// Starts an event stream. `on_open` is as in [`websocket`](Self::websocket).
    pub fn event_stream<G: Send + 'static>(on_open: impl FnOnce(Client) -> G + Send + 'static) -> Self {
        Self::EventStream(Box::new(|client| Box::new(Guard(on_open(client)))))
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self::Http(response)
    }
}
