use std::time::{Duration, Instant};

use fred::clients::Client;
use redis_core::RedisError;
use tokio::time::sleep;

use super::socket::{Socket, SocketEnd};
use crate::{ServiceProcess, TestRedis};

/// How long Redis is down.
const DOWNTIME: Duration = Duration::from_secs(10);

/// Kills Redis for ten seconds, with a viewer of each path. Before and during the kill `before` is run again
/// and again; when Redis is back `after` is run once.
///
/// Returns how many viewers stayed connected until they received a text for which `is_expected` is true, and
/// the time from the return of Redis until the last of them did.
///
/// # Panics
/// When a viewer cannot be opened, or the first run of `before` fails.
pub async fn measure_outage(
    service: &ServiceProcess,
    redis: &mut TestRedis,
    paths: &[String],
    before: impl AsyncFn(&Client) -> Result<(), RedisError>,
    after: impl AsyncFn(&Client),
    is_expected: impl Fn(&[u8]) -> bool,
) -> (usize, Duration) {
    let mut viewers = Vec::with_capacity(paths.len());
    for path in paths {
        viewers.push(Socket::open(service.port(), path).await.expect("open a viewer"));
    }
    let producer = redis.client().await;
    before(&producer).await.expect("produce while Redis is up");
    let load = async { while before(&producer).await.is_ok() {} };
    tokio::join!(load, redis.kill());
    sleep(DOWNTIME).await;
    redis.restart().await;
    let (restarted, producer) = (Instant::now(), redis.client().await);
    let read_all = async {
        let mut stayed = 0;
        // One after the other. What arrives for the others meanwhile waits in the kernel's buffers.
        for viewer in &mut viewers {
            stayed += usize::from(viewer.read(&is_expected).await == SocketEnd::Done);
        }
        (stayed, restarted.elapsed())
    };
    tokio::pin!(read_all);
    tokio::select! {
        result = &mut read_all => result,
        () = after(&producer) => read_all.await,
    }
}
