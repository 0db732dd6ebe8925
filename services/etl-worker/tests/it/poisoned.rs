//! One poisoned value stops no neighbour: a key of another type, garbage in a collection, a name that is too long.

use std::path::Path;

use crate::tables::Table;
use fred::interfaces::{ClientLike, KeysInterface, StreamsInterface};
use fred::types::{ClusterHash, CustomCommand, Value};
use test_support::{ServiceProcess, eventually};

use crate::bad_input::list_dead_letters;
use crate::support::World;

/// Commands that put a value of each type in the place of a key.
const TYPES: [(&str, &[&str]); 6] = [
    ("string", &["SET", "KEY", "a\nb"]),
    ("list", &["RPUSH", "KEY", "a"]),
    ("set", &["SADD", "KEY", "a"]),
    ("zset", &["ZADD", "KEY", "1", "a"]),
    ("hash", &["HSET", "KEY", "state", "a"]),
    ("stream", &["XADD", "KEY", "*", "a", "b"]),
];

/// The keys of one game, and the types that they may have.
const KEYS_OF_A_GAME: [(&str, &str); 11] = [
    ("games:GAME", "set"),
    ("games:GAME:superheros", "set"),
    ("games:GAME:superheros:ann", "hash"),
    ("games:GAME:logs", "list"),
    ("games:GAME:order", "list"),
    ("games:GAME:status", "string"),
    ("games:GAME:participants", "string"),
    ("games:GAME:host", "string"),
    ("etl:game:GAME", "-"),
    ("etl:settling:GAME", "-"),
    ("etl:part:GAME_w.gz.parquet", "-"),
];

async fn run(world: &World, command: &[&str]) {
    let name = CustomCommand::new(command[0], ClusterHash::FirstKey, false);
    let args: Vec<String> = command[1..].iter().map(|word| world.key(word)).collect();
    world.client.custom::<Value, _>(name, args).await.unwrap();
}

async fn put(world: &World, command: &[&str], key: &str) {
    world.client.del::<(), _>(world.key(key)).await.unwrap();
    let command: Vec<&str> = command.iter().map(|word| if *word == "KEY" { key } else { word }).collect();
    run(world, &command).await;
}

/// Every wrong type in the place of every key of a game, all at once. Half of the games have their message, the others are
/// found without it.
#[tokio::test]
async fn a_key_of_another_type_costs_its_own_game_only() {
    let world = World::start().await;
    let mut poisoned = Vec::new();
    for (pattern, right_type) in KEYS_OF_A_GAME {
        for (number, (wrong_type, command)) in TYPES.iter().enumerate() {
            if *wrong_type != right_type {
                let game = format!("bad{}-{wrong_type}", poisoned.len());
                world.play_small_game(&game).await;
                put(&world, command, &pattern.replace("GAME", &game)).await;
                poisoned.push((game, number % 2 == 0));
            }
        }
    }
    let vars = [("ETL_SETTLE", "1s"), ("ETL_LEASE", "500ms"), ("ETL_LAYOUT", "flat")];
    let worker = world.start_worker("w", &vars).await;
    let mut expected = world.play_small_game("good1").await;
    expected.add(world.play_small_game("good2").await);
    for (game, _) in poisoned.iter().filter(|(_, has_message)| *has_message) {
        world.publish_game_ended(game).await;
    }
    // good2 is found by the reconciler.
    world.publish_game_ended("good1").await;
    world.wait_until_done(&["good1", "good2"]).await;
    eventually("no job is left", async || {
        world.client.xlen::<u64, _>(world.key("etl:jobs")).await.unwrap() == 0
    })
    .await;
    let written = world.read_output();
    for player in expected.meta.keys() {
        assert_eq!(written.podium.get(player), expected.podium.get(player), "{player:?}");
    }
    assert_log_is_short(&worker, poisoned.len());
    assert_eq!(worker.get("/ready").await.0, 200);
}

