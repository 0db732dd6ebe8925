use std::time::{Duration, Instant};

use fred::interfaces::{
    HashesInterface, KeysInterface, ListInterface, PubsubInterface, SetsInterface, SortedSetsInterface,
};
use test_support::eventually;

use crate::log::wait_for_log;
use crate::support::World;
use crate::tables::Tables;

#[tokio::test]
async fn a_plain_object_is_accepted_and_other_messages_are_ignored() {
    let world = World::start().await;
    let worker = world.start_worker("w", &[]).await;
    let expected = world.play_small_game("g1").await;
    world.publish(r#"{"level":"INFO","log_message":"Starting Game","task":{"game_token":"g1"}}"#).await;
    eventually("the message is counted", async || {
        worker.metric("etl_worker_messages_total{kind=\"other\"}").await == 1.0
    })
    .await;
    assert_eq!(worker.metric("etl_worker_enqueued_total").await, 0.0);
    world
        .publish(r#"{"log_message":"Cleaning Game Records","task":{"game_token":"g1","user_token":"ann"}}"#)
        .await;
    world.wait_until_written(&expected).await;
}

#[tokio::test]
async fn by_default_each_name_of_the_channel_that_is_in_circulation_is_heard() {
    let world = World::start().await;
    let _worker = world.start_worker("w", &[("ETL_SETTLE", "1h")]).await;
    let mut expected = Tables::default();
    for (game, channel) in [("g1", "CLEAN"), ("g2", "lib.server.lobby"), ("g3", "redis.lib.server.lobby")] {
        expected.add(world.play_small_game(game).await);
        let message =
            format!(r#"{{"log_message":"Cleaning Game Records","task":{{"game_token":"{game}"}}}}"#);
        world.client.publish::<(), _, _>(channel, message).await.unwrap();
    }
    world.wait_until_written(&expected).await;
}

#[tokio::test]
async fn games_that_ended_while_no_worker_ran_are_found() {
    let world = World::start().await;
    let expected = world.simulate(&["--games", "100", "--copies", "0"]).await;
    let client = &world.client;
    let mut completed = expected.clone();
    for game in expected.games() {
        let status: String = client.get(format!("games:{game}:status")).await.unwrap();
        if status != "Completed" {
            completed.meta.retain(|(token, _), _| *token != game);
            completed.podium.retain(|(token, _), _| *token != game);
        }
    }
    assert!(completed.meta.len() < expected.meta.len(), "some games never left the lobby");
    let _worker = world.start_worker("w", &[("ETL_SETTLE", "2s")]).await;
    let start = Instant::now();
    world.wait_until_written(&completed).await;
    // On an idle machine ETL_SETTLE and 5 s are enough, but a test cannot rely on that.
    assert!(start.elapsed() < Duration::from_secs(2 + 25), "{:?}", start.elapsed());
    // Games in the lobby are left alone until their message comes.
    for game in expected.games() {
        world.publish_game_ended(&game).await;
    }
    world.wait_until_written(&expected).await;
}

#[tokio::test]
async fn attacks_after_completed_and_before_the_message_are_in_the_rows() {
    let world = World::start().await;
    let _worker = world.start_worker("w", &[("ETL_SETTLE", "3s")]).await;
    let mut expected = world.play_small_game("g1").await;
    // The log grows, so the game has not settled. It is left alone until its message comes.
    for rounds in 2..=6 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        world.log_attack("g1", "ann", "bob", 5, 0, 0).await;
        expected.podium.insert(("g1".into(), "ann".into()), [1, rounds, 0, 10 + 5 * (rounds - 1)]);
        expected.podium.insert(("g1".into(), "bob".into()), [2, 0, 10 + 5 * (rounds - 1), 0]);
    }
    assert!(world.read_output().meta.is_empty());
    world.publish_game_ended("g1").await;
    world.wait_until_written(&expected).await;
}

#[tokio::test]
async fn records_are_kept_from_expiring_until_they_are_committed() {
    let world = World::start().await;
    let expected = world.play_small_game("g1").await;
    let keys =
        ["games:g1", "games:g1:superheros", "games:g1:superheros:ann", "games:g1:logs", "games:g1:status"];
    for key in keys {
        world.client.expire::<(), _>(key, 60, None).await.unwrap();
    }
    // The output cannot be written yet.
    std::fs::write(world.output(), b"in the way").unwrap();
    let worker = world.spawn_worker("w", &[]);
    wait_for_log(&worker, "listening on channel").await;
    world.publish_game_ended("g1").await;
    eventually("the records do not expire", async || {
        let mut ttls = Vec::new();
        for key in keys {
            ttls.push(world.client.ttl::<i64, _>(key).await.unwrap());
        }
        ttls == [-1; 5]
    })
    .await;
    std::fs::remove_file(world.output()).unwrap();
    world.wait_until_written(&expected).await;
}

#[tokio::test]
async fn records_are_removed_only_with_clean_routine_and_then_all_of_them() {
    let world = World::start().await;
    let client = &world.client;
    let expected = world.play_small_game("g1").await;
    for (key, value) in [("games:g1:participants", "2"), ("games:g1:host", "ann")] {
        client.set::<(), _, _>(key, value, None, None, false).await.unwrap();
    }
    client.rpush::<(), _, _>("games:g1:order", "ann").await.unwrap();
    for list in ["games:players:2", "games:participants:2"] {
        client.rpush::<(), _, _>(list, vec!["other", "g1"]).await.unwrap();
    }
    let before: Vec<String> = world.keys("games:*").await;

    let mut without_cleanup = world.start_worker("keeps", &[("CLEAN_ROUTINE", "False")]).await;
    world.publish_game_ended("g1").await;
    world.wait_until_written(&expected).await;
    without_cleanup.terminate().await;
    for key in &before {
        assert_eq!(client.ttl::<i64, _>(key.as_str()).await.unwrap(), -1, "{key}");
    }
    assert_eq!(client.ttl::<i64, _>(world.key("etl:game:g1")).await.unwrap(), -1);

    let expected = {
        let mut all = world.play_small_game("g2").await;
        all.add(expected);
        all
    };
    let _with_cleanup = world.start_worker("cleans", &[("REDIS_EXPIRY", "40")]).await;
    client.set::<(), _, _>("games:g2:participants", "2", None, None, false).await.unwrap();
    client.set::<(), _, _>("games:g2:host", "ann", None, None, false).await.unwrap();
    client.rpush::<(), _, _>("games:g2:order", "ann").await.unwrap();
    for list in ["games:players:2", "games:participants:2"] {
        client.rpush::<(), _, _>(list, "g2").await.unwrap();
    }
    world.publish_game_ended("g2").await;
    world.wait_until_written(&expected).await;
    // On a Cluster this is a lease after the commit.
    eventually("the records are removed", async || {
        client.exists::<u64, _>("games:g2:logs").await.unwrap() == 0
    })
    .await;
    let records = [
        "",
        ":superheros",
        ":superheros:ann",
        ":superheros:bob",
        ":order",
        ":status",
        ":participants",
        ":host",
    ];
    for record in records {
        let ttl: i64 = client.ttl(format!("games:g2{record}")).await.unwrap();
        assert!((1..=40).contains(&ttl), "games:g2{record}: {ttl}");
    }
    assert_eq!(client.exists::<u64, _>("games:g2:logs").await.unwrap(), 0);
    assert_eq!(client.zscore::<Option<f64>, _, _>("games:participants", "g2").await.unwrap(), None);
    for list in ["games:players:2", "games:participants:2"] {
        assert_eq!(client.lrange::<Vec<String>, _>(list, 0, -1).await.unwrap(), ["other", "g1"], "{list}");
    }
    assert!(client.ttl::<i64, _>(world.key("etl:game:g2")).await.unwrap() > 40);
    let part = client.hget::<String, _, _>(world.key("etl:game:g2"), "part").await.unwrap();
    assert!(part.starts_with("dt=") && part.ends_with("/g2_cleans.gz.parquet"), "{part}");
    assert_eq!(
        client.smembers::<Vec<String>, _>(world.key("etl:open-parts")).await.unwrap(),
        Vec::<String>::new()
    );
}
