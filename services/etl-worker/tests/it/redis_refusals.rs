//! Redis is there and says no: the worker is red with the reason, comes back by itself, and loses no game.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::tables::Table;
use fred::interfaces::{KeysInterface, StreamsInterface};
use futures_util::future::join_all;
use test_support::{FlakyProxy, Refusal, ServiceProcess, eventually, redis_versions};

use crate::support::World;
use crate::tables::Tables;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_refuses_turns_the_worker_red_and_costs_no_game() {
    let versions = redis_versions();
    join_all(versions.iter().map(|(name, binary)| run_matrix(name, binary))).await;
}

async fn run_matrix(version: &str, binary: &Path) {
    let mut world = World::start_on(binary).await;
    let proxy = FlakyProxy::start(world.redis.port()).await;
    world.url = format!("redis://127.0.0.1:{}", proxy.port());
    let vars = [("ETL_SETTLE", "1s"), ("ETL_LEASE", "1s")];
    let worker = world.start_worker("w", &vars).await;
    let mut expected = Tables::default();
    let mut refusals = Refusal::all("XADD");
    // While Redis loads small keys it answers nobody, half a second for each: this comes first, when there are few.
    refusals.sort_by_key(|refusal| *refusal != Refusal::Loading);
    for (number, refusal) in refusals.into_iter().enumerate() {
        let what = format!("{version}, {refusal:?}");
        let before = worker.log().lines().count();
        let count = if refusal == Refusal::Loading { 1 } else { GAMES };
        let games: Vec<String> = (0..count).map(|game| format!("g{number}-{game}")).collect();
        for game in &games {
            expected.add(world.play_small_game(game).await);
        }
        // The last one is not Completed: only a message tells of its end.
        let last = &games[count - 1];
        world.client.del::<(), _>(format!("games:{last}:status")).await.unwrap();
        if count > 1 {
            world.publish_game_ended(&games[0]).await;
        }
        refusal.apply(&mut world.redis, &proxy).await;
        if let (Some(reason), true) = (refusal.reason(), refusal.lasts()) {
            wait_for_ready(&worker, &what, &|status, body| status == 503 && body.contains(reason)).await;
        }
        refusal.lift(&mut world.redis, &proxy).await;
        wait_for_ready(&worker, &format!("{what} is over"), &|status, _| status == 200).await;
        world.client = world.redis.client().await;
        // A message that is published before the connection of the subscription is replaced is lost.
        eventually("a message arrives", async || {
            world.publish_game_ended(last).await;
            world.is_done(last).await
        })
        .await;
        world.wait_until_done(&games.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let log = worker.log();
        let lines: Vec<&str> = log.lines().skip(before).collect();
        println!("{:>5} lines: {what}", lines.len());
        assert!(lines.len() <= 20, "{what}: {} lines:\n{}", lines.len(), lines.join("\n"));
    }
    world.wait_until_written(&expected).await;
    assert_eq!(world.files(Table::Podium).len(), 9 * GAMES + 1);
    assert_eq!(world.client.exists::<u64, _>(world.key("etl:dead")).await.unwrap(), 0);
}

/// Games that end just before each condition.
const GAMES: usize = 4;

/// One after the other, in the middle of what reads, plans and commits a game.
#[tokio::test]
async fn a_permission_that_is_missing_is_no_failure_of_a_game() {
    let world = World::start_on_one().await;
    let worker = world.start_worker("w", &[("ETL_SETTLE", "1s"), ("ETL_LEASE", "500ms")]).await;
    let mut expected = Tables::default();
    for (number, command) in
        ["smembers", "hmget", "llen", "hset", "sadd", "expire", "hdel", "xack", "xdel"].iter().enumerate()
    {
        let game = format!("g{number}");
        expected.add(world.play_small_game(&game).await);
        world.redis.admin(&format!("ACL SETUSER default -{command}")).await;
        world.publish_game_ended(&game).await;
        let reason = format!("redis: user default may not {} ", command.to_uppercase());
        wait_for_ready(&worker, command, &|_, body| body.contains(&reason)).await;
        world.redis.admin(&format!("ACL SETUSER default +{command}")).await;
        world.wait_until_done(&[&game]).await;
    }
    eventually("no job is left", async || {
        world.client.xlen::<u64, _>(world.key("etl:jobs")).await.unwrap() == 0
    })
    .await;
    world.wait_until_written(&expected).await;
    assert_eq!(worker.metric("etl_worker_jobs_total{result=\"failed\"}").await, 0.0);
    assert_eq!(worker.metric("etl_worker_jobs_total{result=\"dead\"}").await, 0.0);
}

/// Waits for an answer of `/ready`: 5 s, and twice as long on a busy machine.
async fn wait_for_ready(worker: &ServiceProcess, what: &str, is_so: &dyn Fn(u16, &str) -> bool) {
    let started = Instant::now();
    loop {
        let (status, body) = worker.get("/ready").await;
        if is_so(status, &body) {
            println!("{:>5} ms: {what}", started.elapsed().as_millis());
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{what}: {status} {body}\n{}", worker.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
