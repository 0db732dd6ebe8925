use std::time::Duration;

use object_store::{BackoffConfig, ClientOptions, RetryConfig};

/// What is asked again, and how often: a worker tries a failed write again anyway, and says why it failed.
pub(super) fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: 2,
        retry_timeout: Duration::from_secs(10),
        backoff: BackoffConfig { init_backoff: Duration::from_millis(100), ..BackoffConfig::default() },
    }
}

/// How long a storage may take.
pub(super) fn options() -> ClientOptions {
    ClientOptions::new().with_timeout(Duration::from_secs(10)).with_connect_timeout(Duration::from_secs(3))
}
