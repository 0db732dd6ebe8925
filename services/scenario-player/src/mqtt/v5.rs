//! MQTT 5.

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, DisconnectReasonCode, Filter, Packet, PubAck, PubAckReason, PubComp, PubCompReason, PubRec,
    PubRecReason, Publish, PublishProperties, SubAck, SubscribeReasonCode,
};
use rumqttc::v5::{
    AsyncClient, ConnectionError, Event, EventLoop as RumqttEventLoop, MqttOptions, StateError,
};

use super::event_loop::Answer;
use super::receiver::{MAX_PACKET_BYTES, RECEIVER_INFLIGHT, ReceiveError, Received};

super::protocol::protocol!(|options, broker, limits| options
    .set_clean_start(true)
    .set_session_expiry_interval(broker.session_expiry)
    .set_user_properties(broker.user_properties.to_vec())
    .set_outgoing_inflight_upper_limit(limits.max_inflight));
super::receiver::receiver!();

fn try_publish(
    client: &AsyncClient,
    user_properties: &[(String, String)],
    Message { topic, payload, retain, .. }: Message,
    qos: QoS,
    span: Option<TraceParent>,
) -> bool {
    if user_properties.is_empty() && span.is_none() {
        return client.try_publish(topic, qos, retain, payload).is_ok();
    }
    let span = span.map(|span| (TraceParent::NAME.to_owned(), span.to_string()));
    let user_properties = user_properties.iter().cloned().chain(span).collect();
    let properties = PublishProperties { user_properties, ..PublishProperties::default() };
    client.try_publish_with_properties(topic, qos, retain, payload, properties).is_ok()
}

fn take_large_packets(options: &mut MqttOptions) {
    options.set_max_packet_size(Some(MAX_PACKET_BYTES));
}

/// With each message's own retain flag, which says otherwise only whether it was sent because of the subscription.
fn filter(filter: &str) -> Filter {
    Filter { preserve_retain: true, ..Filter::new(filter, QoS::ExactlyOnce) }
}

fn suback(ack: &SubAck) -> Result<(), String> {
    let refusal = ack.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
    let text = ack.properties.as_ref().and_then(|properties| properties.reason_string.as_deref());
    refusal.map_or(Ok(()), |code| Err(with_text(&format!("{code:?}"), text)))
}

fn topic(message: &Publish) -> String {
    String::from_utf8_lossy(&message.topic).into_owned()
}

/// The limits that the broker gives. Its keep alive is obeyed as well: rumqttc takes it, but sends no pause between two pings
/// if it is 0, and notices late that a broker is gone if it is long.
fn accept(events: &mut RumqttEventLoop, limits: Limits, keep_alive: Duration, connack: &ConnAck) -> Limits {
    let Some(properties) = &connack.properties else { return limits };
    if properties
        .server_keep_alive
        .is_some_and(|seconds| seconds == 0 || keep_alive.as_secs() < seconds.into())
    {
        events.options.set_keep_alive(keep_alive);
    }
    let max_inflight = properties.receive_max.map_or(limits.max_inflight, |max| max.min(limits.max_inflight));
    Limits {
        max_inflight,
        max_inflight_qos2: max_inflight,
        max_qos: properties.max_qos.unwrap_or(limits.max_qos),
        retains: properties.retain_available != Some(0),
        max_packet_bytes: properties.max_packet_size.unwrap_or(limits.max_packet_bytes),
        ..limits
    }
}

fn puback(ack: &PubAck) -> Answer {
    let text = ack.properties.as_ref().and_then(|properties| properties.reason_string.as_deref());
    match ack.reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Answer::Accepted,
        PubAckReason::QuotaExceeded | PubAckReason::PacketIdentifierInUse => Answer::Deferred,
        reason => refused(&format!("{reason:?}"), text),
    }
}

fn pubrec(received: &PubRec) -> Answer {
    let text = received.properties.as_ref().and_then(|properties| properties.reason_string.as_deref());
    match received.reason {
        PubRecReason::Success | PubRecReason::NoMatchingSubscribers => Answer::Accepted,
        PubRecReason::QuotaExceeded | PubRecReason::PacketIdentifierInUse => Answer::Deferred,
        reason => refused(&format!("{reason:?}"), text),
    }
}

fn pubcomp(complete: &PubComp) -> Answer {
    match complete.reason {
        PubCompReason::Success => Answer::Accepted,
        // It does not know whether it has the message.
        PubCompReason::PacketIdentifierNotFound => Answer::Deferred,
    }
}

fn refused(reason: &str, text: Option<&str>) -> Answer {
    Answer::Refused(format!("the broker refuses it: {}", with_text(reason, text)).into())
}

fn with_text(reason: &str, text: Option<&str>) -> String {
    text.map_or_else(|| reason.to_owned(), |text| format!("{reason}: {text}"))
}

fn lost(error: &ConnectionError) -> Lost {
    use DisconnectReasonCode::{
        AdministrativeAction, ConnectionRateExceeded, KeepAliveTimeout, MaximumConnectTime, ServerBusy,
        ServerMoved, ServerShuttingDown, SessionTakenOver, UseAnotherServer,
    };
    match error {
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            let text = reason_string.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            let may_be_a_message = !matches!(
                reason_code,
                AdministrativeAction
                    | ConnectionRateExceeded
                    | KeepAliveTimeout
                    | MaximumConnectTime
                    | ServerBusy
                    | ServerMoved
                    | ServerShuttingDown
                    | SessionTakenOver
                    | UseAnotherServer
            );
            Lost {
                reason: format!("the broker ended the connection: {reason_code:?}{text}"),
                may_be_a_message,
            }
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) | ConnectionError::Timeout(_) => {
            Lost { reason: error.to_string(), may_be_a_message: false }
        }
        _ => Lost { reason: error.to_string(), may_be_a_message: true },
    }
}
