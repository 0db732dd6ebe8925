//! Two instances behind the real haproxy, with the repository's configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use test_support::{Haproxy, ServiceProcess, eventually};
use tokio::task::JoinSet;

use crate::world::{Viewer, World, start};

const VIEWERS: usize = 40;
const DRAIN: [(&str, &str); 2] = [("DRAIN_DELAY", "3s"), ("DRAIN_TIMEOUT", "3s")];

/// What the viewers had to do.
#[derive(Default)]
struct Tally {
    moves: AtomicUsize,
    failed: AtomicUsize,
}

/// A viewer that comes back whenever it is closed, until it has seen the last change.
async fn watch_until(port: u16, last: u64, tally: Arc<Tally>) {
    loop {
        let Ok(mut viewer) = Viewer::at(port, "/run").await else {
            tally.failed.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while let Some(answer) = viewer.answer_or_end().await {
            if answer["last_modified"] == last {
                return;
            }
        }
        tally.moves.fetch_add(1, Ordering::Relaxed);
    }
}

/// Viewers on two instances see the last change, whatever is done to the first.
async fn viewers_survive(harm: impl AsyncFnOnce(&mut ServiceProcess)) -> Arc<Tally> {
    const LAST: u64 = 1_000_000;
    let mut world = World::start(&DRAIN).await;
    let second = start(&world.redis.url(), &DRAIN).await;
    second.wait_until_ready().await;
    let haproxy = Haproxy::start("preflight", &[world.service.port(), second.port()]).await;
    eventually("haproxy passes viewers on", async || Viewer::at(haproxy.port(), "/warm-up").await.is_ok())
        .await;
    let tally = Arc::new(Tally::default());
    let mut viewers = JoinSet::new();
    for _ in 0..VIEWERS {
        viewers.spawn(watch_until(haproxy.port(), LAST, Arc::clone(&tally)));
    }
    let watching = async |instance: &ServiceProcess| {
        instance.metric("preflight_connections{transport=\"websocket\"}").await as usize
    };
    eventually("both have viewers", async || {
        let (first, second) = (watching(&world.service).await, watching(&second).await);
        first > 0 && second > 0 && first + second >= VIEWERS
    })
    .await;
    harm(&mut world.service).await;
    eventually("all have moved", async || watching(&second).await >= VIEWERS).await;
    world.set("run", "timestamps:a", LAST).await;
    while let Some(viewer) = viewers.join_next().await {
        viewer.unwrap();
    }
    assert!(tally.moves.load(Ordering::Relaxed) > 0, "somebody had to move");
    tally
}

#[tokio::test]
async fn when_an_instance_is_stopped_every_viewer_moves_and_no_attempt_fails() {
    let tally = viewers_survive(async |instance| assert_eq!(instance.terminate().await, 0)).await;
    assert_eq!(tally.failed.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn when_an_instance_is_killed_every_viewer_comes_back_and_sees_the_last_state() {
    viewers_survive(async |instance| instance.kill().await).await;
}
