//! Options of a connection, for both protocol versions.

use rumqttc::{TlsConfiguration, Transport};

use crate::config::mqtt::{BrokerConfig, Certificate};

/// TLS, if a CA is configured.
pub(super) fn tls(broker: &BrokerConfig) -> Option<Transport> {
    let Certificate(ca) = broker.ca_certificate.clone()?;
    Some(Transport::tls_with_config(TlsConfiguration::Simple { ca, alpn: None, client_auth: None }))
}
