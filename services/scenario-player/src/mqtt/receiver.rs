//! Receiving messages: the code for both protocol versions, as in `protocol`.

use std::io;

use crate::message::Message;

/// What a connection of a receiver brings.
pub(super) enum Received {
    /// The broker has answered to the subscription: it has it, or refuses it for this reason.
    Answer(Result<(), String>),
    Message(Message),
}

/// Why receiving ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// The first connection failed.
    #[error("connect to the broker: {0}")]
    Connect(String),
    /// The broker refuses the subscription.
    #[error("subscribe: the broker refuses it: {0}")]
    Subscribe(String),
    /// The receiver of messages failed.
    #[error("write a message: {0}")]
    Write(#[from] io::Error),
}

macro_rules! receiver {
    () => {
        /// Receives messages until the connection ends, or `on_received` fails.
        pub(super) async fn receive(
            broker: &BrokerConfig,
            filters: &[String],
            mut on_received: impl FnMut(Received) -> Result<(), ReceiveError>,
        ) -> Result<Lost, ReceiveError> {
            let limits = Limits::none(RECEIVER_INFLIGHT);
            let mut options = options(broker, limits);
            take_large_packets(&mut options);
            let (client, mut events) = AsyncClient::new(options, usize::from(RECEIVER_INFLIGHT));
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        let filters = filters.iter().map(|text| filter(text));
                        if let Err(error) = client.try_subscribe_many(filters) {
                            return Err(ReceiveError::Subscribe(error.to_string()));
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(ack))) => on_received(Received::Answer(suback(&ack)))?,
                    Ok(Event::Incoming(Packet::Publish(message))) => {
                        on_received(Received::Message(Message {
                            topic: topic(&message),
                            payload: message.payload.to_vec(),
                            qos: message.qos as u8,
                            retain: message.retain,
                        }))?;
                    }
                    Ok(_) => {}
                    Err(error) => return Ok(lost(&error)),
                }
            }
        }
    };
}

pub(super) use receiver;

/// Requests of a receiver that wait to be sent: its subscription.
pub(super) const RECEIVER_INFLIGHT: u16 = 10;
/// The largest packet of the protocol, in bytes.
pub(super) const MAX_PACKET_BYTES: u32 = 268_435_460;
