//! A post that failed half-way is repeated: each step is on the timeline once, whoever repeats it and whatever came between.

use std::collections::HashSet;
use std::time::Duration;

use fred::prelude::{Client, KeysInterface, ListInterface, SortedSetsInterface};
use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::{FlakyProxy, ServiceProcess, TestRedis, eventually};

use crate::support::{get_json, send, start_player, start_standalone, walk};

/// So many that the post takes a while.
const STEPS: usize = 40_000;
/// As many are put on the timeline at a time.
const PART: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_whose_instance_was_killed_goes_on_at_another_one() {
    join_all(["true", "false"].map(async |overwrite| {
        let world = World::start(&[("SCENARIO_OVERWRITE", overwrite)]).await;
        let mut one = world.start_another(&[("SCENARIO_OVERWRITE", overwrite)]).await;
        let scenario = long_walk();
        let answer = tokio::spawn(try_post(one.base_url(), "/scenario", scenario.clone()));
        world.wait_for_a_part().await;
        one.kill().await;
        assert_eq!(answer.await.unwrap(), None);
        assert!(world.timeline().await.len() < STEPS, "it was killed too late to show anything");
        world.post("/scenario", &scenario).await;
        world.assert_each_once(STEPS).await;

        // From now on the same request is another post.
        world.post("/scenario", &scenario).await;
        assert_eq!(world.timeline().await.len(), 2 * STEPS);
        let stored = if overwrite == "true" { STEPS } else { 2 * STEPS };
        assert_eq!(world.client.llen::<usize, _>("SCENARIO:1").await.unwrap(), stored);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_during_which_redis_was_cut_off_goes_on_when_it_is_back() {
    join_all([("/scenario", 0), ("/scenario?recalculate_time=true", 1)].map(async |(path, published)| {
        let world = World::start(&[]).await;
        let scenario = long_walk();
        let answer = tokio::spawn(try_post(world.player.base_url(), path, scenario.clone()));
        world.wait_for_a_part().await;
        world.proxy.cut();
        assert_eq!(answer.await.unwrap(), Some(503));
        assert!(world.timeline().await.len() < STEPS - 1, "it was cut too late to show anything");
        world.proxy.restore();
        world.player.wait_until_ready().await;
        world.post(path, &scenario).await;
        world.assert_each_once(STEPS - published).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scenario_that_was_deleted_after_its_post_had_failed_is_posted_as_a_whole() {
    let world = World::start(&[]).await;
    let mut one = world.start_another(&[]).await;
    let scenario = long_walk();
    let answer = tokio::spawn(try_post(one.base_url(), "/scenario", scenario.clone()));
    world.wait_for_a_part().await;
    one.kill().await;
    assert_eq!(answer.await.unwrap(), None);
    // On a busy machine the answer of Redis may come too late, and it is gone at the second attempt.
    eventually("it is deleted", async || {
        [204, 404].contains(&send(&world.player, "DELETE", "/scenarios/1", &Value::Null).await.0)
    })
    .await;
    assert_eq!(world.timeline().await.len(), 0);
    world.post("/scenario", &scenario).await;
    world.assert_each_once(STEPS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_posts_at_the_same_time_are_posts_of_their_own() {
    let world = World::start(&[]).await;
    let scenario = walk("1", 4_000_000_000_000, 3_000, 1);
    join_all((0..5).map(|_| world.post("/scenario", &scenario))).await;
    assert_eq!(world.timeline().await.len(), 5 * 3_000);
    // What is known about posts goes by itself.
    let left: i64 = world.client.pttl("TIMELINE:POSTS:1").await.unwrap();
    assert!((1..=10_000).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_with_the_same_key_are_one_post_even_after_its_answer() {
    let (world, standalone) = (World::start(&[]).await, start_standalone(&[]).await);
    for player in [&world.player, &standalone] {
        let post = async |path: &str, key: &'static str, steps: i64| {
            let request = reqwest::Client::new().post(format!("{}{path}", player.base_url()));
            let scenario = walk("1", 4_000_000_000_000, steps, 1);
            let answer = request.header("Idempotency-Key", key).json(&scenario).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        let count = async || get_json(player, "/timeline?limit=1000").await.as_array().unwrap().len();
        let first = post("/scenario", "a", 300).await;
        assert_eq!(first.0, 200);
        let repeated = join_all((0..5).map(|_| post("/scenario", "a", 300))).await;
        assert!(repeated.iter().all(|answer| *answer == first), "{repeated:?}");
        assert_eq!(count().await, 300);
        assert_eq!(post("/scenario", "a", 301).await.0, 422);
        assert_eq!(post("/scenario?recalculate_time=1", "a", 300).await.0, 422);
        assert_eq!(send(player, "PATCH", "/scenarios/1/playback", &json!({"speed": 2})).await.0, 200);
        assert_eq!(post("/scenario", "a", 300).await, first, "a change of the playback does not end the key");
        assert_eq!(count().await, 300);
        assert_eq!(post("/scenario", "b", 300).await.0, 200);
        assert_eq!(count().await, 600);
        // A draft has the times of the first attempt.
        let draft = post("/scenario_draft", "c", 2).await;
        assert_eq!(post("/scenario_draft", "c", 2).await, draft);
    }
}

/// A Redis that can be cut off, and an instance that needs no broker.
struct World {
    redis: TestRedis,
    proxy: FlakyProxy,
    client: Client,
    player: ServiceProcess,
}

impl World {
    async fn start(vars: &[(&str, &str)]) -> Self {
        let redis = TestRedis::start().await;
        let proxy = FlakyProxy::start(redis.port()).await;
        let client = redis.client().await;
        let player = start_player(proxy.port(), 0, &[&[MOCK], vars].concat()).await;
        player.wait_until_ready().await;
        Self { redis, proxy, client, player }
    }

    async fn start_another(&self, vars: &[(&str, &str)]) -> ServiceProcess {
        let player = start_player(self.redis.port(), 0, &[&[MOCK], vars].concat()).await;
        player.wait_until_ready().await;
        player
    }

    /// Posts until it is accepted.
    async fn post(&self, path: &'static str, scenario: &Value) {
        eventually("the post is accepted", async || {
            try_post(self.player.base_url(), path, scenario.clone()).await == Some(200)
        })
        .await;
    }

    async fn timeline(&self) -> Vec<String> {
        self.client.zrange("TIMELINE:CURRENT", 0, -1, None, false, None, false).await.unwrap()
    }

    async fn wait_for_a_part(&self) {
        while self.client.zcard::<usize, _>("TIMELINE:CURRENT").await.unwrap() < PART - 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn assert_each_once(&self, steps: usize) {
        let timeline = self.timeline().await;
        assert_eq!(timeline.len(), steps);
        let x = |member: &String| member.split('|').nth(1).unwrap().to_owned();
        assert_eq!(timeline.iter().map(x).collect::<HashSet<_>>().len(), steps);
        assert_eq!(self.client.llen::<usize, _>("SCENARIO:1").await.unwrap(), STEPS);
    }
}

const MOCK: (&str, &str) = ("TESTING_MOCK_MQTT", "true");

/// Far in the future, and so slow that only the first step is published even if it begins now.
fn long_walk() -> Value {
    walk("1", 4_000_000_000_000, i64::try_from(STEPS).unwrap(), 3_600_000)
}

/// The status of the answer, if there is one.
async fn try_post(base_url: String, path: &'static str, scenario: Value) -> Option<u16> {
    let request = reqwest::Client::new().post(format!("{base_url}{path}")).json(&scenario);
    request.send().await.ok().map(|answer| answer.status().as_u16())
}
