//! The order of one client's requests in a store that is not in this process.
//!
//! A write must not overtake the gets before it: a get may be read again (a batch that is sent again, a large content that
//! is read when its response is written), and would then find what the write did. And nothing may overtake a request of several
//! steps: the upload of a large object, or a duplicate from another partition of the store.

use crate::ymq::Message;

/// What of a client is in flight, and the message that waits for it.
#[derive(Default)]
pub(super) struct RequestOrder {
    in_flight: InFlight,
    deferred: Option<Message>,
}

#[derive(Default, PartialEq, Eq)]
enum InFlight {
    /// Nothing that others have to wait for.
    #[default]
    Nothing,
    /// Gets, of which some may not be answered yet: the next write waits for them.
    Gets,
    /// A request of several steps, such as an upload: everything waits for it.
    Steps,
}

impl RequestOrder {
    pub(super) fn get_started(&mut self) {
        self.in_flight = InFlight::Gets;
    }

    pub(super) fn steps_started(&mut self) {
        self.in_flight = InFlight::Steps;
    }

    /// Every request has been answered, and every response taken for writing.
    pub(super) fn all_finished(&mut self) {
        self.in_flight = InFlight::Nothing;
    }

    /// True if [`RequestOrder::all_finished`] would change anything.
    pub(super) fn waits_for_finish(&self) -> bool {
        self.in_flight != InFlight::Nothing
    }

    /// Returns the message if it may be executed now. Otherwise keeps it, to be [taken](Self::take_deferred) later.
    pub(super) fn admit(&mut self, message: Message) -> Option<Message> {
        if self.in_flight == InFlight::Gets && message.is_write() {
            self.deferred = Some(message);
            return None;
        }
        Some(message)
    }

    pub(super) fn take_deferred(&mut self) -> Option<Message> {
        self.deferred.take()
    }

    pub(super) fn has_deferred(&self) -> bool {
        self.deferred.is_some()
    }

    /// True if no further message may be executed now.
    pub(super) fn is_blocked(&self) -> bool {
        match self.in_flight {
            InFlight::Nothing => false,
            InFlight::Gets => self.deferred.is_some(),
            InFlight::Steps => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{RequestHeader, RequestKind};
    use crate::id::ObjectId;

    fn message(kind: RequestKind) -> Message {
        let id = ObjectId::new(&[7; 32]).unwrap();
        let header = RequestHeader { id, payload_length: 0, request_id: 0, kind };
        Message::Request { header, payload: bytes::Bytes::new() }
    }

    #[test]
    fn a_write_waits_for_the_gets_before_it() {
        let mut order = RequestOrder::default();
        order.get_started();
        assert!(order.admit(message(RequestKind::Get)).is_some());
        assert!(!order.is_blocked());
        assert!(order.admit(message(RequestKind::Delete)).is_none());
        assert!(order.is_blocked() && order.has_deferred());
        order.all_finished();
        assert!(!order.is_blocked());
        assert_eq!(order.take_deferred(), Some(message(RequestKind::Delete)));
    }

    #[test]
    fn everything_waits_for_a_request_of_several_steps() {
        let mut order = RequestOrder::default();
        order.steps_started();
        assert!(order.is_blocked() && order.waits_for_finish());
        order.all_finished();
        assert!(!order.is_blocked() && !order.waits_for_finish());
    }
}
