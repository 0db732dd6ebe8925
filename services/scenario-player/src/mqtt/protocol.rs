//! The code for both protocol versions. rumqttc has separate types for each, with the same names and methods. So a macro
//! contains the code, and the module of each version imports its types and says how a session begins.

macro_rules! protocol {
    (|$options:ident, $max_inflight:ident| $begin_session:expr) => {
        use super::event_loop::{EventLoop, LoopEvent};
        use super::options::{KEEP_ALIVE, tls};
        use crate::config::mqtt::BrokerConfig;

        #[derive(Clone)]
        pub(super) struct Publisher {
            client: AsyncClient,
            qos: QoS,
        }

        pub(super) struct Events(RumqttEventLoop);

        /// A client, and the events of its connection. The session is a new one: the broker keeps nothing of an earlier one.
        pub(super) fn connect(broker: &BrokerConfig, $max_inflight: u16) -> (Publisher, Events) {
            let mut $options = MqttOptions::new(broker.unique_client_id(), &broker.host, broker.port);
            $options.set_keep_alive(KEEP_ALIVE);
            $begin_session;
            if let Some(username) = &broker.username {
                $options.set_credentials(username, broker.password.as_deref().unwrap_or_default());
            }
            if let Some(transport) = tls(broker) {
                $options.set_transport(transport);
            }
            let qos = match broker.qos {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            };
            let (client, events) = AsyncClient::new($options, usize::from($max_inflight));
            (Publisher { client, qos }, Events(events))
        }

        impl Publisher {
            pub(super) fn publish(&self, topic: &str, payload: String) -> bool {
                self.client.try_publish(topic, self.qos, false, payload).is_ok()
            }
        }

        impl EventLoop for Events {
            async fn next_event(&mut self) -> Result<LoopEvent, String> {
                Ok(match self.0.poll().await.map_err(|error| error.to_string())? {
                    Event::Incoming(Packet::ConnAck(_)) => LoopEvent::Connected,
                    Event::Outgoing(Outgoing::Publish(packet)) => LoopEvent::Sent(packet),
                    Event::Incoming(Packet::PubAck(ack)) => LoopEvent::Acknowledged(ack.pkid),
                    Event::Incoming(Packet::PubComp(complete)) => LoopEvent::Acknowledged(complete.pkid),
                    _ => LoopEvent::Other,
                })
            }
        }
    };
}

pub(super) use protocol;
