//! MQTT 5.

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop as RumqttEventLoop, MqttOptions};

super::protocol::protocol!(|options, max_inflight| options
    .set_clean_start(true)
    .set_outgoing_inflight_upper_limit(max_inflight));
