//! What the service may do in Redis: its user, and the commands for dead letters without a permission.

use fred::interfaces::KeysInterface;
use fred::types::Value;
use futures_util::future::join_all;
use test_support::{TestRedis, eventually, redis_versions};

use super::dead_letters::run_command;
use crate::support::{Kafka, World};

const USER: [(&str, &str); 2] = [("REDIS_USERNAME", "kafka-ingester"), ("REDIS_PASS", "SECRET")];

/// The line of the README.
fn acl_line() -> &'static str {
    let mut lines = include_str!("../../README.md").lines();
    lines.find(|line| line.starts_with("ACL SETUSER kafka-ingester ")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_the_readme_may_do_all_that_is_needed() {
    join_all(redis_versions().iter().map(|(name, binary)| async move {
        let world = World::with(Kafka::start(), TestRedis::start_binary(binary, &[]).await, 1).await;
        world.redis.admin(acl_line()).await;
        let service = world.start_ingester(&USER).await;
        world.send(r#"{"battery_id":1,"a":1}"#);
        world.wait_for_field("battery:1:data", "a", "1").await;
        world.send("bad");
        world.wait_for_offset(0, 2).await;
        world.redis.admin("SCRIPT FLUSH").await;
        world.send(r#"{"battery_id":1,"a":2}"#);
        world.wait_for_field("battery:1:data", "a", "2").await;
        for command in ["list", "replay"] {
            let (code, lines, error) = run_command(&world, &["dead-letters", command], &USER).await;
            assert_eq!((code, lines.len()), (0, 1), "{name}: {error}");
        }
        assert_eq!(service.get("/ready").await.0, 200, "{name}");
        let refused = world.redis.admin("ACL LOG").await;
        assert!(matches!(&refused, Value::Array(entries) if entries.is_empty()), "{name}: {refused:?}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_the_readme_is_enough_on_a_cluster() {
    let world = World::on_cluster(Kafka::start_mock(), 1).await;
    let cluster = world.cluster.as_ref().unwrap();
    cluster.set_user(include_str!("../../README.md")).await;
    let service = world.start_ingester(&USER).await;
    // On each shard there is one.
    for number in 0..20 {
        world.kafka.enqueue(&world.topic, 0, None, Some(format!(r#"{{"battery_id":{number}}}"#).as_bytes()));
    }
    world.send("bad");
    world.wait_for_offset(0, 21).await;
    for command in ["list", "replay"] {
        let (code, lines, error) = run_command(&world, &["dead-letters", command], &USER).await;
        assert_eq!((code, lines.len()), (0, 1), "{error}");
    }
    assert_eq!(service.get("/ready").await.0, 200);
    cluster.assert_nothing_denied().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_the_readme_may_also_use_all_options_with_what_they_add() {
    let world = World::new(1).await;
    world.redis.admin(&format!("{} +set +get +pttl +pexpire +pexpireat +del +srem +wait", acl_line())).await;
    let dead = world.kafka.create_unique_topic(1).await;
    let options = [
        ("KEY_TTL", "1h"),
        ("TTL_FROM", "expires"),
        ("TTL_UNIT", "epoch"),
        ("NEWER_BY", "timestamp"),
        ("TOMBSTONES", "delete"),
        ("DEAD_LETTERS_TOPIC", &*dead),
    ];
    let service = world.start_ingester(&[&USER[..], &options].concat()).await;
    world.kafka.enqueue(&world.topic, 0, None, Some(br#"{"battery_id":1,"a":1,"expires":1}"#));
    world.kafka.enqueue(&world.topic, 0, Some(b"1"), None);
    world.kafka.enqueue(&world.topic, 0, None, Some(b"bad"));
    world.kafka.flush();
    world.wait_for_offset(0, 3).await;
    eventually("the dead letter is forwarded", async || world.kafka.log_end(&dead, 0) == 1).await;
    assert_eq!(service.get("/ready").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_the_readme_may_keep_sorted_sets_with_what_they_add() {
    let world = World::new(1).await;
    world.redis.admin(&format!("{} +zadd +zrem +zcard +srem", acl_line())).await;
    let options = [
        ("STORE_AS", "sorted-set"),
        ("KEY_TEMPLATE", "battery:{battery_id}:cells"),
        ("MEMBER_TEMPLATE", "{cell}"),
        ("SCORE_FROM", "soc"),
        ("TOMBSTONES", "delete"),
    ];
    let service = world.start_ingester(&[&USER[..], &options].concat()).await;
    let key = br#"{"battery_id":1,"cell":"a"}"#;
    world.kafka.enqueue(&world.topic, 0, Some(key), Some(br#"{"battery_id":1,"cell":"a","soc":81}"#));
    world.kafka.enqueue(&world.topic, 0, Some(key), None);
    world.kafka.flush();
    world.wait_for_offset(0, 2).await;
    assert_eq!((service.get("/ready").await.0, world.count_dead_letters().await), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_permission_that_is_missing_is_named() {
    let world = World::new(1).await;
    world.redis.admin(acl_line()).await;
    let service = world.start_ingester(&USER).await;
    let key = world.offsets_key(0);
    for (command, what) in [
        ("evalsha", "EVALSHA".to_owned()),
        ("script|load", "SCRIPT LOAD".to_owned()),
        ("hmget", format!("HMGET {key}")),
        ("hset", format!("HSET {key}")),
        ("sadd", "SADD info:batteries:ids".to_owned()),
        ("xadd", "XADD kafka-ingester:dead-letters".to_owned()),
        ("publish", "PUBLISH to battery:*".to_owned()),
    ] {
        // Redis 7 takes back one subcommand only if it was given as such.
        world.redis.admin(&format!("ACL SETUSER kafka-ingester -{command}")).await;
        eventually(&what, async || {
            let reason = format!("redis: user kafka-ingester may not {what}");
            let (status, body) = service.get("/ready").await;
            status == 503 && body.contains(&reason)
        })
        .await;
        world.redis.admin(acl_line()).await;
        service.wait_until_ready().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_redis_refuses_ends_with_the_reason_and_keeps_the_dead_letters() {
    join_all(redis_versions().iter().map(|(name, binary)| async move {
        let world = World::with(Kafka::start(), TestRedis::start_binary(binary, &[]).await, 1).await;
        world.client.set::<(), _, _>("battery:1:data", "not a hash", None, None, false).await.unwrap();
        let _service = world.start_ingester(&[]).await;
        world.send(r#"{"battery_id":1,"a":1}"#);
        world.send(r#"{"battery_id":1,"a":2}"#);
        world.wait_for_offset(0, 2).await;
        world.client.del::<(), _>("battery:1:data").await.unwrap();
        world.redis.admin(acl_line()).await;
        for taken in ["-publish", "resetchannels", "-hset", "-sadd", "-xdel", "-xrange", "-evalsha"] {
            world.redis.admin(&format!("ACL SETUSER kafka-ingester {taken}")).await;
            let (code, lines, error) = run_command(&world, &["dead-letters", "replay"], &USER).await;
            assert_eq!((code, lines.len()), (1, 0), "{name}, {taken}: {lines:?} {error}");
            assert!(
                error.contains("replay a dead letter") || error.contains("read the dead letters"),
                "{error}"
            );
            assert_eq!(world.count_dead_letters().await, 2, "{name}, {taken}");
            world.redis.admin(acl_line()).await;
        }
        let (code, lines, _) = run_command(&world, &["dead-letters", "replay"], &USER).await;
        assert_eq!((code, lines.len(), world.count_dead_letters().await), (0, 0, 0), "{name}");
        assert_eq!(world.read_field("battery:1:data", "a").await.unwrap(), "2");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarder_that_may_not_remove_sends_nothing_twice() {
    let world = World::new(1).await;
    world.redis.admin(&format!("{} +set +get +pttl -xdel", acl_line())).await;
    let dead = world.kafka.create_unique_topic(1).await;
    let service = world.spawn_ingester(&[&USER[..], &[("DEAD_LETTERS_TOPIC", &*dead)]].concat()).await;
    world.send("bad");
    world.wait_for_offset(0, 1).await;
    eventually("/ready says why", async || {
        let body = service.get("/ready").await.1;
        body.contains("dead letters: cannot forward")
            && body.contains("user kafka-ingester may not XDEL kafka-ingester:dead-letters")
    })
    .await;
    assert_eq!(world.kafka.log_end(&dead, 0), 0);
    world.redis.admin("ACL SETUSER kafka-ingester +xdel").await;
    eventually("it is forwarded", async || world.kafka.log_end(&dead, 0) == 1).await;
    service.wait_until_ready().await;
    assert_eq!(world.kafka.log_end(&dead, 0), 1);
}
