//! What a service keeps for an open client.

/// What a service keeps for an open WebSocket. It is dropped when the client has disconnected.
pub trait Session: Send {
    /// The client has sent a text message. Called on the connection's own task, so it must not block.
    fn on_text(&mut self, text: &str);
}

impl Session for Box<dyn Session> {
    fn on_text(&mut self, text: &str) {
        (**self).on_text(text);
    }
}

/// The session of a service that has no use for what clients send. The value is dropped with it.
pub struct Guard<G>(pub G);

impl<G: Send> Session for Guard<G> {
    fn on_text(&mut self, _text: &str) {}
}
