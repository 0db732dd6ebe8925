//! What both versions of the protocol have in common. rumqttc gives each its own types of the same names and methods, so
//! one text serves both; the module that calls it imports the types and says how a session begins.

macro_rules! version {
    (|$options:ident, $window:ident| $session:expr) => {
        #[derive(Clone)]
        pub(super) struct Publisher {
            client: AsyncClient,
            qos: QoS,
        }

        pub(super) struct EventLoop(Events);

        /// A client and its events. A session begins anew: nothing of an earlier one is kept by the broker.
        pub(super) fn open(broker: &Broker, $window: u16) -> (Publisher, EventLoop) {
            let mut $options = MqttOptions::new(broker.unique_client_id(), &broker.host, broker.port);
            $options.set_keep_alive(KEEP_ALIVE);
            $session;
            if let Some(username) = &broker.username {
                $options.set_credentials(username, broker.password.as_deref().unwrap_or_default());
            }
            if let Some(transport) = broker.transport() {
                $options.set_transport(transport);
            }
            let qos = match broker.qos {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            };
            let (client, events) = AsyncClient::new($options, usize::from($window));
            (Publisher { client, qos }, EventLoop(events))
        }

        impl Publisher {
            pub(super) fn publish(&self, topic: &str, payload: String) -> bool {
                self.client.try_publish(topic, self.qos, false, payload).is_ok()
            }
        }

        impl super::EventLoop for EventLoop {
            async fn step(&mut self) -> Result<Step, String> {
                Ok(match self.0.poll().await.map_err(|error| error.to_string())? {
                    Event::Incoming(Packet::ConnAck(_)) => Step::Connected,
                    Event::Outgoing(Outgoing::Publish(packet)) => Step::Sent(packet),
                    Event::Incoming(Packet::PubAck(ack)) => Step::Done(ack.pkid),
                    Event::Incoming(Packet::PubComp(complete)) => Step::Done(complete.pkid),
                    _ => Step::Other,
                })
            }
        }
    };
}

pub(super) use version;
