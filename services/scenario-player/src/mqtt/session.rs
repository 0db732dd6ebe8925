//! A session with the broker, as the player sees it.

use std::sync::Arc;

use chassis::traces::TraceParent;
use tokio::sync::mpsc;

use super::event_loop::Answer;
use super::limits::Limits;
use super::{v4, v5};
use crate::message::Message;

/// A connection that the broker has accepted, or standard output. Clones share it.
#[derive(Clone)]
pub(crate) struct Session {
    id: u64,
    publisher: Publisher,
    limits: Limits,
    /// Why the broker ended the session before this one, if a message may have been the cause.
    blame: Option<Arc<str>>,
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

/// The broker has answered to a message.
#[derive(Debug)]
pub(crate) struct Ack {
    /// The session in which it was published.
    pub(crate) session_id: u64,
    /// The id with which it was published.
    pub(crate) publish_id: u64,
    /// What it answered.
    pub(crate) answer: Answer,
}

/// What became of a message that was to be published.
#[derive(Debug, PartialEq)]
pub(crate) enum Published {
    /// It is on its way.
    Sent,
    /// It is larger than the broker takes. It was not sent.
    TooLarge,
    /// The session is over. It was not sent.
    SessionOver,
}

impl Session {
    pub(super) fn new(
        id: u64,
        publisher: Publisher,
        limits: Limits,
        blame: Option<Arc<str>>,
        publish_ids: mpsc::UnboundedSender<u64>,
        acks: mpsc::UnboundedSender<Ack>,
    ) -> Self {
        Self { id, publisher, limits, blame, publish_ids, acks }
    }

    /// A number for this session. No other session of this process has it.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Messages that may be in flight, from the first unanswered one on, when one of this QoS is to follow.
    pub(crate) fn max_inflight(&self, qos: u8) -> usize {
        let limits = &self.limits;
        usize::from(if qos.min(limits.max_qos) == 2 { limits.max_inflight_qos2 } else { limits.max_inflight })
    }

    /// The largest packet that the broker takes, in bytes.
    pub(crate) fn max_packet_bytes(&self) -> u32 {
        self.limits.max_packet_bytes
    }

    /// Why the broker ended the session before this one, if a message may have been the cause: the broker was there before
    /// and at once afterwards.
    pub(crate) fn blame(&self) -> Option<&Arc<str>> {
        self.blame.as_ref()
    }

    pub(super) fn obey(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Publishes a message, with the span of it for who continues its trace. Messages go out in the order of these calls.
    pub(crate) fn publish(
        &self,
        publish_id: u64,
        mut message: Message,
        span: Option<TraceParent>,
    ) -> Published {
        let allows =
            |span: Option<&TraceParent>| self.limits.allows_size(&message.topic, &message.payload, span);
        if !allows(None) {
            return Published::TooLarge;
        }
        // The trace is not worth the message.
        let span = span.filter(|span| allows(Some(span)));
        message.qos = message.qos.min(self.limits.max_qos);
        message.retain &= self.limits.retains;
        // The id before the message: the event loop looks for it when the message goes out.
        let send_id = || self.publish_ids.send(publish_id).is_ok();
        let is_sent = match &self.publisher {
            Publisher::Print => {
                println!("{} {}", message.topic, String::from_utf8_lossy(&message.payload));
                self.acks.send(Ack { session_id: self.id, publish_id, answer: Answer::Accepted }).is_ok()
            }
            Publisher::V4(publisher) => send_id() && publisher.publish(message, span),
            Publisher::V5(publisher) => send_id() && publisher.publish(message, span),
        };
        if is_sent { Published::Sent } else { Published::SessionOver }
    }
}
