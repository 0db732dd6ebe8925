//! What Redis tells of changes, as a probe has found out.

/// The verdict of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notifications {
    /// Every change is told.
    All,
    /// Changes of fields are told, but neither all deletions nor all expiries.
    ChangesOnly,
    /// Nothing is told.
    Off,
    /// The probe may not write its key, so nothing is known until a watched run changes.
    Unproven(String),
    /// Redis does not let us subscribe.
    Forbidden(String),
}

impl Notifications {
    /// The verdict on what was heard of a key that was written, deleted, written again and left to expire.
    pub(crate) fn heard(operations: &[String]) -> Self {
        let heard = |operation: &str| operations.iter().any(|heard| heard == operation);
        match (heard("hset"), heard("del") && heard("expired")) {
            (true, true) => Self::All,
            (true, false) => Self::ChangesOnly,
            (false, _) => Self::Off,
        }
    }

    /// Whether runs may be subscribed to.
    pub(crate) fn can_subscribe(&self) -> bool {
        !matches!(self, Self::Forbidden(_))
    }

    /// Whether a change of a watched run is certain to be told.
    pub(crate) fn tells_changes(&self) -> bool {
        matches!(self, Self::All | Self::ChangesOnly)
    }

    /// What an operator should know, if anything.
    pub(crate) fn note(&self) -> Option<String> {
        const SET: &str = "set notify-keyspace-events to Kghxe";
        match self {
            Self::All => None,
            Self::ChangesOnly => Some(format!("deletion and expiry of runs are seen late: {SET}")),
            Self::Off => Some(format!("keyspace notifications are off, so watched runs are polled: {SET}")),
            Self::Unproven(reason) => Some(format!(
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
    fn what_was_heard_of_the_probe_decides() {
        let verdict = |operations: &[&str]| {
            Notifications::heard(&operations.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(verdict(&["hset", "del", "hset", "expire", "expired"]), Notifications::All);
        assert_eq!(verdict(&["hset", "hset"]), Notifications::ChangesOnly);
        assert_eq!(verdict(&["hset", "del", "hset", "expire"]), Notifications::ChangesOnly);
        assert_eq!(verdict(&["del", "expired"]), Notifications::Off);
        assert_eq!(verdict(&[]), Notifications::Off);
    }
}
