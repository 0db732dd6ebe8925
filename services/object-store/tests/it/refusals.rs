//! Redis is there and refuses.

use std::path::Path;
use std::time::{Duration, Instant};

use test_support::{FlakyProxy, ManagedRedis, Refusal, TestRedis, redis_versions};

use crate::client::{Client, DELETED, DUPLICATED, NOT_EXISTS, Node, SET, id};

/// How long it may take until `/ready` says what is so: 5 s, and twice as long on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);
/// The most log lines for one condition, its end included.
const MAX_LOG_LINES: usize = 20;

/// Waits until `/ready` has this status and contains the text.
async fn wait_until_ready_says(node: &Node, what: &str, status: u16, text: &str) {
    let started = Instant::now();
    loop {
        let (now, body) = node.process.get("/ready").await;
        if now == status && body.contains(text) {
            println!("{:>5} ms: {what}", started.elapsed().as_millis());
            return;
        }
        assert!(started.elapsed() < LIMIT, "{what}: {now} {body}\n{}", node.process.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn run_matrix(name: &str, binary: &Path) {
    let mut redis = TestRedis::start_binary(binary, &[]).await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let node = Node::redis_with(&format!("redis://127.0.0.1:{}", proxy.port()), &[]).await;
    let mut client = Client::connect(node.port, "one").await;
    for (n, refusal) in (1..).step_by(2).zip(Refusal::all("HSET")) {
        let what = format!("{name}, {refusal:?}");
        let lines_before = node.process.log().lines().count();
        assert_eq!(client.set(&id(n), what.as_bytes()).await, SET);
        refusal.apply(&mut redis, &proxy).await;
        let set = client.send_set(&id(n + 1), b"meanwhile").await;
        if let Some(reason) = refusal.reason().filter(|_| refusal.lasts()) {
            wait_until_ready_says(&node, &format!("{what}: told"), 503, reason).await;
        }
        // Only where Redis is full clients are told so: a delete makes room, and has to wait for no set.
        let expected = if refusal == Refusal::OutOfMemory { NOT_EXISTS } else { SET };
        if expected == NOT_EXISTS {
            assert_eq!(client.receive_response_to(set).await.kind, NOT_EXISTS, "{what}");
            assert_eq!(client.get(&id(n)).await, what.as_bytes(), "{what}");
        }
        refusal.lift(&mut redis, &proxy).await;
        wait_until_ready_says(&node, &format!("{what}: green"), 200, "").await;
        if expected == SET {
            assert_eq!(client.receive_response_to(set).await.kind, SET, "{what}");
            assert_eq!(client.get(&id(n + 1)).await, b"meanwhile", "{what}");
        }
        assert_eq!(client.get(&id(n)).await, what.as_bytes(), "{what}: what was acknowledged");
        let log = node.process.log();
        let lines: Vec<&str> = log.lines().skip(lines_before).collect();
        println!("{what}: {} log lines", lines.len());
        assert!(lines.len() <= MAX_LOG_LINES, "{what}: {lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_wait_while_redis_refuses_and_the_readiness_says_why() {
    let versions = redis_versions();
    let runs = versions.iter().map(|(name, binary)| run_matrix(name, binary));
    futures_util::future::join_all(runs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_may_not_do_in_the_middle_of_a_batch_is_done_once_he_may() {
    let mut redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let node = Node::redis_with(&format!("redis://127.0.0.1:{}", proxy.port()), &[]).await;
    let mut client = Client::connect(node.port, "one").await;
    for command in
        ["UNLINK", "INCRBY", "HGET", "SETRANGE", "ZADD", "EXISTS", "HSET", "HINCRBY", "EXPIRE", "GETRANGE"]
    {
        for n in 1..=3 {
            assert_eq!(client.set(&id(n), b"before").await, SET);
        }
        let refusal = Refusal::CommandForbidden(command);
        refusal.apply(&mut redis, &proxy).await;
        let mut requests = Vec::new();
        for n in 1..=3 {
            requests.push((client.send_set(&id(n), &[n as u8; 10]).await, SET));
            requests.push((client.send_duplicate(&id(n + 10), &id(n)).await, DUPLICATED));
            let delete = object_store::header::RequestKind::Delete;
            requests.push((client.send(delete, &id(n), 0, None).await, DELETED));
        }
        wait_until_ready_says(&node, command, 503, &format!("user default may not {command}")).await;
        refusal.lift(&mut redis, &proxy).await;
        for (request, kind) in requests {
            assert_eq!(client.receive_response_to(request).await.kind, kind, "{command}");
        }
        for n in 1..=3 {
            assert_eq!(client.get(&id(n + 10)).await, [n as u8; 10], "{command}");
            assert_eq!(client.delete(&id(n + 10)).await, DELETED, "{command}");
        }
        assert_eq!(client.totals().await[..3], [0; 3], "{command}: objects, contents and bytes");
        assert_eq!(node.info("total_size_bytes").await, 0, "{command}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_redis_user_of_the_readme_is_enough() {
    let readme = include_str!("../../README.md");
    let user = readme.lines().find(|line| line.starts_with("ACL SETUSER object-store ")).unwrap();
    for (name, binary) in redis_versions() {
        let redis = TestRedis::start_binary(&binary, &[]).await;
        redis.admin(user).await;
        let url = format!("redis://object-store:SECRET@127.0.0.1:{}", redis.port());
        let (here, there) = (Node::redis_with(&url, &[]).await, Node::redis_with(&url, &[]).await);
        let mut one = Client::connect(here.port, "one").await;
        let mut two = Client::connect(there.port, "two").await;
        for (n, length) in [(10, 10), (20, 30_000), (30, 2_500_000)] {
            let data = vec![n as u8; length];
            let waiting = two.send_get(&id(n)).await;
            let copy = two.send_duplicate(&id(n + 1), &id(n)).await;
            assert!(two.receives_nothing().await);
            assert_eq!(one.set(&id(n), &data).await, SET);
            let mut responses = [two.receive().await, two.receive().await];
            responses.sort_by_key(|response| response.request_id);
            assert_eq!((responses[0].request_id, responses[1].request_id), (waiting, copy));
            assert!(responses[0].payload == data);
            assert_eq!(one.set(&id(n + 2), &data).await, SET);
            for n in n..n + 3 {
                assert_eq!(two.delete(&id(n)).await, DELETED);
            }
        }
        let waiting = one.send_get(&id(1)).await;
        assert!(one.receives_nothing().await);
        drop(one);
        assert_eq!((waiting, here.info("object_count").await), (6, 0));
        // Twice the time between two collections of garbage.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let denied = redis.admin("ACL LOG").await;
        assert_eq!(denied.array_len(), Some(0), "{name}: {denied:?}");
        assert_eq!(there.process.get("/ready").await.1, r#"{"ready":true}"#, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_failover_that_keeps_old_connections_open_is_followed() {
    let managed = ManagedRedis::start().await;
    let node = Node::redis_with(&managed.url(), &[]).await;
    let mut client = Client::connect(node.port, "one").await;
    assert_eq!(client.set(&id(1), b"before").await, SET);
    managed.fail_over().await;
    let began = Instant::now();
    assert_eq!(client.set(&id(2), b"after").await, SET);
    println!("{:>5} ms: a set after the failover", began.elapsed().as_millis());
    assert!(began.elapsed() < LIMIT);
    assert_eq!(client.get(&id(1)).await, b"before");
    wait_until_ready_says(&node, "green", 200, "").await;
}
