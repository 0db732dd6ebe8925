//! A bad value in Redis costs its own customer, or is told. Nobody else waits for it.

use test_support::eventually;

use crate::support::{Subscriber, TestServers, get_json, now_ms, post, send, walk};

#[tokio::test]
async fn a_bad_value_of_one_customer_costs_no_other() {
    let servers = TestServers::start().await;
    let subscriber = Subscriber::start(servers.mqtt.port()).await;
    let player = servers.start_player(&[]).await;
    player.wait_until_ready().await;
    let due_ms = now_ms() + 1_000;
    for command in [
        "SET SCENARIO:string text".to_owned(),
        "ZADD SCENARIOS 1 string".to_owned(),
        "RPUSH SCENARIO:garbage nonsense".to_owned(),
        "ZADD SCENARIOS 1 garbage".to_owned(),
        "LPUSH PLAYBACK:list text".to_owned(),
        "RPUSH SCENARIO:list x".to_owned(),
        "ZADD SCENARIOS 1 list".to_owned(),
        format!("ZADD SCENARIOS 1 {}", "x".repeat(300)),
        format!("ZADD TIMELINE:CURRENT {due_ms} foo"),
        format!("ZADD TIMELINE:CURRENT {due_ms} {}|1|2|MOVE|2021-04-14", "x".repeat(300)),
        "ZADD TIMELINE:CURRENT inf bar".to_owned(),
        "ZADD TIMELINE:CURRENT -inf baz".to_owned(),
        "ZADD TIMELINE:LOOPS 1 nobody".to_owned(),
        "ZADD TIMELINE:INSTANCES inf ghost".to_owned(),
        "HSET TIMELINE:LANES nonsense ghost".to_owned(),
    ] {
        servers.redis.admin(&command).await;
    }
    for customer in 0..40 {
        post(&player, &walk(&format!("c{customer}"), due_ms, 5, 50)).await;
    }
    subscriber.wait_for_steps(200).await;
    subscriber.assert_all_in_order(40, 5, 0);
    assert_eq!(get_json(&player, "/scenarios").await.as_array().unwrap().len(), 40);
    assert_eq!(get_json(&player, "/state").await.as_array().unwrap().len(), 40);
    assert_eq!(send(&player, "GET", "/scenarios/string", &().into()).await.0, 500);
    assert_eq!(player.get("/ready").await.0, 200);
    // Each read from the start finds the members again: each is logged once.
    let log = player.log();
    assert_eq!(log.lines().filter(|line| line.contains("member=foo")).count(), 1, "{log}");
}

#[tokio::test]
async fn a_key_of_another_type_turns_the_instance_red_until_it_is_repaired() {
    let servers = TestServers::start().await;
    let subscriber = Subscriber::start(servers.mqtt.port()).await;
    let player = servers.start_player(&[]).await;
    player.wait_until_ready().await;
    let keys = ["TIMELINE:CURRENT", "TIMELINE:META", "TIMELINE:INSTANCES", "TIMELINE:LANES", "SCENARIOS"];
    for (number, key) in keys.iter().enumerate() {
        servers.redis.admin(&format!("DEL {key}")).await;
        servers.redis.admin(&format!("SET {key} text")).await;
        let customer = format!("c{number}");
        let scenario = walk(&customer, now_ms() + 500, 3, 50);
        // Whoever needs the key now finds it: a post, the reader or the lease.
        let (status, _) = send(&player, "POST", "/scenario", &scenario).await;
        eventually(key, async || {
            let (status, body) = player.get("/ready").await;
            status == 503 && body.contains(&format!("{key} is a string"))
        })
        .await;
        servers.redis.admin(&format!("DEL {key}")).await;
        player.wait_until_ready().await;
        if status != 200 {
            post(&player, &walk(&customer, now_ms() + 500, 3, 50)).await;
        }
        subscriber.wait_for_steps(3 * (number + 1)).await;
    }
}
