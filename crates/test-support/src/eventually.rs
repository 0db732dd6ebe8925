use std::fmt::Debug;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// Waits until `condition` is true. It is checked every 10 ms.
///
/// # Panics
/// When it is still false after `TEST_PATIENCE_S` seconds (30 by default), or a check has not ended. `what` is in the message.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    eventually_ok(what, async || if condition().await { Ok(()) } else { Err("not yet") }).await;
}

/// Repeats `attempt` until it succeeds, and returns its value.
///
/// # Panics
/// Like [`eventually`], with the last error.
pub async fn eventually_ok<T, E: Debug>(what: &str, attempt: impl AsyncFn() -> Result<T, E>) -> T {
    let deadline = Instant::now() + patience();
    let mut last = None;
    loop {
        match timeout_at(deadline, attempt()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(error)) if Instant::now() < deadline => last = Some(error),
            Ok(Err(error)) => panic!("waited {:?} in vain until {what}: {error:?}", patience()),
            Err(_) => panic!("waited {:?} in vain until {what}: no answer after {last:?}", patience()),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for `future`.
///
/// # Panics
/// When it has not ended after `TEST_PATIENCE_S` seconds (30 by default). `what` is in the message.
pub async fn within_patience<T>(what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(patience(), future).await;
    result.unwrap_or_else(|_| panic!("waited {:?} in vain for {what}", patience()))
}

/// How long tests wait for a condition.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
pub(crate) fn patience() -> Duration {
    let seconds = std::env::var("TEST_PATIENCE_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}
