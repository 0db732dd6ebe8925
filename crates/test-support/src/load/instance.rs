use std::path::Path;

use crate::{ServiceProcess, TestRedis};

/// Starts an instance of a service as its bench wants it: a ping every 25 s, which `ping_interval` is the variable of, and
/// ten seconds to drain.
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
