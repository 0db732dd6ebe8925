//! MQTT 3.1.1. Its acknowledgements say nothing else, so a broker that refuses a message ends the connection, or drops it in
//! silence.

use rumqttc::{
    AsyncClient, ConnAck, ConnectionError, Event, EventLoop as RumqttEventLoop, MqttOptions, Outgoing,
    Packet, PubAck, PubComp, PubRec, QoS, StateError,
};

use super::event_loop::Answer;

super::protocol::protocol!(|options, broker, limits| options
    .set_clean_session(true)
    .set_inflight(limits.max_inflight));

/// It has no user properties.
fn try_publish(client: &AsyncClient, _: &[(String, String)], message: Message, qos: QoS) -> bool {
    client.try_publish(message.topic, qos, message.retain, message.payload).is_ok()
}

fn accept(_: &mut RumqttEventLoop, limits: Limits, _: Duration, _: &ConnAck) -> Limits {
    limits
}

fn puback(_: &PubAck) -> Answer {
    Answer::Accepted
}

fn pubrec(_: &PubRec) -> Answer {
    Answer::Accepted
}

fn pubcomp(_: &PubComp) -> Answer {
    Answer::Accepted
}

fn lost(error: &ConnectionError) -> Lost {
    let may_be_a_message = !matches!(
        error,
        ConnectionError::MqttState(StateError::AwaitPingResp)
            | ConnectionError::NetworkTimeout
            | ConnectionError::FlushTimeout
    );
    Lost { reason: error.to_string(), may_be_a_message }
}
