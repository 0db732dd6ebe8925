//! Several instances on one timeline.

use fred::prelude::{ClientLike, SortedSetsInterface};
use test_support::{ServiceProcess, eventually};

use crate::support::{Listener, World, now_ms, post, walk};

const BATCH: usize = 50;
const CUSTOMERS: usize = 40;
const STEPS: i64 = 50;

async fn two(world: &World, more: &[(&str, &str)]) -> (ServiceProcess, ServiceProcess) {
    let more = [&[("CONSUME_BATCH_SIZE", "50")], more].concat();
    let players = (world.player(&more).await, world.player(&more).await);
    players.0.wait_until_ready().await;
    players.1.wait_until_ready().await;
    players
}

/// `CUSTOMERS` customers of `STEPS` steps each, posted to one instance.
async fn post_walks(player: &ServiceProcess, start_ms: i64, apart_ms: i64) {
    for customer in 0..CUSTOMERS {
        post(player, &walk(&format!("c{customer}"), start_ms, STEPS, apart_ms)).await;
    }
}

fn all_steps() -> usize {
    CUSTOMERS * usize::try_from(STEPS).unwrap()
}

async fn timeline_is_empty(world: &World) {
    let redis = world.redis.client().await;
    eventually("nothing is left on the timeline", async || {
        redis.zcard::<usize, _>("TIMELINE:CURRENT").await.unwrap() == 0
    })
    .await;
}

#[tokio::test]
async fn every_step_arrives_once_in_order_from_both_instances() {
    let world = World::start().await;
    let listener = Listener::start(world.mqtt.port()).await;
    let (one, two) = two(&world, &[]).await;
    post_walks(&one, now_ms() + 1500, 40).await;
    listener.has_heard(all_steps()).await;
    timeline_is_empty(&world).await;
    listener.heard_all_in_order(CUSTOMERS, STEPS, 0);
    for player in [&one, &two] {
        let published = player.metric("scenario_player_events_published_total").await;
        assert!(published > 200.0, "one instance published only {published}");
    }
}

#[tokio::test]
async fn a_killed_instance_is_taken_over_and_at_most_its_batch_comes_twice() {
    let world = World::start().await;
    let listener = Listener::start(world.mqtt.port()).await;
    let (one, mut two) = two(&world, &[]).await;
    post_walks(&one, now_ms() + 1500, 60).await;
    listener.has_heard(all_steps() / 3).await;
    two.kill().await;
    listener.has_heard(all_steps()).await;
    timeline_is_empty(&world).await;
    listener.heard_all_in_order(CUSTOMERS, STEPS, BATCH);
}

#[tokio::test]
async fn an_instance_killed_while_the_broker_is_stalled_loses_nothing() {
    let world = World::start().await;
    let listener = Listener::start(world.mqtt.port()).await;
    let (one, mut two) = two(&world, &[]).await;
    post_walks(&one, now_ms() + 1500, 60).await;
    listener.has_heard(all_steps() / 3).await;
    world.mqtt.pause().await;
    // Both have a full batch that nobody acknowledges: what the killed one claimed is with nobody but the timeline.
    eventually("the survivor's lease goes on while nothing is acknowledged", async || {
        let before = two.metric("scenario_player_events_published_total").await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        two.metric("scenario_player_events_published_total").await == before
    })
    .await;
    two.kill().await;
    world.mqtt.resume().await;
    listener.has_heard(all_steps()).await;
    timeline_is_empty(&world).await;
    listener.heard_all_in_order(CUSTOMERS, STEPS, BATCH);
}

#[tokio::test]
async fn a_backlog_of_10000_overdue_steps_keeps_every_customers_order_through_a_kill() {
    let world = World::start().await;
    let listener = Listener::start(world.mqtt.port()).await;
    let (one, mut two) = two(&world, &[("CONSUME_FROM", "earliest")]).await;
    for customer in 0..20 {
        post(&one, &walk(&format!("c{customer}"), now_ms() - 3_600_000, 500, 7)).await;
    }
    listener.has_heard(3_000).await;
    two.kill().await;
    listener.has_heard(10_000).await;
    timeline_is_empty(&world).await;
    listener.heard_all_in_order(20, 500, BATCH);
}

