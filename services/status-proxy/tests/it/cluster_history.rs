//! Recorded history on a Redis Cluster: it is the same at every instance, the instances share the recording, and a shard that is away
//! stops only the runs that it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, PubsubInterface, ServerInterface};
use fred::types::InfoKind;
use futures_util::future::join_all;
use redis_core::key::{hash_slot, spread_tags};
use serde_json::Value;
use test_support::{RedisCluster, ServiceProcess, eventually, eventually_ok, size_from_env, within_patience};
use tokio::time::timeout;

use crate::cluster_load::{Event, Load, count_missing, read};
use crate::support::{BINARY, Producer, Viewer, start_service};

const VARS: [(&str, &str); 3] =
    [("STATUS_HISTORY", "redis"), ("STATUS_HISTORY_LINES", "100000"), ("STATUS_HISTORY_SIZE", "64MB")];
const PARTITIONS: u16 = 64;

/// A run whose history the primary with this number has at first.
fn run_at(primary: u16) -> String {
    let tags = spread_tags("", PARTITIONS);
    let primary_of =
        |run: &str| hash_slot(&tags[usize::from(hash_slot(run) % PARTITIONS)]) / (16_384 / 3 + 1);
    (0..).map(|number| format!("run-{number}")).find(|run| primary_of(run) == primary).unwrap()
}

async fn sum(instances: &[ServiceProcess], metric: &str) -> f64 {
    join_all(instances.iter().map(|service| service.metric(metric))).await.into_iter().sum()
}

/// Waits until each partition is recorded, and each instance has its share.
async fn wait_until_shared(instances: &[ServiceProcess]) {
    let share = usize::from(PARTITIONS).div_ceil(instances.len());
    eventually("the recording is shared", async || {
        let held = join_all(instances.iter().map(|one| one.metric("status_proxy_is_recorder"))).await;
        held.iter().sum::<f64>() == f64::from(PARTITIONS) && held.iter().all(|held| *held <= share as f64)
    })
    .await;
}

async fn start_instances(cluster: &RedisCluster, count: usize) -> Vec<ServiceProcess> {
    let mut instances = Vec::new();
    for _ in 0..count {
        instances.push(start_service(cluster, &VARS).await);
    }
    wait_until_shared(&instances).await;
    instances
}

async fn read_any(viewer: &mut Viewer, count: usize) -> Vec<Value> {
    let mut frames = Vec::new();
    for _ in 0..count {
        frames.push(viewer.next_json().await);
    }
    frames
}

/// Reads status frames, no gap among them.
async fn read_frames(viewer: &mut Viewer, count: usize) -> Vec<Value> {
    let frames = read_any(viewer, count).await;
    assert!(frames.iter().all(|frame| frame["type"] == "status"), "{frames:?}");
    frames
}

async fn resume(service: &ServiceProcess, path: &str) -> Viewer {
    let mut viewer = Viewer::connect(service, path).await;
    let told = viewer.next_json().await;
    assert_eq!((&told["type"], &told["recovered"]), (&"resume".into(), &true.into()), "{path}: {told}");
    viewer
}

#[tokio::test]
async fn the_redis_user_of_the_readme_is_enough() {
    let cluster = RedisCluster::start().await;
    cluster.set_user(include_str!("../../README.md")).await;
    let service =
        ServiceProcess::start(BINARY, &[("REDIS_URL", &*cluster.url_of("status-proxy")), VARS[0]]).await;
    service.wait_until_ready().await;
    let producer = cluster.nodes[0].client().await;
    for primary in 0..3 {
        let channel = format!("{}:log", run_at(primary));
        let mut viewer = Viewer::connect(&service, &channel).await;
        producer.publish::<(), _, _>(&channel, "a line").await.unwrap();
        assert_eq!(viewer.next_line().await, "a line");
    }
    let recorded = async || service.metric("status_proxy_recorded_lines_total").await == 3.0;
    eventually("the lines are recorded", recorded).await;
    cluster.assert_nothing_denied().await;
}

