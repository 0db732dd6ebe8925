//! Failovers by Sentinel, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use test_support::{Loss, TestSentinel};

use crate::client::{Client, Node, SET, id, size};

/// Objects, each of which holds a number that grows.
const OBJECTS: usize = 4;

#[derive(Default)]
struct Load {
    /// The last number of each object that was acknowledged.
    acknowledged: [AtomicU64; OBJECTS],
    sets: AtomicU64,
    gets: AtomicU64,
    older: AtomicU64,
    stopped: AtomicBool,
}

/// Stores the next number in one object after the other.
async fn set(load: Arc<Load>, port: u16) {
    let mut client = Client::connect(port, "setter").await;
    for number in 1.. {
        for (n, acknowledged) in load.acknowledged.iter().enumerate() {
            if load.stopped.load(Ordering::Relaxed) {
                return;
            }
            // Every second one is too long for the script: it is stored as a chunk.
            let length = if n % 2 == 0 { 8 } else { 20_000 };
            let mut data = vec![0; length];
            data[..8].copy_from_slice(&u64::to_be_bytes(number));
            let request = client.send_set(&id(n as u64), &data).await;
            let response = client.receive_or_end().await.expect("a connection");
            assert_eq!((response.request_id, response.kind), (request, SET));
            acknowledged.store(number, Ordering::Release);
            load.sets.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Reads the objects, and counts the numbers that are older than what was acknowledged when they were asked for.
async fn get(load: Arc<Load>, port: u16, identity: String) {
    let mut client = Client::connect(port, &identity).await;
    while !load.stopped.load(Ordering::Relaxed) {
        for (n, acknowledged) in load.acknowledged.iter().enumerate() {
            let at_least = acknowledged.load(Ordering::Acquire);
            let request = client.send_get(&id(n as u64)).await;
            let response = client.receive_or_end().await.expect("a connection");
            assert_eq!(response.request_id, request);
            let number = u64::from_be_bytes(response.payload[..8].try_into().expect("a number"));
            load.gets.fetch_add(1, Ordering::Relaxed);
            if number < at_least {
                load.older.fetch_add(1, Ordering::Relaxed);
                eprintln!("{identity} got {number} of object {n}, and {at_least} was acknowledged");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Runs the load on two nodes while this happens to Redis. Returns how many gets were older than acknowledged.
async fn fail_over_under_load(wait_replicas: &str, rounds: usize) -> u64 {
    let mut sentinel = TestSentinel::start(3).await;
    let vars = [("REDIS_WAIT_REPLICAS", wait_replicas)];
    let nodes =
        [Node::redis_with(&sentinel.url(), &vars).await, Node::redis_with(&sentinel.url(), &vars).await];
    let load = Arc::new(Load::default());
    let mut tasks = vec![tokio::spawn(set(Arc::clone(&load), nodes[0].port))];
    for (n, node) in nodes.iter().enumerate() {
        tasks.push(tokio::spawn(get(Arc::clone(&load), node.port, format!("getter-{n}"))));
    }
    for round in 0..rounds {
        let loss = [Loss::Planned, Loss::Killed, Loss::Hung][round % 3];
        let old = sentinel.lose_primary(loss).await;
        sentinel.recover(loss, old).await;
        sentinel.wait_until_stable().await;
        go_on("sets go on", &load).await;
        // Whoever could still answer from the past has been left by now.
        let older = load.older.load(Ordering::Relaxed);
        go_on("and on", &load).await;
        assert_eq!(load.older.load(Ordering::Relaxed), older, "gets are older after the failover is over");
        println!("round {round}: {} sets, {older} older", load.sets.load(Ordering::Relaxed));
    }
    load.stopped.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("the load goes on");
    }
    let older = load.older.load(Ordering::Relaxed);
    let (sets, gets) = (load.sets.load(Ordering::Relaxed), load.gets.load(Ordering::Relaxed));
    println!(
        "REDIS_WAIT_REPLICAS={wait_replicas}: {sets} sets, {older} of {gets} gets were older than acknowledged"
    );
    older
}

async fn go_on(what: &str, load: &Load) {
    let before = load.sets.load(Ordering::Relaxed);
    test_support::eventually(what, async || load.sets.load(Ordering::Relaxed) > before + 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_wait_replicas_no_get_is_older_than_acknowledged_whatever_happens_to_the_primary() {
    assert_eq!(fail_over_under_load("1", size(3, 30)).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_wait_replicas_a_failover_is_followed_all_the_same() {
    fail_over_under_load("0", size(1, 30)).await;
}
