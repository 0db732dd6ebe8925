use fred::interfaces::{HashesInterface, StreamsInterface};
use test_support::eventually;

use crate::bad_input::list_dead_letters;
use crate::log::wait_for_log;
use crate::support::World;

/// Adds a dead letter as a worker does. Without `id`, Redis gives it the time of now.
async fn add_dead_letter(world: &World, id: &str, game: &str) {
    let fields = vec![("game", game), ("reason", "broken"), ("when", "2026-11-01T00:00:00Z"), ("tries", "5")];
    world.client.xadd::<(), _, _, _, _>(world.key("etl:dead"), false, None, id, fields).await.unwrap();
}

async fn games(world: &World) -> Vec<String> {
    list_dead_letters(world).await.iter().map(|letter| letter["game"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn dead_letters_are_dropped_by_game_or_by_age() {
    let world = World::start().await;
    add_dead_letter(&world, "1000-0", "of-1970").await;
    for game in ["a", "b", "c"] {
        add_dead_letter(&world, "*", game).await;
    }
    let drop = async |args: &[&str]| {
        let ended = world.run_command(&[&["dead", "drop"], args].concat()).await;
        let [out, err] = [ended.stdout, ended.stderr].map(|text| String::from_utf8(text).unwrap());
        (ended.status.code(), out, err)
    };
    assert_eq!(drop(&[]).await.0, Some(2), "everything is never dropped by accident");
    assert_eq!(drop(&["a", "--older-than", "7d"]).await.0, Some(2));
    assert_eq!(games(&world).await, ["of-1970", "a", "b", "c"]);
    assert_eq!(drop(&["--older-than", "7d"]).await.1, "1 dead letters are dropped\n");
    let (code, _, error) = drop(&["b", "nobody"]).await;
    assert!(code == Some(1) && error.contains("no dead letters: nobody"), "{error}");
    assert_eq!(games(&world).await, ["a", "c"]);
}

#[tokio::test]
async fn a_dropped_game_is_not_taken_up_again_and_the_alert_ends() {
    let world = World::start().await;
    let worker = world.start_worker("w", &[("ETL_LEASE", "500ms"), ("ETL_SETTLE", "1s")]).await;
    world.play_small_game("bad").await;
    world.log_attack("bad", "ann", "nobody", 1, 6, 5).await;
    eventually("the game is a dead letter", async || worker.metric("etl_worker_dead_letters").await == 1.0)
        .await;
    assert!(world.run_command(&["dead", "drop", "bad"]).await.status.success());
    eventually("the alert ends", async || worker.metric("etl_worker_dead_letters").await == 0.0).await;
    world.publish_game_ended("bad").await;
    eventually("the message changes nothing", async || {
        worker.metric("etl_worker_enqueued_total{result=\"known\"}").await == 1.0
    })
    .await;
    let state: String = world.client.hget(world.key("etl:game:bad"), "state").await.unwrap();
    assert_eq!((state.as_str(), games(&world).await.len()), ("dead", 0));
}

#[tokio::test]
async fn dead_letters_are_bounded_by_age_and_by_number() {
    let world = World::start().await;
    add_dead_letter(&world, "1000-0", "of-1970").await;
    for game in ["a", "b", "c"] {
        add_dead_letter(&world, "*", game).await;
    }
    let mut by_age = world.start_worker("w", &[("ETL_DEAD_MAX_AGE", "30d")]).await;
    eventually("the oldest is dropped", async || games(&world).await == ["a", "b", "c"]).await;
    wait_for_log(&by_age, "dropped 1 dead letters").await;
    by_age.terminate().await;
    let _by_number = world.start_worker("w", &[("ETL_DEAD_MAX", "2")]).await;
    eventually("two are left", async || games(&world).await == ["b", "c"]).await;
}
