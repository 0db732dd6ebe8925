//! MQTT 5.

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop as Events, MqttOptions};

use super::{KEEP_ALIVE, Step};
use crate::config::Broker;

super::version::version!(|options, window| options
    .set_clean_start(true)
    .set_outgoing_inflight_upper_limit(window));
