//! Two instances behind the real haproxy, with the repository's configuration.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use test_support::{ServiceProcess, eventually, free_port};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::world::{Viewer, World, start};

const CONFIG: &str = include_str!("../../../../haproxy/haproxy.cfg");
const VIEWERS: usize = 40;
const DRAIN: [(&str, &str); 2] = [("DRAIN_DELAY", "3s"), ("DRAIN_TIMEOUT", "3s")];

/// haproxy in front of these instances: its configuration with fixed servers, as it says for machines without containers.
struct Haproxy {
    port: u16,
    _child: Child,
    _dir: tempfile::TempDir,
}

impl Haproxy {
    async fn before(instances: [&ServiceProcess; 2]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (port, other, statistics) = (free_port(), free_port(), free_port());
        let servers =
            instances.map(|instance| format!("    server s{0} 127.0.0.1:{0}\n", instance.port())).concat();
        let config = CONFIG
            .replace("    server-template preflight- 1-10 preflight:9001\n", &servers)
            .replace("bind :9001", &format!("bind 127.0.0.1:{port}"))
            .replace("bind :9002", &format!("bind 127.0.0.1:{other}"))
            .replace("bind :8404", &format!("bind 127.0.0.1:{statistics}"))
            .replace("maxconn 20000", "maxconn 4000");
        assert!(config.contains(&servers) && !config.contains(":9001\n"));
        let path = dir.path().join("haproxy.cfg");
        std::fs::write(&path, config).unwrap();
        let child = Command::new("haproxy")
            .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
            .arg("-f")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        eventually("haproxy passes viewers on", async || Viewer::at(port, "/warm-up").await.is_ok()).await;
        Self { port, _child: child, _dir: dir }
    }
}

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
    second.ready().await;
    let haproxy = Haproxy::before([&world.service, &second]).await;
    let tally = Arc::new(Tally::default());
    let mut viewers = JoinSet::new();
    for _ in 0..VIEWERS {
        viewers.spawn(watch_until(haproxy.port, LAST, Arc::clone(&tally)));
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
