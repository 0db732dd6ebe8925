//! MQTT 3.1.1.

use rumqttc::{AsyncClient, Event, EventLoop as RumqttEventLoop, MqttOptions, Outgoing, Packet, QoS};

super::protocol::protocol!(|options, max_inflight| options
    .set_clean_session(true)
    .set_inflight(max_inflight));