#[tokio::test]
async fn an_instance_that_was_frozen_does_not_disturb_its_successor() {
    let world = World::start().await;
    let listener = Listener::start(world.mqtt.port()).await;
    let (one, two) = two(&world, &[]).await;
    post_walks(&one, now_ms() + 1500, 100).await;
    listener.has_heard(all_steps() / 4).await;
    two.signal("STOP").await;
    listener.has_heard(all_steps() * 3 / 4).await;
    two.signal("CONT").await;
    listener.has_heard(all_steps()).await;
    timeline_is_empty(&world).await;
    listener.heard_all_in_order(CUSTOMERS, STEPS, BATCH);
}

#[tokio::test]
async fn instances_that_come_and_go_share_the_work_without_a_repeat() {
    let world = World::start().await;
    let listener = Listener::start(world.mqtt.port()).await;
    let one = world.player(&[]).await;
    one.wait_until_ready().await;
    post_walks(&one, now_ms() + 500, 100).await;
    listener.has_heard(all_steps() / 5).await;
    let mut two = world.player(&[]).await;
    eventually("the newcomer publishes", async || {
        two.metric("scenario_player_events_published_total").await > 100.0
    })
    .await;
    assert_eq!(two.terminate().await, 0);
    listener.has_heard(all_steps()).await;
    timeline_is_empty(&world).await;
    listener.heard_all_in_order(CUSTOMERS, STEPS, 0);
}

#[tokio::test]
async fn a_scenario_goes_on_when_all_instances_were_stopped_in_its_middle() {
    for (consume_from, skipped) in [("earliest", false), ("latest", true)] {
        let world = World::start().await;
        let listener = Listener::start(world.mqtt.port()).await;
        let mut players = two(&world, &[]).await;
        post(&players.0, &walk("c", now_ms() + 500, 60, 100)).await;
        listener.has_heard(10).await;
        assert_eq!(players.0.terminate().await, 0);
        assert_eq!(players.1.terminate().await, 0);
        let heard_before = listener.all().len();
        let redis = world.redis.client().await;
        eventually("some steps fell due in between", async || {
            let overdue: usize = redis.zcount("TIMELINE:CURRENT", 0.0, (now_ms() - 1) as f64).await.unwrap();
            overdue >= 10
        })
        .await;
        let _players = two(&world, &[("CONSUME_FROM", consume_from)]).await;
        eventually("the last step came", async || {
            listener.all().last().is_some_and(|(_, payload)| payload["x"] == 59)
        })
        .await;
        let (walks, repeats) = listener.walks();
        assert_eq!(repeats, 0);
        let walk = &walks["c"];
        if skipped {
            assert!(walk.len() <= 50, "{} were skipped", 60 - walk.len());
            let begin = walk[heard_before];
            assert_eq!(walk[heard_before..], (begin..60).collect::<Vec<_>>());
        } else {
            assert_eq!(*walk, (0..60).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn an_idle_instance_causes_at_most_one_redis_command_in_two_seconds() {
    let world = World::start().await;
    let player = world.player(&[]).await;
    player.wait_until_ready().await;
    post(&player, &walk("1", now_ms(), 5, 10)).await;
    timeline_is_empty(&world).await;
    let redis = world.redis.client().await;
    let commands = async || {
        let info: String = redis.info(Some(fred::types::InfoKind::Stats)).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    eventually("it has gone to rest", async || {
        redis.zcard::<usize, _>("TIMELINE:INSTANCES").await.unwrap() == 0
    })
    .await;
    let before = commands().await;
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    let caused = commands().await - before - 1;
    assert!(caused <= 15, "{caused} commands in 30 s");
}