#[tokio::test]
async fn every_instance_has_the_same_history_and_records_its_share_and_one_that_is_killed_costs_no_line() {
    let cluster = RedisCluster::start().await;
    let mut instances = start_instances(&cluster, 3).await;
    let run = run_at(0);
    let mut viewers = Vec::new();
    for service in &instances {
        viewers.push(resume(service, &format!("{run}:*?history=0")).await);
    }
    // By primaries and by replicas.
    join_all(cluster.nodes.iter().enumerate().map(async |(number, node)| {
        let producer = Producer::connect(node).await;
        for line in 0..50 {
            producer.publish(&format!("{run}:{number}"), line.to_string()).await;
        }
    }))
    .await;
    let live: Vec<Vec<Value>> = join_all(viewers.iter_mut().map(|viewer| read_frames(viewer, 300))).await;
    assert_eq!((&live[0], &live[1]), (&live[1], &live[2]), "all instances give a line the same id");
    eventually("all lines are recorded", async || {
        sum(&instances, "status_proxy_recorded_lines_total").await >= 300.0
    })
    .await;
    let late = start_service(&cluster, &VARS).await;
    eventually("the recording reaches its start", async || {
        let mut viewer = Viewer::connect(&late, &format!("{run}:*?history=300")).await;
        let told = viewer.next_json().await;
        told["recovered"] == true && read_frames(&mut viewer, 300).await == live[0]
    })
    .await;
    instances[0].kill().await;
    let killed = instances.remove(0);
    let producer = Producer::connect(&cluster).await;
    for line in 0..50 {
        producer.publish(&format!("{run}:later"), line.to_string()).await;
    }
    let since = live[0][200]["id"].as_str().unwrap();
    for service in instances.iter().chain([&late]) {
        let mut viewer = resume(service, &format!("{run}:*?since={since}")).await;
        let frames = read_frames(&mut viewer, 149).await;
        assert_eq!(frames[..99], live[0][201..]);
        assert!(frames[99..].iter().all(|frame| frame["channel"] == "later"));
    }
    drop(killed);
    instances.push(late);
    wait_until_shared(&instances).await;
}

/// What is recorded of a run, at an instance that has received none of it.
async fn recorded(service: &ServiceProcess, producer: &Producer, run: &str, nodes: &[usize]) -> Vec<Value> {
    eventually("the recording reaches its start", async || {
        // On a busy machine nodes seem to be away for a moment. What came before that is not called complete any more.
        producer.publish(&format!("{run}:later"), "a line").await;
        let mut viewer = Viewer::connect(service, &format!("{run}:*?history=1")).await;
        viewer.next_json().await["recovered"] == true
    })
    .await;
    // A Redis that does not answer in time leaves what the instance itself has received.
    let read_once = async || {
        let viewer = Viewer::connect(service, &format!("{run}:*?history=100000")).await;
        timeout(Duration::from_secs(10), read(viewer, nodes, Arc::default())).await
    };
    eventually_ok("the end of the recording is read", read_once).await.unwrap()
}

