//! Which changes of runs Redis reports.

/// What a probe has found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotificationSupport {
    /// Redis reports every change.
    Full,
    /// Redis reports changes of fields, but not all deletions and expiries.
    ChangesOnly,
    /// Redis reports nothing.
    Off,
    /// The probe may not write its key. Only a notification for a watched run will show that Redis reports
    /// changes.
    Unknown(String),
    /// Redis does not let this user subscribe.
    Forbidden(String),
}

impl NotificationSupport {
    /// From the operations that Redis has reported for a key that was written, deleted, written again and
    /// left to expire.
    pub(crate) fn from_operations(operations: &[String]) -> Self {
        let reported = |operation: &str| operations.iter().any(|reported| reported == operation);
        match (reported("hset"), reported("del") && reported("expired")) {
            (true, true) => Self::Full,
            (true, false) => Self::ChangesOnly,
            (false, _) => Self::Off,
        }
    }

    /// Whether runs may be subscribed to.
    pub(crate) fn can_subscribe(&self) -> bool {
        !matches!(self, Self::Forbidden(_))
    }

    /// Whether Redis is known to report changes of watched runs.
    pub(crate) fn reports_changes(&self) -> bool {
        matches!(self, Self::Full | Self::ChangesOnly)
    }

    /// What an operator should know, for `/ready` and the log.
    pub(crate) fn note(&self) -> Option<String> {
        const SET: &str = "set notify-keyspace-events to Kghxe";
        match self {
            Self::Full => None,
            Self::ChangesOnly => Some(format!("deletion and expiry of runs are seen late: {SET}")),
            Self::Off => Some(format!("keyspace notifications are off, so watched runs are polled: {SET}")),
            Self::Unknown(reason) => Some(format!(
                "whether keyspace notifications are on is not known, so watched runs are polled: {reason}"
            )),
            Self::Forbidden(reason) => Some(format!(
                "keyspace notifications may not be subscribed to, so watched runs are polled: {reason}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operations_reported_for_the_probe_decide() {
        let support = |operations: &[&str]| {
            let operations: Vec<String> = operations.iter().map(ToString::to_string).collect();
            NotificationSupport::from_operations(&operations)
        };
        assert_eq!(support(&["hset", "del", "hset", "expire", "expired"]), NotificationSupport::Full);
        assert_eq!(support(&["hset", "hset"]), NotificationSupport::ChangesOnly);
        assert_eq!(support(&["hset", "del", "hset", "expire"]), NotificationSupport::ChangesOnly);
        assert_eq!(support(&["del", "expired"]), NotificationSupport::Off);
        assert_eq!(support(&[]), NotificationSupport::Off);
    }
}
