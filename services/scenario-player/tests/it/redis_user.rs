//! The user that the README tells to make may do all that an instance does, and nothing else is needed.

use futures_util::future::join_all;
use test_support::{Collector, RedisCluster, TestMosquitto, TestRedis, redis_versions};

use crate::support::{Subscriber, get_json, now_ms, post, send, start_player_at, walk};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_of_the_readme_can_do_everything() {
    let versions = redis_versions();
    join_all(versions.iter().map(async |(_, binary)| {
        let redis = TestRedis::start_binary(binary, &[]).await;
        redis.admin(acl_lines()[0]).await;
        redis.admin("ACL SETUSER default off").await;
        run_as_the_user(&redis.url()).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_of_the_readme_can_do_everything_on_a_cluster() {
    let cluster = RedisCluster::start().await;
    for node in &cluster.nodes {
        for line in acl_lines() {
            node.admin(line).await;
        }
    }
    run_as_the_user(&cluster.url()).await;
}

/// The first is for one Redis, and with the second for a Cluster.
fn acl_lines() -> Vec<&'static str> {
    let readme = include_str!("../../README.md");
    readme.lines().filter(|line| line.starts_with("ACL SETUSER scenario-player ")).collect()
}

async fn run_as_the_user(redis: &str) {
    let mqtt = TestMosquitto::start().await;
    let subscriber = Subscriber::start(mqtt.port()).await;
    let collector = Collector::start().await;
    let user = [
        ("REDIS_USERNAME", "scenario-player"),
        ("REDIS_PASSWORD", "SECRET"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
    ];
    let player = start_player_at(redis, mqtt.port(), &user).await;
    player.wait_until_ready().await;
    post(&player, &walk("1", now_ms() + 500, 5, 100)).await;
    subscriber.wait_for_steps(5).await;
    get_json(&player, "/state").await;
    get_json(&player, "/scenarios").await;
    let replay = serde_json::json!({"loop": true});
    let (status, answer) = send(&player, "POST", "/scenarios/1/replay", &replay).await;
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = send(&player, "DELETE", "/scenarios/1", &replay).await;
    assert!(status < 300, "{status} {answer}");
    assert_eq!(player.get("/ready").await.0, 200);
    assert!(!player.log().contains("NOPERM"), "{}", player.log());
    assert!(!player.log().contains("CLIENT TRACKING"), "{}", player.log());
}
