use test_support::eventually;

use crate::support::World;

#[tokio::test]
async fn a_worker_completes_its_rounds_after_sigterm() {
    let world = World::start().await;
    let mut worker = world.start_worker("w", &[("ETL_BATCH_GAMES", "1000"), ("ETL_BATCH_MS", "60000")]).await;
    let expected = world.simulate(&["--games", "20"]).await;
    eventually("the worker owns the jobs", async || world.pending_jobs().await == 20).await;
    assert_eq!(worker.terminate().await, 0);
    world.wait_until_written(&expected).await;
    assert_eq!(world.files(crate::tables::Table::Meta).len(), 1);
}

/// With and without jobs under way. What was under way is done by the next worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_redis_that_is_gone_or_hangs() {
    tokio::join!(stop(true, "0"), stop(true, "60000"), stop(false, "0"), stop(false, "60000"));
}

async fn stop(is_killed: bool, batch_ms: &str) {
    let mut world = World::start_with(&["--appendonly", "yes"]).await;
    let vars = [("ETL_BATCH_MS", batch_ms), ("ETL_BATCH_GAMES", "1000"), ("ETL_LEASE", "2s")];
    let mut worker = world.start_worker("w", &vars).await;
    let expected = world.simulate(&["--games", "20"]).await;
    if batch_ms == "0" {
        world.wait_until_written(&expected).await;
    } else {
        eventually("the worker owns the jobs", async || world.pending_jobs().await == 20).await;
    }
    if is_killed {
        world.redis.kill().await
    } else {
        world.redis.pause().await
    }
    eventually("the worker knows it", async || worker.get("/ready").await.1.contains("redis: ")).await;
    assert_eq!(worker.terminate().await, 0);
    assert!(!worker.log().contains("did not end within"), "{}", worker.log());
    if is_killed {
        world.redis.restart().await
    } else {
        world.redis.resume().await
    }
    world.client = world.redis.client().await;
    let _next = world.start_worker("next", &vars[1..]).await;
    world.wait_until_written(&expected).await;
}
