//! What a broker takes. An MQTT 5 broker says it when it accepts the connection; others do not.

use chassis::traces::TraceParent;

use crate::config::mqtt::{BrokerConfig, ProtocolVersion};

/// The limits of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Messages that may be sent and not acknowledged yet.
    pub(crate) max_inflight: u16,
    /// The same when one of QoS 2 is to follow.
    pub(crate) max_inflight_qos2: u16,
    /// The highest QoS.
    pub(crate) max_qos: u8,
    /// Whether it keeps the last message of a topic.
    pub(crate) retains: bool,
    /// The largest packet, in bytes.
    pub(crate) max_packet_bytes: u32,
    /// The user properties of each message that are set, in bytes.
    pub(crate) properties_bytes: usize,
}

impl Limits {
    /// Those of a broker that says nothing.
    ///
    /// Mosquitto by default has room for 20 messages of QoS 2 whose delivery is under way, HiveMQ for 10, and drops what is
    /// beyond. MQTT 3.1.1 cannot tell.
    pub(super) fn unknown(broker: &BrokerConfig, max_inflight: u16) -> Self {
        let max_inflight_qos2 = match broker.version {
            ProtocolVersion::MQTTv311 => max_inflight.min(SILENT_QOS2_INFLIGHT),
            ProtocolVersion::MQTTv5 => max_inflight,
        };
        let properties = broker.user_properties.iter();
        let properties_bytes = properties.map(|(name, value)| property_bytes(name.len(), value.len())).sum();
        Self { max_inflight_qos2, properties_bytes, ..Self::none(max_inflight) }
    }

    /// Those of a target that takes everything.
    pub(super) fn none(max_inflight: u16) -> Self {
        Self {
            max_inflight,
            max_inflight_qos2: max_inflight,
            max_qos: 2,
            retains: true,
            max_packet_bytes: u32::MAX,
            properties_bytes: 0,
        }
    }

    /// Whether a message fits, with the property that names its span.
    pub(super) fn allows_size(&self, topic: &str, payload: &[u8], span: Option<&TraceParent>) -> bool {
        let span_bytes = span.map_or(0, |_| property_bytes(TraceParent::NAME.len(), TraceParent::LENGTH));
        let properties_bytes = self.properties_bytes + span_bytes;
        // The length of the topic, the packet id, the length of the properties and these.
        let properties = length_bytes(properties_bytes) + properties_bytes;
        let remaining = 4 + topic.len() + payload.len() + properties;
        1 + length_bytes(remaining) + remaining
            <= usize::try_from(self.max_packet_bytes).unwrap_or(usize::MAX)
    }
}

/// How many bytes a user property takes: it has an identifier and two lengths.
fn property_bytes(name: usize, value: usize) -> usize {
    5 + name + value
}

/// How many bytes a length takes that is written seven bits to the byte.
fn length_bytes(length: usize) -> usize {
    1 + usize::try_from(length.max(1).ilog2() / 7).unwrap_or_default()
}

const SILENT_QOS2_INFLIGHT: u16 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_as_large_as_the_protocol_writes_it() {
        let limits = |max_packet_bytes| Limits { max_packet_bytes, ..Limits::none(1) };
        // 1 + 1 + 5 + 3 + 110 = 120 bytes, and 1 + 2 + 5 + 3 + 120 = 131 bytes.
        for (payload, bytes) in [(110, 120), (120, 131), (0, 10)] {
            let payload = vec![b'x'; payload];
            assert!(limits(bytes).allows_size("a/b", &payload, None), "{bytes}");
            assert!(!limits(bytes - 1).allows_size("a/b", &payload, None), "{bytes}");
            let with_properties = Limits { properties_bytes: 7, ..limits(bytes + 6) };
            assert!(!with_properties.allows_size("a/b", &payload, None), "{bytes}");
        }
    }
}
