//! Logs the objects that were refused, but not thousands of lines of them.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{debug, warn};

use crate::header::{RequestHeader, RequestKind};
use crate::outgoing::Refusal;

/// Refusals that are warnings, in a period of this length. Further ones are logged at the level `debug`.
const WARNINGS_MAX: u32 = 20;
const PERIOD: Duration = Duration::from_secs(60);

/// Counts the warnings of the current period.
#[derive(Default)]
pub(crate) struct RefusalLog(Mutex<Option<(Instant, u32)>>);

impl RefusalLog {
    /// The payload of a request was skipped.
    pub(crate) fn log_skipped(&self, header: &RequestHeader, max_object: u64) {
        if header.kind == RequestKind::Set && header.payload_length > max_object {
            let reason = format!(
                "it is longer than the {max_object} bytes that OBJECT_STORE_MAX_OBJECT_SIZE_MB and \
                 OBJECT_STORE_MAX_TRANSFER_MEMORY allow"
            );
            self.warn(header, &reason);
        } else {
            self.warn(header, "its payload is not what its header announced");
        }
    }

    /// The store refused a request.
    pub(crate) fn log(&self, refusal: &Refusal) {
        // Of a get that is refused, the reason was logged before.
        if refusal.request.has_payload() {
            self.warn(&refusal.request, &refusal.reason.to_string());
        }
    }

    fn warn(&self, header: &RequestHeader, reason: &str) {
        let (id, bytes) = (&header.id, header.payload_length);
        match self.may_warn() {
            true => warn!(object = %id, bytes, "refused object {id} of {bytes} bytes: {reason}"),
            false => debug!(object = %id, bytes, "refused object {id} of {bytes} bytes: {reason}"),
        }
    }

    fn may_warn(&self) -> bool {
        let mut period = self.0.lock();
        let (_, count) = match period.as_mut().filter(|(since, _)| since.elapsed() < PERIOD) {
            Some(current) => current,
            None => period.insert((Instant::now(), 0)),
        };
        *count += 1;
        *count <= WARNINGS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_some_warnings_further_ones_are_not_logged_as_such() {
        let log = RefusalLog::default();
        let warnings = (0..100).filter(|_| log.may_warn()).count();
        assert_eq!(warnings, WARNINGS_MAX as usize);
    }
}
