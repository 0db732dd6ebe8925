use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::error::Error;
use tokio::time::sleep;

use super::socket::{SocketEnd, Socket};
use crate::{ServiceProcess, TestRedis};

/// How long Redis is away.
const AWAY: Duration = Duration::from_secs(10);

/// Kills Redis for ten seconds while `before` is at work, again and again, with a viewer of each path. When Redis is back,
/// `after` is done once.
///
/// Gives how many viewers stayed until they saw what `sees` looks for, and the time from Redis's return until all did.
///
/// # Panics
/// When a viewer cannot be opened, or `before` cannot be done even once.
pub async fn measure_outage(
    service: &ServiceProcess,
    redis: &mut TestRedis,
    paths: &[String],
    before: impl AsyncFn(&Client) -> Result<(), Error>,
    after: impl AsyncFn(&Client),
    sees: impl Fn(&[u8]) -> bool,
) -> (usize, Duration) {
    let mut viewers = Vec::with_capacity(paths.len());
    for path in paths {
        viewers.push(Socket::open(service.port(), path).await.expect("open a viewer"));
    }
    let producer = redis.client().await;
    before(&producer).await.expect("produce while Redis is there");
    let load = async { while before(&producer).await.is_ok() {} };
    tokio::join!(load, redis.kill());
    sleep(AWAY).await;
    redis.restart().await;
    let (back, producer) = (Instant::now(), redis.client().await);
    let ends = async {
        let mut stayed = 0;
        // One after the other: what comes for the others waits in their sockets.
        for viewer in &mut viewers {
            stayed += usize::from(viewer.read(&sees).await == SocketEnd::Done);
        }
        (stayed, back.elapsed())
    };
    tokio::pin!(ends);
    tokio::select! {
        ends = &mut ends => ends,
        () = after(&producer) => ends.await,
    }
}
