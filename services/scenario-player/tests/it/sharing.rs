//! Several instances on one timeline.

use fred::prelude::{ClientLike, SortedSetsInterface};
use futures_util::future::join_all;
use test_support::{ServiceProcess, eventually};

use crate::support::{Subscriber, TestServers, now_ms, post, wait_for_empty_timeline, walk};

const BATCH: usize = 50;
const CUSTOMERS: usize = 40;
const STEPS: i64 = 50;

/// Starts two instances that share the timeline.
async fn start_two(servers: &TestServers, vars: &[(&str, &str)]) -> (ServiceProcess, ServiceProcess) {
    let vars = [&[("CONSUME_BATCH_SIZE", "50")], vars].concat();
    let players = (servers.start_player(&vars).await, servers.start_player(&vars).await);
    players.0.wait_until_ready().await;
    players.1.wait_until_ready().await;
    players
}

/// Posts `STEPS` steps for each of the `CUSTOMERS` customers to one instance.
async fn post_walks(player: &ServiceProcess, start_ms: i64, interval_ms: i64) {
    for customer in 0..CUSTOMERS {
        post(player, &walk(&format!("c{customer}"), start_ms, STEPS, interval_ms)).await;
    }
}

fn all_steps() -> usize {
    CUSTOMERS * usize::try_from(STEPS).unwrap()
}

#[tokio::test]
async fn every_step_arrives_once_in_order_from_both_instances() {
    let servers = TestServers::start().await;
    let subscriber = Subscriber::start(servers.mqtt.port()).await;
    let (one, two) = start_two(&servers, &[]).await;
    post_walks(&one, now_ms() + 1500, 40).await;
    subscriber.wait_for_steps(all_steps()).await;
    wait_for_empty_timeline(&one).await;
    subscriber.assert_all_in_order(CUSTOMERS, STEPS, 0);
    for player in [&one, &two] {
        let published = player.metric("scenario_player_events_published_total").await;
        assert!(published > 200.0, "one instance published only {published}");
    }
}

#[tokio::test]
async fn the_partitions_of_a_killed_instance_are_taken_over_and_at_most_its_batch_is_repeated() {
    let servers = TestServers::start().await;
    let subscriber = Subscriber::start(servers.mqtt.port()).await;
    let (one, mut two) = start_two(&servers, &[]).await;
    post_walks(&one, now_ms() + 1500, 60).await;
    subscriber.wait_for_steps(all_steps() / 3).await;
    two.kill().await;
    subscriber.wait_for_steps(all_steps()).await;
    wait_for_empty_timeline(&one).await;
    subscriber.assert_all_in_order(CUSTOMERS, STEPS, BATCH);
}

#[tokio::test]
async fn an_instance_killed_while_the_broker_is_stalled_loses_nothing() {
    let servers = TestServers::start().await;
    let subscriber = Subscriber::start(servers.mqtt.port()).await;
    let (one, mut two) = start_two(&servers, &[]).await;
    post_walks(&one, now_ms() + 1500, 60).await;
    subscriber.wait_for_steps(all_steps() / 3).await;
    servers.mqtt.pause().await;
    // Soon both have a full batch without acknowledgements. The only copy of the killed one's events is on the timeline.
    eventually("the second instance publishes nothing more while nothing is acknowledged", async || {
        let before = two.metric("scenario_player_events_published_total").await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        two.metric("scenario_player_events_published_total").await == before
    })
    .await;
    two.kill().await;
    servers.mqtt.resume().await;
    subscriber.wait_for_steps(all_steps()).await;
    wait_for_empty_timeline(&one).await;
    subscriber.assert_all_in_order(CUSTOMERS, STEPS, BATCH);
}

#[tokio::test]
async fn a_backlog_of_10000_overdue_steps_keeps_every_customers_order_through_a_kill() {
    let servers = TestServers::start().await;
    let subscriber = Subscriber::start(servers.mqtt.port()).await;
    let (one, mut two) = start_two(&servers, &[("CONSUME_FROM", "earliest")]).await;
    for customer in 0..20 {
        post(&one, &walk(&format!("c{customer}"), now_ms() - 3_600_000, 500, 7)).await;
    }
    subscriber.wait_for_steps(3_000).await;
    two.kill().await;
    subscriber.wait_for_steps(10_000).await;
    wait_for_empty_timeline(&one).await;
    subscriber.assert_all_in_order(20, 500, BATCH);
}

#[tokio::test]
async fn steps_that_come_among_others_that_are_just_being_taken_off_are_published_too() {
    let servers = TestServers::start().await;
    let subscriber = Subscriber::start(servers.mqtt.port()).await;
    let player = servers.start_player(&[("CONSUME_FROM", "earliest")]).await;
    player.wait_until_ready().await;
    let due_ms = now_ms() - 3_600_000;
    // All are due at the same times, so each post comes into the range that the one before has left.
    let scenarios: Vec<_> = (0..20).map(|n| walk(&format!("c{n}"), due_ms, 400, 1)).collect();
    join_all(scenarios.iter().map(|scenario| post(&player, scenario))).await;
    subscriber.wait_for_steps(20 * 400).await;
    wait_for_empty_timeline(&player).await;
    subscriber.assert_all_in_order(20, 400, 0);
}

