//! What a broker takes. An MQTT 5 broker says it when it accepts the connection; others do not.

use crate::config::mqtt::{BrokerConfig, ProtocolVersion};

/// The limits of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Messages that may be sent and not acknowledged yet.
    pub(crate) max_inflight: u16,
    /// The highest QoS.
    pub(crate) max_qos: u8,
    /// The largest packet, in bytes.
    pub(crate) max_packet_bytes: u32,
}

impl Limits {
    /// Those of a broker that says nothing.
    ///
    /// Mosquitto by default has room for 20 messages of QoS 2 whose delivery is under way, HiveMQ for 10, and drops what is
    /// beyond. MQTT 3.1.1 cannot tell.
    pub(super) fn unknown(broker: &BrokerConfig, max_inflight: u16) -> Self {
        let is_silent = broker.version == ProtocolVersion::MQTTv311 && broker.qos == 2;
        let max_inflight = if is_silent { max_inflight.min(SILENT_QOS2_INFLIGHT) } else { max_inflight };
        Self { max_inflight, max_qos: 2, max_packet_bytes: u32::MAX }
    }

    /// Whether a message fits.
    pub(super) fn allows_size(&self, topic: &str, payload: &str) -> bool {
        // Two lengths of 2 bytes, the packet id, the length of no properties.
        let remaining = topic.len() + payload.len() + 5;
        let length_bytes = 1 + usize::try_from(remaining.max(1).ilog2() / 7).unwrap_or_default();
        1 + length_bytes + remaining <= usize::try_from(self.max_packet_bytes).unwrap_or(usize::MAX)
    }
}

const SILENT_QOS2_INFLIGHT: u16 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_as_large_as_the_protocol_writes_it() {
        let limits = |max_packet_bytes| Limits { max_inflight: 1, max_qos: 2, max_packet_bytes };
        // 1 + 1 + 5 + 3 + 110 = 120 bytes, and 1 + 2 + 5 + 3 + 120 = 131 bytes.
        for (payload, bytes) in [(110, 120), (120, 131), (0, 10)] {
            let payload = "x".repeat(payload);
            assert!(limits(bytes).allows_size("a/b", &payload), "{bytes}");
            assert!(!limits(bytes - 1).allows_size("a/b", &payload), "{bytes}");
        }
    }
}
