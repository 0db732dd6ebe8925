use std::time::Duration;

use fred::interfaces::{KeysInterface, StreamsInterface};
use test_support::{FlakyProxy, eventually, size_from_env};

use crate::support::World;

/// As with the original, every worker receives every message, and a game of ten players sends ten.
#[tokio::test]
async fn two_workers_write_each_game_once() {
    let world = World::start().await;
    let (first, second) = tokio::join!(world.start_worker("a", &[]), world.start_worker("b", &[]));
    let expected = world.simulate(&["--games", "60", "--players", "10", "--copies", "3"]).await;
    world.wait_until_written(&expected).await;
    assert_eq!(world.files(crate::tables::Table::Podium).len(), 60);
    let committed = "etl_worker_jobs_total{result=\"committed\"}";
    let (of_first, of_second) = (first.metric(committed).await, second.metric(committed).await);
    assert!(of_first > 0.0 && of_second > 0.0, "{of_first} + {of_second}");
    world.wait_until_cleaned_up().await;
}

/// Workers are killed all the time, Redis is cut off twice, and every message is sent again at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_game_is_written_once_although_workers_are_killed() {
    let (games, seconds) = (size_from_env("ETL_TEST_GAMES", 300), size_from_env("ETL_TEST_SECONDS", 12));
    let are_written_once = async |batch: &'static str| {
        let world = World::start_on_one().await;
        let proxy = FlakyProxy::start(world.redis.port()).await;
        let url = format!("redis://127.0.0.1:{}", proxy.port());
        let vars = [
            ("REDIS_URL", url.as_str()),
            ("ETL_SETTLE", "1s"),
            ("ETL_BATCH_GAMES", batch),
            ("ETL_BATCH_MS", "300"),
            ("ETL_LEASE", "2s"),
        ];
        let mut workers: Vec<_> = (0..8).map(|n| world.spawn_worker(&format!("w{n}"), &vars)).collect();
        let (count, rate) = (games.to_string(), games.div_ceil(seconds).to_string());
        let args = ["--games", &count, "--rate", &rate, "--seed", batch];
        let failures = async {
            let mut victim = 3;
            for second in 0..seconds {
                tokio::time::sleep(Duration::from_millis(600 + (second as u64 * 137) % 700)).await;
                victim = (victim * 5 + second) % workers.len();
                workers[victim].kill().await;
                workers[victim] = world.spawn_worker(&format!("w{victim}"), &vars);
                if second == seconds / 3 || second == seconds * 2 / 3 {
                    proxy.cut();
                    tokio::time::sleep(Duration::from_millis(700)).await;
                    proxy.restore();
                }
            }
        };
        let (expected, ()) = tokio::join!(world.simulate(&args), failures);
        for worker in &workers {
            worker.wait_until_ready().await;
        }
        // The reconciler does not find games that never left the lobby. Their messages may be lost, so all are sent again.
        for game in expected.games() {
            world.publish_game_ended(&game).await;
            world.publish_game_ended(&game).await;
        }
        world.wait_until_written(&expected).await;
        world.wait_until_cleaned_up().await;
        assert_eq!(world.client.exists::<u64, _>(world.key("etl:dead")).await.unwrap(), 0);
    };
    tokio::join!(are_written_once("1"), are_written_once("50"));
}

#[tokio::test]
async fn a_job_of_a_dead_worker_is_taken_over_and_its_file_is_not_written_again() {
    let world = World::start().await;
    let expected = world.play_small_game("g1").await;
    let mut first = world.start_worker("first", &[]).await;
    world.publish_game_ended("g1").await;
    world.wait_until_written(&expected).await;
    first.kill().await;
    // As if the worker had died after publishing the file and before the commit.
    let client = &world.client;
    world.play_small_game("g1").await;
    let queued = [("state", "queued")].to_vec();
    fred::interfaces::HashesInterface::hset::<(), _, _>(client, world.key("etl:game:g1"), queued)
        .await
        .unwrap();
    let entry: String = client.xadd(world.key("etl:jobs"), false, None, "*", ("game", "g1")).await.unwrap();
    let taken: fred::types::Value = client
        .xreadgroup("workers", "dead-worker", None, None, false, world.key("etl:jobs"), ">")
        .await
        .unwrap();
    assert!(format!("{taken:?}").contains(&entry), "the dead worker owns the job");

    let second = world.start_worker("second", &[]).await;
    world.wait_until_written(&expected).await;
    let [file] = world.files(crate::tables::Table::Podium).try_into().unwrap();
    assert!(file.ends_with("g1_first.gz.parquet"), "{}", file.display());
    assert_eq!(second.metric("etl_worker_parts_total").await, 0.0);
}

#[tokio::test]
async fn a_worker_that_was_paused_longer_than_its_lease_changes_nothing() {
    let world = World::start().await;
    // The worker must not be done before it is paused, also on a busy machine.
    let paused = world.start_worker("paused", &[("ETL_BATCH_GAMES", "100"), ("ETL_BATCH_MS", "4000")]).await;
    let expected = world.play_small_game("g1").await;
    world.publish_game_ended("g1").await;
    eventually("the paused worker owns the job", async || world.pending_jobs().await == 1).await;
    paused.signal("STOP").await;
    let running = world.start_worker("running", &[]).await;
    world.wait_until_written(&expected).await;
    paused.signal("CONT").await;
    // If the pause was longer than a read may take, it gives the round up with the job.
    eventually("the paused worker has lost its job", async || {
        paused.metric("etl_worker_jobs_total{result=\"lost\"}").await > 0.0
            || paused.metric("etl_worker_jobs_total{result=\"failed\"}").await > 0.0
            || paused.metric("etl_worker_redis_errors_total").await > 0.0
    })
    .await;
    world.wait_until_written(&expected).await;
    assert_eq!(running.metric("etl_worker_jobs_total{result=\"committed\"}").await, 1.0);
}