#[tokio::test]
async fn an_instance_that_was_frozen_does_not_disturb_the_new_owner_of_its_partitions() {
    let servers = TestServers::start().await;
    let subscriber = Subscriber::start(servers.mqtt.port()).await;
    let (one, two) = start_two(&servers, &[]).await;
    post_walks(&one, now_ms() + 1500, 100).await;
    subscriber.wait_for_steps(all_steps() / 4).await;
    two.signal("STOP").await;
    subscriber.wait_for_steps(all_steps() * 3 / 4).await;
    two.signal("CONT").await;
    subscriber.wait_for_steps(all_steps()).await;
    wait_for_empty_timeline(&one).await;
    subscriber.assert_all_in_order(CUSTOMERS, STEPS, BATCH);
}

#[tokio::test]
async fn instances_that_join_and_leave_share_the_work_without_a_repeated_step() {
    let servers = TestServers::start().await;
    let subscriber = Subscriber::start(servers.mqtt.port()).await;
    let one = servers.start_player(&[]).await;
    one.wait_until_ready().await;
    post_walks(&one, now_ms() + 500, 100).await;
    subscriber.wait_for_steps(all_steps() / 5).await;
    let mut two = servers.start_player(&[]).await;
    eventually("the second instance publishes", async || {
        two.metric("scenario_player_events_published_total").await > 100.0
    })
    .await;
    assert_eq!(two.terminate().await, 0);
    subscriber.wait_for_steps(all_steps()).await;
    wait_for_empty_timeline(&one).await;
    subscriber.assert_all_in_order(CUSTOMERS, STEPS, 0);
}

#[tokio::test]
async fn a_scenario_continues_after_all_instances_were_stopped_in_its_middle() {
    join_all([("earliest", false), ("latest", true)].map(async |(consume_from, skipped)| {
        let servers = TestServers::start().await;
        let subscriber = Subscriber::start(servers.mqtt.port()).await;
        let mut players = start_two(&servers, &[]).await;
        post(&players.0, &walk("c", now_ms() + 500, 60, 100)).await;
        subscriber.wait_for_steps(10).await;
        assert_eq!(players.0.terminate().await, 0);
        assert_eq!(players.1.terminate().await, 0);
        let received_before = subscriber.messages().len();
        let redis = servers.redis.client().await;
        eventually("some steps were due while no instance ran", async || {
            let overdue: usize = redis.zcount("TIMELINE:CURRENT", 0.0, (now_ms() - 1) as f64).await.unwrap();
            overdue >= 10
        })
        .await;
        let _players = start_two(&servers, &[("CONSUME_FROM", consume_from)]).await;
        eventually("the last step has arrived", async || {
            subscriber.messages().last().is_some_and(|(_, payload)| payload["x"] == 59)
        })
        .await;
        let (walks, repeats) = subscriber.walks();
        assert_eq!(repeats, 0);
        let walk = &walks["c"];
        if skipped {
            assert!(walk.len() <= 50, "{} were skipped", 60 - walk.len());
            let first = walk[received_before];
            assert_eq!(walk[received_before..], (first..60).collect::<Vec<_>>());
        } else {
            assert_eq!(*walk, (0..60).collect::<Vec<_>>());
        }
    }))
    .await;
}

#[tokio::test]
async fn an_idle_instance_sends_at_most_one_redis_command_in_two_seconds() {
    let servers = TestServers::start().await;
    let player = servers.start_player(&[]).await;
    player.wait_until_ready().await;
    post(&player, &walk("1", now_ms(), 5, 10)).await;
    wait_for_empty_timeline(&player).await;
    let redis = servers.redis.client().await;
    // Commands by the client's own doing, and by the health check of redis-core.
    let commands = async || {
        let info: String = redis.info(Some(fred::types::InfoKind::CommandStats)).await.unwrap();
        let calls = info.lines().filter_map(|line| {
            let (name, stats) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((HEALTH_CHECK.contains(&name), stats.split(',').next()?.parse::<u64>().ok()?))
        });
        calls.fold(
            (0, 0),
            |(own, check), (is_check, calls)| {
                if is_check { (own, check + calls) } else { (own + calls, check) }
            },
        )
    };
    eventually("the instance has given up its lease", async || {
        redis.zcard::<usize, _>("TIMELINE:INSTANCES").await.unwrap() == 0
    })
    .await;
    let before = commands().await;
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    let after = commands().await;
    let (own, check) = (after.0 - before.0, after.1 - before.1);
    assert!(own <= 15, "{own} commands in 30 s");
    assert!(check <= 150, "{check} commands of the health check in 30 s");
}

/// What redis-core asks each connection, and on one of its own. `info` is this test's too.
const HEALTH_CHECK: [&str; 6] = ["multi", "discard", "unlink", "ping", "subscribe", "info"];
