//! Options of a connection, for both protocol versions.

use std::time::Duration;

use rumqttc::{TlsConfiguration, Transport};

use crate::config::mqtt::{BrokerConfig, Certificate};

/// A broker that does not answer counts as lost after at most twice this time.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// TLS, if a CA is configured.
pub(super) fn tls(broker: &BrokerConfig) -> Option<Transport> {
    let Certificate(ca) = broker.ca_certificate.clone()?;
    Some(Transport::tls_with_config(TlsConfiguration::Simple { ca, alpn: None, client_auth: None }))
}
