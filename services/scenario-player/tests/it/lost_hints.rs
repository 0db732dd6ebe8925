//! A hint that is lost, and steps that another program puts on the timeline, cost a second at most.

use fred::interfaces::SortedSetsInterface;
use futures_util::future::join_all;
use test_support::{ServiceProcess, TestMosquitto, TestRedis, eventually, redis_versions};

use crate::support::{Subscriber, now_ms, post, start_player, walk};

/// Writes a step that is due now as another program does, which sends no hint; as a post whose hint was lost, also the count of
/// changes. Returns after how many milliseconds it arrived.
async fn write_step(redis: &TestRedis, subscriber: &Subscriber, customer: &str, counts: bool) -> i64 {
    let written_ms = now_ms();
    let time = jiff::Timestamp::from_millisecond(written_ms).unwrap().strftime("%Y-%m-%d %H:%M:%S.%6f+0000");
    let client = redis.client().await;
    if counts {
        redis.admin("HINCRBY TIMELINE:META changes 1").await;
    }
    let member = format!("{customer}|0|0|MOVE|{time}");
    let scored = (written_ms as f64, member);
    client.zadd::<(), _, _>("TIMELINE:CURRENT", None, None, false, false, scored).await.unwrap();
    eventually("it arrives", async || subscriber.walks().0.contains_key(customer)).await;
    now_ms() - written_ms
}

async fn wait_until_idle(player: &ServiceProcess, redis: &TestRedis) {
    player.wait_until_ready().await;
    let client = redis.client().await;
    eventually("the instance has given up its lease", async || {
        client.zcard::<usize, _>("TIMELINE:INSTANCES").await.unwrap() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_another_program_wrote_is_played_within_a_second_by_an_idle_instance() {
    join_all(redis_versions().iter().map(async |(version, binary)| {
        let (redis, mqtt) = (TestRedis::start_binary(binary, &[]).await, TestMosquitto::start().await);
        let subscriber = Subscriber::start(mqtt.port()).await;
        let player = start_player(redis.port(), mqtt.port(), &[]).await;
        for number in 0..4 {
            wait_until_idle(&player, &redis).await;
            // Another instance's change a moment before it: Redis has just told of that.
            redis.admin(&format!("ZADD TIMELINE:CURRENT 9e12 later-{number}")).await;
            let late_ms = write_step(&redis, &subscriber, &format!("c{number}"), number % 2 == 1).await;
            assert!(late_ms < LIMIT_MS, "{version}, step {number}: {late_ms} ms\n{}", player.log());
        }
        // The connection that tells of it is a new one.
        wait_until_idle(&player, &redis).await;
        redis.admin("CLIENT KILL TYPE pubsub").await;
        player.wait_until_ready().await;
        let late_ms = write_step(&redis, &subscriber, "after", false).await;
        assert!(late_ms < LIMIT_MS, "{version}, after a lost connection: {late_ms} ms\n{}", player.log());
    }))
    .await;
}

#[tokio::test]
async fn a_step_that_another_program_wrote_is_played_within_a_second_by_an_instance_at_work() {
    let (redis, mqtt) = (TestRedis::start().await, TestMosquitto::start().await);
    let subscriber = Subscriber::start(mqtt.port()).await;
    let player = start_player(redis.port(), mqtt.port(), &[]).await;
    player.wait_until_ready().await;
    post(&player, &walk("walker", now_ms() + 300, 400, 20)).await;
    subscriber.wait_for_steps(10).await;
    for number in 0..5 {
        let late_ms = write_step(&redis, &subscriber, &format!("c{number}"), false).await;
        assert!(late_ms < LIMIT_MS, "step {number}: {late_ms} ms");
    }
}

#[tokio::test]
async fn without_the_permission_to_track_an_instance_works_and_says_what_is_missing() {
    let (redis, mqtt) = (TestRedis::start().await, TestMosquitto::start().await);
    redis.admin("ACL SETUSER default -client|tracking").await;
    let subscriber = Subscriber::start(mqtt.port()).await;
    let player = start_player(redis.port(), mqtt.port(), &[]).await;
    player.wait_until_ready().await;
    post(&player, &walk("1", now_ms(), 3, 10)).await;
    subscriber.wait_for_steps(3).await;
    eventually("the log says it", async || player.log().contains("CLIENT TRACKING")).await;
}

/// The second of the README, and what a busy machine takes.
const LIMIT_MS: i64 = if cfg!(debug_assertions) { 1_500 } else { 1_000 };
