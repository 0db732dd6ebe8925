//! MQTT 3.1.1. Its acknowledgements say nothing else, so a broker that refuses a message ends the connection, or drops it in
//! silence.

use rumqttc::{
    AsyncClient, ConnAck, ConnectionError, Event, EventLoop as RumqttEventLoop, MqttOptions, Outgoing,
    Packet, PubAck, PubComp, PubRec, Publish, QoS, StateError, SubAck, SubscribeFilter, SubscribeReasonCode,
};

use super::event_loop::Answer;
use super::receiver::{MAX_PACKET_BYTES, RECEIVER_INFLIGHT, ReceiveError, Received};

super::protocol::protocol!(|options, broker, limits| options
    .set_clean_session(true)
    .set_inflight(limits.max_inflight)
    .set_max_packet_size(10 << 10, MAX_PACKET_BYTES as usize));
super::receiver::receiver!();

/// It has no user properties, so nobody is told of the span.
fn try_publish(
    client: &AsyncClient,
    _: &[(String, String)],
    message: Message,
    qos: QoS,
    _: Option<TraceParent>,
) -> bool {
    client.try_publish(message.topic, qos, message.retain, message.payload).is_ok()
}

fn take_large_packets(options: &mut MqttOptions) {
    options.set_max_packet_size(MAX_PACKET_BYTES as usize, 10 << 10);
}

fn filter(filter: &str) -> SubscribeFilter {
    SubscribeFilter::new(filter.to_owned(), QoS::ExactlyOnce)
}

fn suback(ack: &SubAck) -> Result<(), String> {
    if ack.return_codes.contains(&SubscribeReasonCode::Failure) { Err("Failure".to_owned()) } else { Ok(()) }
}

fn topic(message: &Publish) -> String {
    message.topic.clone()
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
