//! What the event loops of both protocol versions have in common.

/// Something that happened on a connection.
pub(super) enum LoopEvent {
    /// The broker has accepted the connection.
    Connected,
    /// A message went out under this packet id. At QoS 0 that is 0.
    Sent(u16),
    /// The broker has acknowledged the message with this packet id.
    Acknowledged(u16),
    Other,
}

/// The event loop of one protocol version. It must be polled for anything to be sent or received.
pub(super) trait EventLoop {
    /// Waits for the next event. An error ends the connection.
    async fn next_event(&mut self) -> Result<LoopEvent, String>;
}
