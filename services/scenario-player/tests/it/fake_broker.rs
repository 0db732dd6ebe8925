//! A broker for MQTT 5 that answers to messages as a test wants it.

use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnAckProperties, Connect, ConnectReturnCode, Packet, PingResp, PubAck, PubAckProperties,
    PubAckReason, PubComp, PubRec, PubRecProperties, PubRecReason, Publish,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does with a message. At QoS 2 every reason is `NotAuthorized`.
pub(crate) enum Reply {
    Accept,
    Refuse(PubAckReason, &'static str),
    Close,
}

/// What it has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connections: usize,
    pub(crate) pings: usize,
    pub(crate) last_connect: Option<Connect>,
    /// All messages.
    pub(crate) messages: Vec<Publish>,
    /// The messages that it accepted.
    pub(crate) accepted: Vec<String>,
}

pub(crate) struct FakeBroker {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl FakeBroker {
    /// Serves until the test ends. `reply` is asked about each message.
    pub(crate) async fn start(
        properties: ConnAckProperties,
        reply: impl Fn(&Publish) -> Reply + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let broker = Self { port: listener.local_addr().unwrap().port(), seen: Arc::default() };
        let seen = Arc::clone(&broker.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.lock().connections += 1;
                let (seen, properties, reply) = (Arc::clone(&seen), properties.clone(), reply.clone());
                tokio::spawn(async move { serve(stream, &seen, properties, reply).await });
            }
        });
        broker
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock())
    }
}

pub(crate) fn no_properties() -> ConnAckProperties {
    ConnAckProperties {
        session_expiry_interval: None,
        receive_max: None,
        max_qos: None,
        retain_available: None,
        max_packet_size: None,
        assigned_client_identifier: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        subscription_identifiers_available: None,
        shared_subscription_available: None,
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    }
}

/// Serves one connection to its end.
async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Seen>,
    properties: ConnAckProperties,
    reply: impl Fn(&Publish) -> Reply,
) {
    let mut received = BytesMut::new();
    loop {
        let packet = match Packet::read(&mut received, None) {
            Ok(packet) => packet,
            Err(_) if stream.read_buf(&mut received).await.is_ok_and(|bytes| bytes > 0) => continue,
            Err(_) => return,
        };
        let answer = match packet {
            Packet::Connect(connect, ..) => {
                seen.lock().last_connect = Some(connect);
                Packet::ConnAck(ConnAck {
                    session_present: false,
                    code: ConnectReturnCode::Success,
                    properties: Some(properties.clone()),
                })
            }
            Packet::PingReq(_) => {
                seen.lock().pings += 1;
                Packet::PingResp(PingResp)
            }
            Packet::PubRel(release) => Packet::PubComp(PubComp::new(release.pkid, None)),
            Packet::Publish(message) => {
                seen.lock().messages.push(message.clone());
                let (mut ack, mut received) =
                    (PubAck::new(message.pkid, None), PubRec::new(message.pkid, None));
                match reply(&message) {
                    Reply::Accept => {
                        let payload = String::from_utf8(message.payload.to_vec()).unwrap();
                        seen.lock().accepted.push(payload);
                    }
                    Reply::Refuse(reason, text) => {
                        ack.reason = reason;
                        received.reason = PubRecReason::NotAuthorized;
                        let reason_string = Some(text.to_owned());
                        received.properties = Some(PubRecProperties {
                            reason_string: reason_string.clone(),
                            user_properties: Vec::new(),
                        });
                        ack.properties =
                            Some(PubAckProperties { reason_string, user_properties: Vec::new() });
                    }
                    Reply::Close => return,
                }
                match message.qos {
                    QoS::AtMostOnce => continue,
                    QoS::AtLeastOnce => Packet::PubAck(ack),
                    QoS::ExactlyOnce => Packet::PubRec(received),
                }
            }
            _ => continue,
        };
        let mut bytes = BytesMut::new();
        answer.write(&mut bytes, None).unwrap();
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