async fn check(events: &[Event]) {
    let mut cluster = RedisCluster::start().await;
    let instances = start_instances(&cluster, 2).await;
    let is_killed = events.contains(&Event::Kill);
    let living: &[usize] = if is_killed { &[1, 2] } else { &[0, 1, 2] };
    let runs = [run_at(0), run_at(1), run_at(2)];
    let seen = Arc::new(AtomicUsize::new(0));
    let (mut reading, mut loads) = (Vec::new(), Vec::new());
    for (number, run) in runs.iter().enumerate() {
        let viewer = resume(&instances[number % 2], &format!("{run}:*?history=0")).await;
        reading.push(read(viewer, living, seen.clone()));
        let pause = Duration::from_millis(10);
        loads.push(join_all((0..3).map(|node| Load::start(&cluster, node, run, pause))).await);
    }
    let flows = async || {
        let before = seen.load(Ordering::Relaxed);
        eventually("lines flow", async || seen.load(Ordering::Relaxed) > before + 300).await;
    };
    for event in events {
        flows().await;
        if *event == Event::Kill {
            // While the shard is away, the lines of the others' runs are recorded.
            cluster.kill_without_failover(0).await;
            eventually("/ready names the shard", async || {
                join_all(instances.iter().map(|one| one.get("/ready"))).await.iter().all(|(status, body)| {
                    *status == 503
                        && body.contains(&format!("shard of 127.0.0.1:{}", cluster.nodes[0].port()))
                })
            })
            .await;
            let before = sum(&instances, "status_proxy_recorded_lines_total").await;
            eventually("lines of other shards' runs are recorded", async || {
                sum(&instances, "status_proxy_recorded_lines_total").await > before
            })
            .await;
            cluster.allow_failover().await;
            cluster.wait_for_failover(100, 0).await;
        } else {
            event.happen(&mut cluster).await;
        }
    }
    flows().await;
    for service in &instances {
        service.wait_until_ready().await;
    }
    let mut taken = Vec::new();
    for (run, loads) in runs.iter().zip(loads) {
        taken.push(join_all(loads.into_iter().map(Load::finish)).await);
        for &node in living {
            Producer::connect(&cluster.nodes[node]).await.publish(&format!("{run}:{node}"), "end").await;
        }
    }
    let late = start_service(&cluster, &VARS).await;
    let producer = Producer::connect(&cluster.nodes[1]).await;
    for ((run, taken), reading) in runs.iter().zip(&taken).zip(reading) {
        let frames = within_patience("the end", reading).await.unwrap();
        let missing = count_missing(&frames, taken);
        let unrecorded = count_missing(&recorded(&late, &producer, run, living).await, taken);
        let count: usize = taken.iter().map(Vec::len).sum();
        println!("{events:?}, {run}: {missing} of {count} lines missed live, {unrecorded} not recorded");
        if !is_killed {
            assert_eq!((missing, unrecorded), (0, 0), "{events:?}, {run}");
        }
    }
    for run in &runs {
        eventually("what comes after it all can be resumed at the other instance", async || {
            let mut viewer = Viewer::connect(&instances[0], &format!("{run}:*?history=0")).await;
            viewer.next_json().await;
            for line in 0..6 {
                producer.publish(&format!("{run}:later"), line.to_string()).await;
            }
            let mut frames = read_any(&mut viewer, 6).await;
            let since = frames.remove(0)["id"].as_str().unwrap_or_default().to_owned();
            let mut other = Viewer::connect(&instances[1], &format!("{run}:*?since={since}")).await;
            other.next_json().await["recovered"] == true && read_any(&mut other, 5).await == frames
        })
        .await;
    }
}

#[tokio::test]
async fn when_a_primary_is_killed_the_others_go_on_and_what_is_missing_is_told() {
    check(&[Event::Kill, Event::AddNode]).await;
}

#[tokio::test]
async fn planned_changes_cost_no_line_live_or_recorded() {
    check(&[Event::FailOver, Event::MoveSlots]).await;
}

