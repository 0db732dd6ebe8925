use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Waits until `condition` holds, looking every 10 ms.
///
/// # Panics
/// When it has not come to hold within the patience of the tests (`TEST_PATIENCE_S`, 30 s); `what` is in the message.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    eventually_ok(what, async || if condition().await { Ok(()) } else { Err("not yet") }).await;
}

/// Waits until `attempt` succeeds, and gives what it gave.
///
/// # Panics
/// As [`eventually`], with the last failure.
pub async fn eventually_ok<T, E: Debug>(what: &str, attempt: impl AsyncFn() -> Result<T, E>) -> T {
    let deadline = Instant::now() + patience();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(failure) if Instant::now() > deadline => {
                panic!("waited {:?} in vain until {what}: {failure:?}", patience())
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// How long tests wait for anything.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
pub(crate) fn patience() -> Duration {
    let seconds = std::env::var("TEST_PATIENCE_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}
