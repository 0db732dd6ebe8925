//! Two instances behind a real haproxy with the repository's configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use test_support::{Haproxy, ServiceProcess, eventually};
use tokio::task::JoinSet;

use crate::support::{TestEnv, Viewer, start};

const VIEWERS: usize = 40;
const DRAIN: [(&str, &str); 2] = [("DRAIN_DELAY", "3s"), ("DRAIN_TIMEOUT", "3s")];

/// How often viewers had to reconnect, and how often that failed.
#[derive(Default)]
struct ReconnectCounts {
    reconnects: AtomicUsize,
    failed: AtomicUsize,
}

/// Watches until the change `last` is seen, and reconnects whenever the socket is closed.
async fn watch_until(port: u16, last: u64, counts: Arc<ReconnectCounts>) {
    loop {
        let Ok(mut viewer) = Viewer::connect_to_port(port, "/run").await else {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while let Some(checklist) = viewer.next_checklist_or_end().await {
            if checklist["last_modified"] == last {
                return;
            }
        }
        counts.reconnects.fetch_add(1, Ordering::Relaxed);
    }
}

/// Has viewers on two instances, disrupts the first, and checks that every viewer sees the last change.
async fn check_viewers_survive(disrupt: impl AsyncFnOnce(&mut ServiceProcess)) -> Arc<ReconnectCounts> {
    const LAST: u64 = 1_000_000;
    let mut env = TestEnv::start(&DRAIN).await;
    let second = start(&env.redis.url(), &DRAIN).await;
    second.wait_until_ready().await;
    let haproxy = Haproxy::start("preflight", &[env.service.port(), second.port()]).await;
    eventually("haproxy forwards viewers", async || {
        Viewer::connect_to_port(haproxy.port(), "/warm-up").await.is_ok()
    })
    .await;
    let counts = Arc::new(ReconnectCounts::default());
    let mut viewers = JoinSet::new();
    for _ in 0..VIEWERS {
        viewers.spawn(watch_until(haproxy.port(), LAST, Arc::clone(&counts)));
    }
    let viewer_count = async |instance: &ServiceProcess| {
        instance.metric("preflight_connections{transport=\"websocket\"}").await as usize
    };
    eventually("both have viewers", async || {
        let (first, second) = (viewer_count(&env.service).await, viewer_count(&second).await);
        first > 0 && second > 0 && first + second >= VIEWERS
    })
    .await;
    disrupt(&mut env.service).await;
    eventually("all have reconnected", async || viewer_count(&second).await >= VIEWERS).await;
    env.set("run", "timestamps:a", LAST).await;
    while let Some(viewer) = viewers.join_next().await {
        viewer.unwrap();
    }
    assert!(counts.reconnects.load(Ordering::Relaxed) > 0, "some viewer had to reconnect");
    counts
}

#[tokio::test]
async fn when_an_instance_is_stopped_every_viewer_reconnects_and_no_attempt_fails() {
    let counts = check_viewers_survive(async |instance| assert_eq!(instance.terminate().await, 0)).await;
    assert_eq!(counts.failed.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn when_an_instance_is_killed_every_viewer_reconnects_and_sees_the_last_state() {
    check_viewers_survive(async |instance| instance.kill().await).await;
}
