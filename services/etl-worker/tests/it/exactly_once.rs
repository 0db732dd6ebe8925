use std::time::Duration;

use fred::interfaces::{KeysInterface, StreamsInterface};
use test_support::{FlakyProxy, eventually};

use crate::support::{World, size};

/// The original's scenario: every worker hears every message, and a game of ten players sends ten.
#[tokio::test]
async fn two_workers_write_no_game_twice() {
    let world = World::start().await;
    let (first, second) = tokio::join!(world.worker("a", &[]), world.worker("b", &[]));
    let truth = world.simulate(&["--games", "60", "--players", "10", "--copies", "3"]).await;
    world.all_written(&truth).await;
    assert_eq!(world.files(etl_worker::table::Table::Podium).len(), 60);
    let committed = "etl_worker_jobs_total{result=\"committed\"}";
    let (of_first, of_second) = (first.metric(committed).await, second.metric(committed).await);
    assert!(of_first > 0.0 && of_second > 0.0, "{of_first} + {of_second}");
    world.all_cleaned().await;
}

/// Workers die at any moment, Redis is cut twice, and every message comes again at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_game_is_written_once_whichever_worker_dies_when() {
    let (games, seconds) = (size("ETL_TEST_GAMES", 300), size("ETL_TEST_SECONDS", 12));
    for batch in ["1", "50"] {
        let world = World::start().await;
        let proxy = FlakyProxy::start(world.redis.port()).await;
        let url = format!("redis://127.0.0.1:{}", proxy.port());
        let vars = [
            ("REDIS_URL", url.as_str()),
            ("ETL_SETTLE", "1s"),
            ("ETL_BATCH_GAMES", batch),
            ("ETL_BATCH_MS", "300"),
            ("ETL_LEASE", "2s"),
        ];
        let mut workers: Vec<_> = (0..8).map(|n| world.spawn(&format!("w{n}"), &vars)).collect();
        let (count, rate) = (games.to_string(), games.div_ceil(seconds).to_string());
        let args = ["--games", &count, "--rate", &rate, "--seed", batch];
        let violence = async {
            let mut victim = 3;
            for second in 0..seconds {
                tokio::time::sleep(Duration::from_millis(600 + (second as u64 * 137) % 700)).await;
                victim = (victim * 5 + second) % workers.len();
                workers[victim].kill().await;
                workers[victim] = world.spawn(&format!("w{victim}"), &vars);
                if second == seconds / 3 || second == seconds * 2 / 3 {
                    proxy.cut();
                    tokio::time::sleep(Duration::from_millis(700)).await;
                    proxy.restore();
                }
            }
        };
        let (truth, ()) = tokio::join!(world.simulate(&args), violence);
        for worker in &workers {
            worker.wait_until_ready().await;
        }
        // Messages of games that never left the lobby may have been lost with a connection: they come again, as do all.
        for game in truth.games() {
            world.publish_clean(&game).await;
            world.publish_clean(&game).await;
        }
        world.all_written(&truth).await;
        world.all_cleaned().await;
        assert_eq!(world.client.exists::<u64, _>("etl:dead").await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_job_of_a_dead_worker_is_taken_over_and_meets_the_file_that_is_there() {
    let world = World::start().await;
    let truth = world.small_game("g1").await;
    let mut first = world.worker("first", &[]).await;
    world.publish_clean("g1").await;
    world.all_written(&truth).await;
    first.kill().await;
    // As if it had died between publishing and committing.
    let client = &world.client;
    world.small_game("g1").await;
    let again = [("state", "queued")].to_vec();
    fred::interfaces::HashesInterface::hset::<(), _, _>(client, "etl:game:g1", again).await.unwrap();
    let entry: String = client.xadd("etl:jobs", false, None, "*", ("game", "g1")).await.unwrap();
    let dead: fred::types::Value =
        client.xreadgroup("workers", "gone", None, None, false, "etl:jobs", ">").await.unwrap();
    assert!(format!("{dead:?}").contains(&entry), "a dead worker has the job");

    let second = world.worker("second", &[]).await;
    world.all_written(&truth).await;
    let [file] = world.files(etl_worker::table::Table::Podium).try_into().unwrap();
    assert!(file.ends_with("g1_first.gz.parquet"), "{}", file.display());
    assert_eq!(second.metric("etl_worker_parts_total").await, 0.0);
}

#[tokio::test]
async fn a_worker_that_was_away_longer_than_its_lease_changes_nothing() {
    let world = World::start().await;
    let sleeper = world.worker("sleeper", &[("ETL_BATCH_GAMES", "100"), ("ETL_BATCH_MS", "1500")]).await;
    let truth = world.small_game("g1").await;
    world.publish_clean("g1").await;
    eventually("the sleeper has the job", async || world.pending().await == 1).await;
    sleeper.signal("STOP").await;
    let awake = world.worker("awake", &[]).await;
    world.all_written(&truth).await;
    sleeper.signal("CONT").await;
    eventually("the sleeper has lost its job", async || {
        sleeper.metric("etl_worker_jobs_total{result=\"lost\"}").await > 0.0
            || sleeper.metric("etl_worker_jobs_total{result=\"failed\"}").await > 0.0
    })
    .await;
    world.all_written(&truth).await;
    assert_eq!(awake.metric("etl_worker_jobs_total{result=\"committed\"}").await, 1.0);
}

#[tokio::test]
async fn sigterm_ends_what_is_under_way_first() {
    let world = World::start().await;
    let mut worker = world.worker("w", &[("ETL_BATCH_GAMES", "1000"), ("ETL_BATCH_MS", "60000")]).await;
    let truth = world.simulate(&["--games", "20"]).await;
    eventually("the jobs are taken", async || world.pending().await == 20).await;
    assert_eq!(worker.terminate().await, 0);
    world.all_written(&truth).await;
    assert_eq!(world.files(etl_worker::table::Table::Meta).len(), 1);
}