/// Garbage in every collection, at once.
#[tokio::test]
async fn a_member_that_is_garbage_costs_nobody_anything() {
    let world = World::start().await;
    let (long, newline) = ("x".repeat(100_000), "g1\n1970-01-01T00:00:00Z ERROR forged");
    let vars = [("ETL_SETTLE", "1s"), ("ETL_LEASE", "500ms"), ("ETL_LAYOUT", "flat")];
    let worker = world.start_worker("w", &vars).await;
    for garbage in ["", "../x", newline, long.as_str(), "nobody-played-this"] {
        run(&world, &["XADD", "etl:jobs", "*", "game", garbage]).await;
        run(&world, &["XADD", "etl:jobs", "*", garbage, garbage]).await;
        run(&world, &["XADD", "etl:dead", "*", garbage, garbage]).await;
        run(&world, &["XADD", "etl:dead", "*", "game", garbage, "tries", garbage]).await;
        run(&world, &["SADD", "etl:open-parts", garbage]).await;
        run(&world, &["HSET", "etl:part:good1_w.gz.parquet", garbage, garbage]).await;
        run(&world, &["ZADD", "games:participants", "2", garbage]).await;
        run(&world, &["RPUSH", "games:players:2", garbage]).await;
        run(&world, &["SET", "games:good1:participants", if garbage.is_empty() { "nan" } else { garbage }])
            .await;
        world.publish(garbage).await;
        world.publish_game_ended(garbage).await;
    }
    // No text at all.
    let bytes = Value::Bytes(b"\xff\xfe\n"[..].into());
    for (name, mut args) in [
        ("XADD", vec![world.key("etl:jobs").into(), "*".into(), bytes.clone()]),
        ("XADD", vec![world.key("etl:dead").into(), "*".into(), bytes.clone()]),
        ("SADD", vec![world.key("etl:open-parts").into()]),
        ("HSET", vec![world.key("etl:part:good1_w.gz.parquet").into(), bytes.clone()]),
        ("ZADD", vec!["games:participants".into(), "2".into()]),
        ("PUBLISH", vec!["CLEAN".into()]),
    ] {
        args.push(bytes.clone());
        let name = CustomCommand::new(name, ClusterHash::FirstKey, false);
        world.client.custom::<Value, Value>(name, args).await.unwrap();
    }
    // A user and a log entry that are garbage are their own game's fault.
    for game in ["bad-user", "bad-log", "bad-plan", "bad-state", "bad-tries"] {
        world.play_small_game(game).await;
    }
    run(&world, &["SADD", "games:bad-user", newline]).await;
    run(&world, &["RPUSH", "games:bad-log:logs", &long]).await;
    run(&world, &["HSET", "etl:game:bad-plan", "state", "queued", "part", newline]).await;
    run(&world, &["XADD", "etl:jobs", "*", "game", "bad-plan"]).await;
    run(&world, &["HSET", "etl:game:bad-state", "state", newline]).await;
    run(&world, &["HSET", "etl:game:bad-tries", "state", "queued", "tries", newline, "part", "x"]).await;
    run(&world, &["XADD", "etl:jobs", "*", "game", "bad-tries"]).await;
    // A lease that never ends would keep everybody from looking for games.
    run(&world, &["SET", "etl:reconciler", "forever"]).await;

    let mut expected = world.play_small_game("good1").await;
    expected.add(world.play_small_game("good2").await);
    world.publish_game_ended("good1").await;
    world.wait_until_done(&["good1", "good2"]).await;
    eventually("no job is left", async || {
        world.client.xlen::<u64, _>(world.key("etl:jobs")).await.unwrap() == 0
    })
    .await;
    assert!(world.read_output() == expected, "the files have exactly the rows of the good games");
    assert!(worker.metric("etl_worker_invalid_jobs_total").await >= 9.0);
    assert!(!worker.log().lines().any(|line| line.starts_with("1970-01-01")), "{}", worker.log());
    assert!(worker.log().len() < 100_000, "{} bytes were logged", worker.log().len());
    assert_log_is_short(&worker, 30);
    let dead = list_dead_letters(&world).await;
    for game in ["bad-user", "bad-log", "bad-plan", "bad-tries", "nobody-played-this"] {
        assert!(dead.iter().any(|letter| letter["game"] == game), "{game} is a dead letter");
    }
}

