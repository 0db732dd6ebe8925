//! A session with the broker, as the player sees it.

use tokio::sync::mpsc;

use super::{v4, v5};

/// A connection that the broker has accepted, or standard output. Clones share it.
#[derive(Clone)]
pub(crate) struct Session {
    id: u64,
    publisher: Publisher,
    /// The publish ids in the order of publishing, for the event loop.
    publish_ids: mpsc::UnboundedSender<u64>,
    acks: mpsc::UnboundedSender<Ack>,
}

#[derive(Clone)]
pub(super) enum Publisher {
    V4(v4::Publisher),
    V5(v5::Publisher),
    Print,
}

/// The broker has acknowledged a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ack {
    /// The session in which it was published.
    pub(crate) session_id: u64,
    /// The id with which it was published.
    pub(crate) publish_id: u64,
}

impl Session {
    pub(super) fn new(
        id: u64,
        publisher: Publisher,
        publish_ids: mpsc::UnboundedSender<u64>,
        acks: mpsc::UnboundedSender<Ack>,
    ) -> Self {
        Self { id, publisher, publish_ids, acks }
    }

    /// A number for this session. No other session of this process has it.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Publishes a message. Messages go out in the order of these calls. False if the session is over.
    pub(crate) fn publish(&self, publish_id: u64, topic: &str, payload: String) -> bool {
        // The id before the message: the event loop looks for it when the message goes out.
        let send_id = || self.publish_ids.send(publish_id).is_ok();
        match &self.publisher {
            Publisher::Print => {
                println!("{topic} {payload}");
                self.acks.send(Ack { session_id: self.id, publish_id }).is_ok()
            }
            Publisher::V4(publisher) => send_id() && publisher.publish(topic, payload),
            Publisher::V5(publisher) => send_id() && publisher.publish(topic, payload),
        }
    }
}
