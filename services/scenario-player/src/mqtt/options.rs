//! Options of a connection, for both protocol versions.

use std::sync::Arc;

use rumqttc::TlsConfiguration;

use crate::config::Transport;
use crate::config::mqtt::BrokerConfig;

/// What carries the protocol, for rumqttc.
pub(super) fn transport(broker: &BrokerConfig) -> rumqttc::Transport {
    let tls = broker.tls.as_ref().map(|config| TlsConfiguration::Rustls(Arc::clone(config)));
    match (broker.url.transport, tls) {
        (Transport::Tcp, None) => rumqttc::Transport::Tcp,
        (Transport::Tcp, Some(tls)) => rumqttc::Transport::Tls(tls),
        (Transport::WebSocket, None) => rumqttc::Transport::Ws,
        (Transport::WebSocket, Some(tls)) => rumqttc::Transport::Wss(tls),
    }
}
