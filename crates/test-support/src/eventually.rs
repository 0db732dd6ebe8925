use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Waits until `condition` is true. It is checked every 10 ms.
///
/// # Panics
/// When it is still false after `TEST_PATIENCE_S` seconds (30 by default). `what` is in the message.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    eventually_ok(what, async || if condition().await { Ok(()) } else { Err("not yet") }).await;
}

/// Repeats `attempt` until it succeeds, and returns its value.
///
/// # Panics
/// Like [`eventually`], with the last error.
pub async fn eventually_ok<T, E: Debug>(what: &str, attempt: impl AsyncFn() -> Result<T, E>) -> T {
    let deadline = Instant::now() + wait_limit();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) if Instant::now() > deadline => {
                panic!("waited {:?} in vain until {what}: {error:?}", wait_limit())
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// How long tests wait for a condition.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
fn wait_limit() -> Duration {
    let seconds = std::env::var("TEST_PATIENCE_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}
