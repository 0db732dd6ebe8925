use std::path::Path;

use fred::interfaces::ClientLike;
use fred::types::Value;
use futures_util::future::join_all;
use test_support::{RedisCluster, eventually, redis_versions};

use crate::bad_input::list_dead_letters;
use crate::support::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_redis_user_of_the_readme_may_do_all_that_is_needed() {
    let versions = redis_versions();
    join_all(versions.iter().map(|(name, binary)| run_main_path(name, binary))).await;
}

#[tokio::test]
async fn the_redis_user_of_the_readme_is_enough_on_a_cluster() {
    let mut world = World::on_cluster(RedisCluster::start().await).await;
    let cluster = world.cluster.as_ref().unwrap();
    cluster.set_user(include_str!("../../README.md")).await;
    world.url = cluster.url_of("etl-worker");
    let vars = [("ETL_SETTLE", "1s"), ("ETL_LEASE", "500ms"), ("CLEAN_ROUTINE", "true")];
    let _worker = world.start_worker("w", &vars).await;
    let mut expected = world.play_small_game("g1").await;
    expected.add(world.play_small_game("without-a-message").await);
    world.publish_game_ended("g1").await;
    world.wait_until_written(&expected).await;
    world.wait_until_cleaned_up().await;
    let ended = world.run_command(&["dead", "retry"]).await;
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    world.cluster.as_ref().unwrap().assert_nothing_denied().await;
}

/// Games with and without a message, a dead letter, and every command.
async fn run_main_path(version: &str, binary: &Path) {
    let readme = include_str!("../../README.md");
    let line = readme.lines().find(|line| line.starts_with("ACL SETUSER ")).expect("the README has the line");
    let mut world = World::start_on(binary).await;
    world.redis.admin(line).await;
    world.url = format!("redis://etl-worker:SECRET@127.0.0.1:{}", world.redis.port());
    let vars = [("ETL_SETTLE", "1s"), ("ETL_LEASE", "500ms"), ("REDIS_POOL_SIZE", "1")];
    let _worker = world.start_worker("w", &vars).await;
    let mut expected = world.play_small_game("g1").await;
    expected.add(world.play_small_game("without-a-message").await);
    world.publish_game_ended("g1").await;
    world.wait_until_written(&expected).await;
    world.play_small_game("bad").await;
    world.log_attack("bad", "ann", "nobody", 1, 6, 5).await;
    eventually("the bad game is a dead letter", async || list_dead_letters(&world).await.len() == 1).await;
    for command in [&["dead", "retry"][..], &["compact"]] {
        let ended = world.run_command(command).await;
        assert!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }
    let denied: Vec<Value> = world.client.custom(fred::cmd!("ACL"), vec!["LOG"]).await.unwrap();
    assert!(denied.is_empty(), "{version} denied {denied:?}");
}
