use fred::interfaces::{
    ClientLike, HashesInterface, KeysInterface, ListInterface, SetsInterface, StreamsInterface,
};
use serde_json::Value;
use test_support::{ServiceProcess, eventually};

use crate::log::wait_for_log;
use crate::support::World;

pub(crate) async fn list_dead_letters(world: &World) -> Vec<Value> {
    list_dead_letters_of(world, "superhero").await
}

pub(crate) async fn list_dead_letters_of(world: &World, dataset: &str) -> Vec<Value> {
    let listed = world.run_command(&["--etl-dataset", dataset, "dead", "list"]).await;
    assert!(listed.status.success());
    String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn wait_for_messages(worker: &ServiceProcess, kind: &str, count: f64) {
    let metric = format!("etl_worker_messages_total{{kind=\"{kind}\"}}");
    eventually("the messages are counted", async || worker.metric(&metric).await == count).await;
}

#[tokio::test]
async fn garbage_on_the_channel_is_logged_and_stops_nothing() {
    let world = World::start().await;
    let worker = world.start_worker("w", &[]).await;
    let garbage = ["", "\u{0}", "{", "[]", "\"\"", "null", r#"{"log_message":"Cleaning Game Records"}"#];
    for payload in garbage {
        world.publish(payload).await;
    }
    let path_in_token = r#"{"log_message":"Cleaning Game Records","task":{"game_token":"../../etc/passwd"}}"#;
    world.publish(path_in_token).await;
    wait_for_messages(&worker, "garbage", 8.0).await;
    wait_for_log(&worker, "a game token must be 1 to 128 of A-Z a-z 0-9 _ -").await;
    world.publish_game_ended("nobody-played-this").await;
    let expected = world.play_small_game("g1").await;
    world.publish_game_ended("g1").await;
    world.wait_until_written(&expected).await;
    wait_for_log(&worker, "game nobody-played-this ended, but Redis has no record of it").await;
    assert_eq!(worker.metric("etl_worker_enqueued_total{result=\"unknown\"}").await, 1.0);
}

#[tokio::test]
async fn an_invalid_game_becomes_a_dead_letter_after_five_tries_and_can_be_retried() {
    let world = World::start().await;
    let client = &world.client;
    let worker = world.start_worker("w", &[("ETL_LEASE", "500ms")]).await;
    let mut expected = world.play_small_game("good").await;
    world.play_small_game("raised").await;
    world.log_attack("raised", "ann", "bob", 1, 5, 6).await;
    world.play_small_game("typed").await;
    client.del::<(), _>("games:typed:superheros:bob").await.unwrap();
    client.set::<(), _, _>("games:typed:superheros:bob", "no hash", None, None, false).await.unwrap();
    client.set::<(), _, _>("games:half:status", "Completed", None, None, false).await.unwrap();
    for game in ["raised", "typed", "half", "good"] {
        world.publish_game_ended(game).await;
    }
    eventually("three games are dead letters", async || {
        worker.metric("etl_worker_dead_letters").await == 3.0
    })
    .await;
    world.wait_until_written(&expected).await;

    let mut letters = list_dead_letters(&world).await;
    letters.sort_by_key(|letter| letter["game"].as_str().unwrap().to_owned());
    let reasons: Vec<&str> = letters.iter().map(|letter| letter["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons[0], "the game has no players");
    assert_eq!(reasons[1], "log entry 2: an attack raised the health from 5 to 6");
    assert!(reasons[2].starts_with("bob: the hash cannot be read: "), "{}", reasons[2]);
    assert_eq!(letters[0]["game"], "half");
    assert_eq!(letters[0]["tries"], 5);
    assert!(letters[0]["when"].as_str().unwrap().ends_with('Z'));
    assert_eq!(letters[0].as_object().unwrap().len(), 4);

    // Their records are kept, and another message changes nothing.
    world.publish_game_ended("raised").await;
    assert_eq!(client.ttl::<i64, _>("games:raised:logs").await.unwrap(), -1);
    // Once its log is repaired, the game can be written.
    client.ltrim::<(), _>("games:raised:logs", 0, 0).await.unwrap();
    let retried = world.run_command(&["dead", "retry", "raised"]).await;
    assert_eq!(String::from_utf8(retried.stdout).unwrap(), "1 games will be tried again\n");
    expected.meta.extend([(("raised".into(), "ann".into()), 7), (("raised".into(), "bob".into()), 9)]);
    expected.podium.extend([
        (("raised".into(), "ann".into()), [1, 1, 0, 10]),
        (("raised".into(), "bob".into()), [2, 0, 10, 0]),
    ]);
    world.wait_until_written(&expected).await;
    assert_eq!(list_dead_letters(&world).await.len(), 2);
    let all = world.run_command(&["dead", "retry"]).await;
    assert_eq!(String::from_utf8(all.stdout).unwrap(), "2 games will be tried again\n");
    let unknown = world.run_command(&["dead", "retry", "good"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    let log = String::from_utf8(unknown.stderr).unwrap();
    assert!(log.ends_with(" ERROR no dead letters: good\n") && log.lines().count() == 1, "{log}");
}

#[tokio::test]
async fn a_game_that_is_incomplete_is_tried_again_until_it_is_complete() {
    let world = World::start().await;
    let client = &world.client;
    let worker = world.start_worker("w", &[]).await;
    let expected = world.play_small_game("g1").await;
    client.hdel::<(), _, _>("games:g1:superheros:bob", "health").await.unwrap();
    world.publish_game_ended("g1").await;
    let failed = "etl_worker_jobs_total{result=\"failed\"}";
    eventually("it has failed once", async || worker.metric(failed).await >= 1.0).await;
    wait_for_log(&worker, "game g1 cannot be written yet: player bob: health must be a whole number").await;
    client.hset::<(), _, _>("games:g1:superheros:bob", ("health", "0")).await.unwrap();
    world.wait_until_written(&expected).await;
}

#[tokio::test]
async fn a_log_that_is_longer_than_a_page_is_read_to_its_end() {
    let world = World::start().await;
    let _worker = world.start_worker("w", &[]).await;
    let mut expected = world.play_small_game("g1").await;
    let entry: String = world.client.lindex("games:g1:logs", 0).await.unwrap();
    let late = entry.replace("\"ENEMY_HEALTH_PRIOR\":10", "\"ENEMY_HEALTH_PRIOR\":0");
    world.client.rpush::<(), _, _>("games:g1:logs", vec![late; 3_500]).await.unwrap();
    expected.podium.insert(("g1".into(), "ann".into()), [1, 3_501, 0, 35_010]);
    expected.podium.insert(("g1".into(), "bob".into()), [2, 0, 35_010, 0]);
    world.publish_game_ended("g1").await;
    world.wait_until_written(&expected).await;
}

#[tokio::test]
async fn a_worker_continues_after_redis_lost_all_data() {
    let world = World::start().await;
    let _worker = world.start_worker("w", &[]).await;
    world.client.custom::<(), _>(fred::cmd!("FLUSHALL"), Vec::<String>::new()).await.unwrap();
    let expected = world.play_small_game("g1").await;
    world.publish_game_ended("g1").await;
    world.wait_until_written(&expected).await;
    assert_eq!(world.client.scard::<u64, _>(world.key("etl:open-parts")).await.unwrap(), 0);
    assert_eq!(world.client.xlen::<u64, _>(world.key("etl:jobs")).await.unwrap(), 0);
}