#[tokio::test]
async fn what_a_failover_of_a_shard_has_lost_is_not_called_recovered() {
    let cluster = RedisCluster::start().await;
    let instances = start_instances(&cluster, 1).await;
    let run = run_at(0);
    let mut viewer = resume(&instances[0], &format!("{run}:a?history=0")).await;
    let producer = Producer::connect(&cluster).await;
    let mut ids: Vec<String> = Vec::new();
    let mut publish = async |ids: &mut Vec<String>| {
        producer.publish(&format!("{run}:a"), ids.len().to_string()).await;
        ids.push(read_frames(&mut viewer, 1).await[0]["id"].as_str().unwrap().to_owned());
    };
    let recorded = async |count: usize| {
        eventually("all lines are recorded", async || {
            sum(&instances, "status_proxy_recorded_lines_total").await >= count as f64
        })
        .await;
    };
    for _ in 0..3 {
        publish(&mut ids).await;
    }
    recorded(3).await;
    // As a replica that has not heard of the last calls.
    let client = cluster.nodes[0].client().await;
    let tag = &spread_tags("", PARTITIONS)[usize::from(hash_slot(&run) % PARTITIONS)];
    let pattern = vec![format!("status-proxy:{{{tag}}}:recorded:*")];
    let keys: Vec<String> = client.custom(fred::cmd!("KEYS"), pattern).await.unwrap();
    let field = vec![keys[0].clone(), "calls".to_owned(), "0".to_owned()];
    let _: i64 = client.custom(fred::cmd!("HSET"), field).await.unwrap();
    eventually("the loss is noticed", async || instances[0].log().contains("has lost recorded lines")).await;
    // It is recorded completely from an epoch on that has not begun yet.
    let epoch = |id: &String| id.split_once('-').unwrap().0.to_owned();
    publish(&mut ids).await;
    while epoch(&ids[3]) == epoch(&ids[ids.len() - 1]) {
        publish(&mut ids).await;
    }
    publish(&mut ids).await;
    recorded(ids.len()).await;
    let late = start_service(&cluster, &VARS).await;
    let (early, last) = (&ids[1], &ids[ids.len() - 2]);
    eventually("what came after it can be resumed", async || {
        let mut viewer = Viewer::connect(&late, &format!("{run}:a?since={last}")).await;
        viewer.next_json().await["recovered"] == true && read_frames(&mut viewer, 1).await.len() == 1
    })
    .await;
    let mut viewer = Viewer::connect(&late, &format!("{run}:a?since={early}")).await;
    assert_eq!(viewer.next_json().await["recovered"], false);
}

async fn commands(client: &Client) -> f64 {
    let info: String = client.info(Some(InfoKind::Stats)).await.unwrap();
    let count = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    count.unwrap().trim().parse().unwrap()
}

/// How many times the mean the greatest of these is.
fn busiest(counts: &[f64]) -> f64 {
    counts.iter().copied().fold(0.0, f64::max) * counts.len() as f64 / counts.iter().sum::<f64>()
}

#[tokio::test]
async fn keys_and_commands_of_the_recording_are_spread_over_the_shards() {
    const BURST: usize = 900;
    let count = size_from_env("STATUS_SPREAD_LINES", 9_000);
    let cluster = RedisCluster::start().await;
    let instances = start_instances(&cluster, 2).await;
    let clients = join_all(cluster.nodes[..3].iter().map(|node| node.client())).await;
    let before = join_all(clients.iter().map(commands)).await;
    for first in (0..count).step_by(BURST) {
        let end = count.min(first + BURST);
        join_all(clients.iter().enumerate().map(async |(node, client)| {
            let pipeline = client.pipeline();
            for number in (first + node..end).step_by(3) {
                let _: () = pipeline.publish(format!("run-{number}:log"), "a line").await.unwrap();
            }
            let _: Vec<i64> = pipeline.all().await.unwrap();
        }))
        .await;
        // What waits to be recorded is bounded: a faster producer would cause gaps.
        eventually("these lines are recorded", async || {
            sum(&instances, "status_proxy_recorded_lines_total").await >= end as f64
        })
        .await;
    }
    let after = join_all(clients.iter().map(commands)).await;
    let commands: Vec<f64> = after.into_iter().zip(before).map(|(after, before)| after - before).collect();
    let keys =
        join_all(clients.iter().map(async |client| client.dbsize::<i64>().await.unwrap() as f64)).await;
    println!("{count} lines: keys {keys:?}, commands {commands:?}");
    assert!(busiest(&keys) <= 1.3 && busiest(&commands) <= 1.3);
}
