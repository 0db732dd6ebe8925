//! MQTT 3.1.1.

use rumqttc::{AsyncClient, Event, EventLoop as Events, MqttOptions, Outgoing, Packet, QoS};

use super::{KEEP_ALIVE, Step};
use crate::config::Broker;

super::version::version!(|options, window| options.set_clean_session(true).set_inflight(window));