/// What all games share stops the work while it has another type, and says so.
#[tokio::test]
async fn a_shared_key_of_another_type_is_named_and_nothing_is_lost() {
    let world = World::start().await;
    let vars = [("ETL_SETTLE", "1s"), ("ETL_LEASE", "500ms"), ("ETL_LAYOUT", "flat")];
    let worker = world.start_worker("w", &vars).await;
    for (number, key) in ["etl:jobs", "etl:open-parts", "etl:dead", "games:participants"].iter().enumerate() {
        let before = worker.log().lines().count();
        put(&world, TYPES[0].1, key).await;
        eventually("the worker says so", async || {
            worker.get("/ready").await.1.contains(&format!("keys: {} is a string, not a ", world.key(key)))
        })
        .await;
        let game = format!("g{number}");
        if *key != "games:participants" {
            let expected = world.play_small_game(&game).await;
            world.publish_game_ended(&game).await;
            world.client.del::<(), _>(world.key(key)).await.unwrap();
            worker.wait_until_ready().await;
            world.wait_until_done(&[&game]).await;
            let written = world.read_output();
            assert!(expected.meta.keys().all(|player| written.meta.contains_key(player)), "{key}");
        } else {
            world.client.del::<(), _>(world.key(key)).await.unwrap();
            worker.wait_until_ready().await;
        }
        let lines = worker.log().lines().count() - before;
        assert!(lines <= 8, "{key}: {lines} lines: {}", worker.log());
    }
}

/// A token of 128 letters and a worker's name of 64 are the longest that there are.
#[tokio::test]
async fn the_longest_names_are_written_once_beside_their_neighbours() {
    let world = World::start().await;
    let (game, name) = ("g".repeat(128), "w".repeat(64));
    let mut expected = world.play_small_game(&game).await;
    expected.add(world.play_small_game("neighbour").await);
    let _worker = world.start_worker(&name, &[("ETL_CODEC", "snappy")]).await;
    world.publish_game_ended(&game).await;
    world.publish_game_ended("neighbour").await;
    world.wait_until_written(&expected).await;
    let file = format!("{game}_{name}.snappy.parquet");
    assert!(
        world.files(Table::Meta).iter().any(|path| path.ends_with(&file)),
        "the name is that of the README"
    );
    assert_eq!(staged_files(&world), 0);
}

/// No file can have this name. Its game fails five times, and then it is a dead letter. Its neighbours lose nothing, and no
/// file is written twice.
#[tokio::test]
async fn a_file_name_that_the_disk_refuses_is_the_dead_letter_of_its_game() {
    let world = World::start().await;
    let part = format!("{}.gz.parquet", "p".repeat(244));
    for (game, part) in [("long", part.clone()), ("longer", format!("p{part}"))] {
        world.play_small_game(game).await;
        run(&world, &["HSET", &format!("etl:game:{game}"), "state", "queued", "part", &part]).await;
        run(&world, &["HSET", &format!("etl:part:{part}"), game, "1-1"]).await;
        run(&world, &["XADD", "etl:jobs", "*", "game", game]).await;
    }
    let expected = world.play_small_game("neighbour").await;
    run(&world, &["HSET", "etl:game:neighbour", "state", "queued"]).await;
    run(&world, &["XADD", "etl:jobs", "*", "game", "neighbour"]).await;
    let worker = world.start_worker("w", &[("ETL_LEASE", "500ms")]).await;
    world.wait_until_done(&["neighbour"]).await;
    eventually("both games are dead letters", async || list_dead_letters(&world).await.len() == 2).await;
    for letter in list_dead_letters(&world).await {
        assert!(letter["reason"].as_str().unwrap().contains("File name too long"), "{letter}");
        assert_eq!(letter["tries"], 5);
    }
    assert!(world.read_output() == expected, "only the neighbour has rows");
    assert_eq!((world.files(Table::Meta).len(), world.files(Table::Podium).len()), (1, 1));
    assert_eq!(staged_files(&world), 0);
    assert_eq!(worker.get("/ready").await.0, 200);
    assert_eq!(worker.metric("etl_worker_output_errors_total").await, 0.0);
}

fn staged_files(world: &World) -> usize {
    let count = |dir: &Path| std::fs::read_dir(dir).unwrap().count();
    Table::ALL.iter().map(|table| count(&world.output().join(".tmp").join(table.name()))).sum()
}

/// Each bad game has at most five failures, and everything else is a handful of lines.
fn assert_log_is_short(worker: &ServiceProcess, bad_games: usize) {
    let lines = worker.log().lines().count();
    assert!(lines <= 5 * bad_games + 30, "{lines} lines: {}", worker.log());
}
