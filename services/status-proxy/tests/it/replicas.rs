//! Two instances behind the real haproxy, with the repository's configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use test_support::{Haproxy, ServiceProcess, eventually, size_from_env, within_patience};
use tokio::process::Command;

use crate::support::{Producer, Viewer, World, start_service};

/// What the viewers have received, and how often they had to reconnect. No line is missing, and none came twice.
#[derive(Default)]
struct Tally {
    lines: AtomicUsize,
    reconnects: AtomicUsize,
    failed: AtomicUsize,
    unrecovered: AtomicUsize,
}

/// A viewer that reconnects with its last id until it has received the last line.
async fn watch_until(port: u16, last: usize, tally: Arc<Tally>) {
    let (mut next, mut id) = (0, None::<String>);
    while next <= last {
        let path = match &id {
            Some(id) => format!("r:a?since={id}"),
            None => "r:a?history=0".to_owned(),
        };
        let Ok(mut viewer) = Viewer::connect_to(port, &path).await else {
            tally.failed.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while let Ok(text) = viewer.next().await {
            let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
            match frame["type"].as_str() {
                Some("resume") if frame["recovered"] != true => {
                    tally.unrecovered.fetch_add(1, Ordering::Relaxed);
                }
                Some("gap") => panic!("a gap"),
                Some("status") => {
                    assert_eq!(frame["data"], next.to_string(), "every line once and in order");
                    id = Some(frame["id"].as_str().unwrap().to_owned());
                    tally.lines.fetch_add(1, Ordering::Relaxed);
                    next += 1;
                    if next > last {
                        return;
                    }
                }
                _ => {}
            }
        }
        tally.reconnects.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs viewers behind haproxy on two instances, and stops the first one while lines are published.
async fn check_viewers_survive(
    stop: impl AsyncFnOnce(&mut ServiceProcess),
    last: usize,
) -> (Arc<Tally>, usize) {
    let redis = World::start().await;
    let vars = [("STATUS_HISTORY", "redis"), ("DRAIN_DELAY", "3s"), ("DRAIN_TIMEOUT", "3s")];
    let mut first = start_service(&redis, &vars).await;
    eventually("the first records", async || first.metric("status_proxy_is_recorder").await >= 1.0).await;
    let second = start_service(&redis, &vars).await;
    let haproxy = Haproxy::start("status-proxy", &[first.port(), second.port()]).await;
    eventually("haproxy passes clients on", async || {
        Viewer::connect_to(haproxy.port(), "r:warm-up").await.is_ok()
    })
    .await;
    let count = size_from_env("REPLICA_VIEWERS", 40);
    let tally = Arc::new(Tally::default());
    let viewers: Vec<_> =
        (0..count).map(|_| tokio::spawn(watch_until(haproxy.port(), last, tally.clone()))).collect();
    eventually("both have viewers", async || {
        let (a, b) =
            (first.metric("status_proxy_viewers").await, second.metric("status_proxy_viewers").await);
        a >= 1.0 && b >= 1.0 && (a + b) as usize >= count
    })
    .await;
    let producer = Producer::connect(&redis).await;
    let done = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn({
        let done = done.clone();
        async move {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) || number <= last {
                if number <= last {
                    producer.publish("r:a", number.to_string()).await;
                }
                number += 1;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    });
    eventually("lines flow", async || tally.lines.load(Ordering::Relaxed) > count * 20).await;
    stop(&mut first).await;
    done.store(true, Ordering::Relaxed);
    for viewer in viewers {
        within_patience("a viewer to have all lines", viewer).await.unwrap();
    }
    within_patience("the producer's end", publishing).await.unwrap();
    assert_eq!(tally.lines.load(Ordering::Relaxed), count * (last + 1));
    assert!(tally.reconnects.load(Ordering::Relaxed) > 0, "some viewers had to move");
    (tally, count)
}

#[tokio::test]
async fn clients_of_a_killed_instance_miss_nothing_with_history_in_redis() {
    let (tally, count) = check_viewers_survive(async |instance| instance.kill().await, 2000).await;
    let moved = tally.reconnects.load(Ordering::Relaxed);
    eprintln!("{moved} of {count} moved, {} failed attempts", tally.failed.load(Ordering::Relaxed));
    assert_eq!(tally.unrecovered.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_stopped_instance_moves_all_its_sockets_and_no_reconnect_fails() {
    let stop = async |instance: &mut ServiceProcess| assert_eq!(instance.terminate().await, 0);
    let (tally, count) = check_viewers_survive(stop, 3500).await;
    eprintln!("{} of {count} moved", tally.reconnects.load(Ordering::Relaxed));
    assert_eq!(tally.failed.load(Ordering::Relaxed), 0);
    assert_eq!(tally.unrecovered.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_repositorys_configuration_loads_without_a_warning() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../haproxy/haproxy.cfg");
    let search = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";
    let checked =
        Command::new("haproxy").env("PATH", search).args(["-c", "-f", path]).output().await.unwrap();
    let log = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && !log.contains("WARNING"), "{log}");
}
