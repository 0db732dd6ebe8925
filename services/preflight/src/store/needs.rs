//! What preflight must be allowed to do in Redis.

use redis_core::{Key, Needs};

/// Reading is all that it cannot do without: where it may not subscribe, or may not write its canary, it polls.
pub(super) fn needs() -> Needs {
    // Which runs a user may read is up to whoever made the user, so the key is one of preflight's own.
    let key = Key::PreflightCanary("check").to_string();
    Needs::default().and("HSCAN preflight:canary:*", ["HSCAN", &key, "0"])
}
