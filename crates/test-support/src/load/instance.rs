use std::path::Path;

use crate::{ServiceProcess, TestRedis};

/// Starts an instance for a benchmark, with ten seconds to drain and a ping every 25 s. `ping_interval` is
/// the name of the service's variable for that.
///
/// # Panics
/// When it does not start.
pub async fn start_instance(binary: &Path, redis: &TestRedis, ping_interval: &str) -> ServiceProcess {
    let url = redis.url();
    let vars = [
        ("REDIS_URL", url.as_str()),
        (ping_interval, "25s"),
        ("DRAIN_DELAY", "3s"),
        ("DRAIN_TIMEOUT", "10s"),
    ];
    let service = ServiceProcess::start(&binary.to_string_lossy(), &vars).await;
    service.wait_until_ready().await;
    service
}
