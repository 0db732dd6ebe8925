//! Failovers by Sentinel while games end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::tables::Table;
use clap::Parser;
use etl_worker::Config;
use fred::interfaces::LuaInterface;
use fred::types::Value;
use futures_util::future::join_all;
use redis_core::connect;
use test_support::{Loss, TestSentinel, eventually, is_full_size};
use tokio::time::sleep;

use crate::support::World;

/// `ETL_WORKER_TEST_FULL=1`: as many rounds as the issue asks for.
fn rounds() -> usize {
    if is_full_size("ETL_WORKER_TEST_FULL") { 10 } else { 1 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_replica_that_confirms_each_game_is_written_once_whatever_happens_to_the_primary() {
    let outcomes = tokio::join!(run(Loss::Killed, "1"), run(Loss::Hung, "1"), run(Loss::Planned, "1"));
    for outcome in <[Outcome; 3]>::from(outcomes) {
        assert_eq!((outcome.missing, outcome.twice), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_one_no_game_is_missing_either() {
    let losses =
        if rounds() == 1 { &[Loss::Planned][..] } else { &[Loss::Killed, Loss::Hung, Loss::Planned] };
    for outcome in join_all(losses.iter().map(|loss| run(*loss, "0"))).await {
        assert_eq!(outcome.missing, 0);
    }
}

struct Outcome {
    missing: usize,
    /// Games of which two files have the rows.
    twice: usize,
}

/// Games end all the time, and two workers write them, while one primary after the other is lost.
async fn run(loss: Loss, wait_replicas: &str) -> Outcome {
    let mut sentinel = TestSentinel::start(3).await;
    let mut world = World::start_on_one().await;
    world.url = sentinel.url();
    let vars = [("REDIS_WAIT_REPLICAS", wait_replicas), ("ETL_SETTLE", "1s"), ("ETL_LEASE", "2s")];
    let workers = tokio::join!(world.start_worker("a", &vars), world.start_worker("b", &vars));
    let stop = Arc::new(AtomicBool::new(false));
    let games = tokio::spawn(play_until(world.url.clone(), Arc::clone(&stop)));
    let mut longest_pause = Duration::ZERO;
    for _ in 0..rounds() {
        wait_for_more(&world).await;
        let since = Instant::now();
        let old = sentinel.lose_primary(loss).await;
        sentinel.recover(loss, old).await;
        sentinel.wait_until_stable().await;
        wait_for_more(&world).await;
        longest_pause = longest_pause.max(since.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let games = games.await.unwrap();
    world.client = sentinel.servers[sentinel.primary().await].client().await;
    for game in &games {
        eventually("the game is in the files", async || count(&world, game) > 0).await;
    }
    eventually("no job is left", async || workers.0.metric("etl_worker_backlog_jobs").await == 0.0).await;
    let count = |game: &String| count(&world, game);
    let missing = games.iter().filter(|game| count(game) == 0).count();
    let twice = games.iter().filter(|game| count(game) > 1).count();
    println!(
        "{loss:?}, {} rounds, REDIS_WAIT_REPLICAS={wait_replicas}: of {} games {missing} missing and {twice} twice, \
         at most {longest_pause:.1?} for a round",
        rounds(),
        games.len()
    );
    Outcome { missing, twice }
}

async fn wait_for_more(world: &World) {
    let before = world.files(Table::Podium).len();
    eventually("games are written", async || world.files(Table::Podium).len() > before + 20).await;
}

/// The files of a game.
fn count(world: &World, game: &str) -> usize {
    let of_workers = ["a", "b"].map(|worker| format!("{game}_{worker}.gz.parquet"));
    let exist = |table: Table| {
        let days: Vec<_> = world.output().join(table.name()).read_dir().unwrap().flatten().collect();
        days.iter().flat_map(|day| of_workers.iter().filter(|name| day.path().join(name).exists())).count()
    };
    exist(Table::Meta).min(exist(Table::Podium))
}

/// A game server that has each game on a replica before it plays the next one. Returns the games that are.
async fn play_until(url: String, stop: Arc<AtomicBool>) -> Vec<String> {
    let args = ["etl-worker", &format!("--redis-url={url}"), "--redis-wait-replicas=1", "--listen-addr=:0"];
    let config = Config::parse_from(args).redis;
    let pool = connect::pool(&config).unwrap().client;
    let mut games = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let game = format!("g{}", games.len());
        let (keys, client) = (vec!["games:participants".to_owned()], pool.next());
        let written = client.eval::<Value, _, _, _>(PLAY, keys, vec![game.clone()]);
        if config.wait_replicas().confirm(client, written).await.is_ok() {
            games.push(game);
        }
        sleep(Duration::from_millis(10)).await;
    }
    games
}

/// Plays a small game to its end in one step. Playing it again changes nothing.
const PLAY: &str = r#"
    local game = 'games:' .. ARGV[1]
    for user, health in pairs({ ann = 50, bob = 0 }) do
        redis.call('SADD', game, user)
        redis.call('HSET', game .. ':superheros:' .. user, 'id', 7, 'health', health)
    end
    redis.call('ZADD', KEYS[1], 2, ARGV[1])
    redis.call('SET', game .. ':status', 'Completed')
    local message = { log_message = 'Cleaning Game Records', task = { game_token = ARGV[1] } }
    redis.call('PUBLISH', 'CLEAN', cjson.encode(message))"#;
