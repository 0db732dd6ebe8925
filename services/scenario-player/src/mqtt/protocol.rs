//! The code for both protocol versions. rumqttc has separate types for each, with the same names and methods. So a macro
//! contains the code, and the module of each version imports its types, says how a session begins, and reads what the broker
//! answers.
//!
//! This file also works around what rumqttc 0.25 gets wrong, as its issues 1056 and 1060 report:
//!
//! - A message whose PUBREC or PUBCOMP is a refusal is counted as in flight for ever. When enough of them have gathered,
//!   nothing is sent any more. So when all others are answered, the count is reset.
//! - What the broker answered just before it ended a connection is not told. So it is looked for after the error.
//! - If a packet id is used again before its first message is answered, a message is lost or the connection ends. So the
//!   player keeps the messages in flight, from the first unanswered one on, below the number of packet ids.

macro_rules! protocol {
    (|$options:ident, $broker:ident, $limits:ident| $begin_session:expr) => {
        use std::sync::Arc;
        use std::time::Duration;

        use chassis::traces::TraceParent;

        use super::event_loop::{EventLoop, LoopEvent, Lost};
        use super::limits::Limits;
        use super::options::transport;
        use crate::config::mqtt::BrokerConfig;
        use crate::message::Message;

        fn options($broker: &BrokerConfig, $limits: Limits) -> MqttOptions {
            let mut $options = MqttOptions::new($broker.client_id(), &$broker.url.address, $broker.url.port);
            $options.set_keep_alive($broker.keep_alive).set_transport(transport($broker));
            $begin_session;
            if let Some(username) = &$broker.username {
                $options.set_credentials(username, $broker.password.as_deref().unwrap_or_default());
            }
            $options
        }

        #[derive(Clone)]
        pub(super) struct Publisher {
            client: AsyncClient,
            user_properties: Arc<[(String, String)]>,
        }

        pub(super) struct Events {
            events: RumqttEventLoop,
            /// What holds unless the broker says otherwise.
            limits: Limits,
            keep_alive: Duration,
            /// Messages on their way that rumqttc counts and the broker has not answered.
            unanswered: usize,
            /// Refused messages that rumqttc still counts.
            leaked: usize,
            /// The connection has ended, but not everything that came before is told.
            lost: Option<Lost>,
        }

        /// A client, and the events of its connection. The session is a new one: the broker keeps nothing of an earlier one.
        pub(super) fn connect($broker: &BrokerConfig, $limits: Limits) -> (Publisher, Events) {
            let options = options($broker, $limits);
            let (client, events) = AsyncClient::new(options, usize::from($limits.max_inflight));
            (
                Publisher { client, user_properties: Arc::clone(&$broker.user_properties) },
                Events {
                    events,
                    limits: $limits,
                    keep_alive: $broker.keep_alive,
                    unanswered: 0,
                    leaked: 0,
                    lost: None,
                },
            )
        }

        impl Publisher {
            pub(super) fn publish(&self, message: Message, span: Option<TraceParent>) -> bool {
                let qos = match message.qos {
                    0 => QoS::AtMostOnce,
                    1 => QoS::AtLeastOnce,
                    _ => QoS::ExactlyOnce,
                };
                try_publish(&self.client, &self.user_properties, message, qos, span)
            }
        }

        impl Events {
            fn answered(&mut self, packet_id: u16, answer: Answer, is_counted_still: bool) -> LoopEvent {
                self.unanswered = self.unanswered.saturating_sub(1);
                self.leaked += usize::from(is_counted_still);
                if self.leaked > 0 && self.unanswered == 0 && self.events.state.events.is_empty() {
                    // All that it returns is answered.
                    let _ = self.events.state.clean();
                    self.leaked = 0;
                }
                LoopEvent::Answered(packet_id, answer)
            }
        }

        impl EventLoop for Events {
            async fn next_event(&mut self) -> Result<LoopEvent, Lost> {
                let event = match self.lost {
                    None => self.events.poll().await.map_err(|error| self.lost = Some(lost(&error))).ok(),
                    Some(_) => None,
                };
                let event = event.or_else(|| self.events.state.events.pop_front());
                Ok(match event.ok_or_else(|| self.lost.take()) {
                    Err(Some(lost)) => return Err(lost),
                    Err(None) => LoopEvent::Other,
                    Ok(event) => self.read(event),
                })
            }
        }

        impl Events {
            fn read(&mut self, event: Event) -> LoopEvent {
                match event {
                    Event::Incoming(Packet::ConnAck(connack)) => {
                        LoopEvent::Connected(accept(&mut self.events, self.limits, self.keep_alive, &connack))
                    }
                    Event::Outgoing(Outgoing::Publish(packet_id)) => {
                        self.unanswered += usize::from(packet_id > 0);
                        LoopEvent::Sent(packet_id)
                    }
                    Event::Incoming(Packet::PubAck(ack)) => self.answered(ack.pkid, puback(&ack), false),
                    Event::Incoming(Packet::PubRec(received)) => match pubrec(&received) {
                        Answer::Accepted => LoopEvent::Other,
                        refused => self.answered(received.pkid, refused, true),
                    },
                    Event::Incoming(Packet::PubComp(complete)) => {
                        let answer = pubcomp(&complete);
                        let is_refused = !matches!(answer, Answer::Accepted);
                        self.answered(complete.pkid, answer, is_refused)
                    }
                    _ => LoopEvent::Other,
                }
            }
        }
    };
}

pub(super) use protocol;
