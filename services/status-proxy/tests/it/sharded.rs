//! Lines that are published by SPUBLISH.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use redis_core::key::hash_slot;
use redis_core::{Needs, Redis};
use serde_json::json;
use test_support::{RedisCluster, ServiceProcess, TestRedis, eventually, redis_versions, within_patience};

use crate::cluster_load::{Load, count_missing, read, spublish};
use crate::support::{BINARY, Producer, Servers, Viewer, start_service};

const SHARDED: (&str, &str) = ("STATUS_SHARDED_PUBSUB", "true");

fn connect(servers: &impl Servers) -> Redis {
    Redis::connect(&servers.url().parse().unwrap(), Needs::default()).unwrap()
}

#[tokio::test]
async fn lines_of_both_kinds_come_on_each_version_of_redis_and_one_that_is_too_old_is_named() {
    join_all(redis_versions().into_iter().map(async |(name, binary)| {
        let redis = TestRedis::start_binary(&binary, &[]).await;
        if name == "REDIS_6_2" {
            let service = ServiceProcess::start(BINARY, &[("REDIS_URL", &*redis.url()), SHARDED]).await;
            eventually("the reason is told", async || {
                let (status, text) = service.get("/ready").await;
                status == 503 && text.contains("Redis does not know SSUBSCRIBE: it is too old")
            })
            .await;
            return;
        }
        let service = start_service(&redis, &[SHARDED]).await;
        let mut viewer = Viewer::connect(&service, "r:a,b?history=0").await;
        for channel in ["a", "b"] {
            let resume = json!({"type": "resume", "recovered": true, "channel": channel});
            assert_eq!(viewer.next_json().await, resume, "{name}");
        }
        let (plain, sharded) = (Producer::connect(&redis).await, connect(&redis));
        for number in 0..20 {
            let text = number.to_string();
            match number % 2 {
                0 => assert_eq!(plain.publish("r:a", text.as_str()).await, 1, "{name}"),
                _ => assert_eq!(spublish(&sharded, "r:b", &text).await.unwrap(), 1, "{name}"),
            }
        }
        let mut ids = Vec::new();
        for channel in ["a", "b"] {
            let mut alone = Viewer::connect(&service, &format!("r:{channel}?history=10")).await;
            alone.next_json().await;
            for number in 0..10 {
                let line = alone.next_json().await;
                let expected = (2 * number + usize::from(channel == "b")).to_string();
                assert_eq!(line["data"], expected, "{name}: history has the lines of either kind");
                ids.push(line["id"].clone());
            }
        }
        for _ in 0..20 {
            let line = viewer.next_json().await;
            ids.retain(|id| *id != line["id"]);
        }
        assert!(ids.is_empty(), "{name}: {ids:?} did not come live");
        assert_eq!(Viewer::refused_status(service.port(), "r:*", &[]).await, 400, "{name}");
    }))
    .await;
}

#[tokio::test]
async fn it_is_refused_at_the_start_with_history_in_redis() {
    let vars = [SHARDED, ("STATUS_HISTORY", "redis"), ("REDIS_URL", "redis://127.0.0.1:1")];
    let mut service = ServiceProcess::spawn(BINARY, &vars);
    assert_ne!(service.wait_for_exit().await, 0);
    let log = service.log();
    assert!(log.contains("STATUS_SHARDED_PUBSUB must be false with STATUS_HISTORY=redis"), "{log}");
}

#[tokio::test]
async fn a_channel_that_the_user_may_not_subscribe_to_costs_only_its_own_viewers() {
    let redis = TestRedis::start().await;
    let readme = include_str!("../../README.md");
    let user = readme.lines().find(|line| line.starts_with("ACL SETUSER ")).unwrap();
    redis.admin(&user.replace("&*:*", "&open:*")).await;
    redis.admin("ACL SETUSER status-proxy +ssubscribe +sunsubscribe").await;
    let url = redis.url().replacen("//", "//status-proxy:SECRET@", 1);
    let service = ServiceProcess::start(BINARY, &[("REDIS_URL", &*url), SHARDED]).await;
    service.wait_until_ready().await;
    let sharded = connect(&redis);
    let mut viewer = Viewer::connect(&service, "open:a?history=0").await;
    viewer.next_json().await;
    assert_eq!(Viewer::refused_status(service.port(), "closed:a", &[]).await, 403);
    spublish(&sharded, "open:a", "one").await.unwrap();
    assert_eq!(viewer.next_line().await, "one");
    redis.admin("ACL SETUSER status-proxy &closed:*").await;
    Viewer::connect(&service, "closed:a").await;
    spublish(&sharded, "open:a", "two").await.unwrap();
    assert_eq!(viewer.next_line().await, "two", "no gap was told");
}

#[tokio::test]
async fn a_subscription_that_nobody_uses_ends_and_one_that_redis_has_ended_is_made_again_with_a_gap() {
    let redis = TestRedis::start().await;
    let service = start_service(&redis, &[SHARDED, ("STATUS_HISTORY_AGE", "1s")]).await;
    let sharded = connect(&redis);
    let mut viewer = Viewer::connect(&service, "r:a?history=0").await;
    viewer.next_json().await;
    let other = Viewer::connect(&service, "r:b").await;
    assert_eq!(spublish(&sharded, "r:b", "a line").await.unwrap(), 1);
    drop(other);
    eventually("nobody is subscribed to the channel of the viewer that has left", async || {
        spublish(&sharded, "r:b", "a line").await.unwrap() == 0
    })
    .await;
    redis.admin("CLIENT KILL TYPE pubsub").await;
    eventually("it is subscribed again", async || spublish(&sharded, "r:a", "after").await.unwrap() == 1)
        .await;
    let first = viewer.next_json().await;
    assert_eq!(first["type"], "gap");
    assert_eq!(viewer.next_line_after_gaps().await, "after");
}

/// A run whose channels `0`, `1` and `2` have their slots at the primaries with these numbers.
fn spread_run() -> String {
    let is_spread = |run: &String| {
        let primary = |channel| hash_slot(format!("{run}:{channel}")) / (16_384 / 3);
        (0..3).all(|number| primary(number) == number)
    };
    (0..).map(|number| format!("run-{number}")).find(is_spread).unwrap()
}

#[tokio::test]
async fn on_a_cluster_lines_follow_their_slot_and_what_is_missed_is_told_to_the_viewers_of_that_channel_alone()
 {
    let mut cluster = RedisCluster::start().await;
    let service = start_service(&cluster, &[SHARDED]).await;
    let (run, redis) = (spread_run(), connect(&cluster));
    let mut viewer = Viewer::connect(&service, &format!("{run}:0,1,2?history=0")).await;
    viewer.next_text().await;
    let seen = Arc::new(AtomicUsize::new(0));
    let reading = read(viewer, &[0, 1, 2], seen.clone());
    let channel = |number: usize| format!("{run}:{number}");
    let pause = Duration::from_millis(2);
    let loads: Vec<Load> = (0..3).map(|number| Load::start_sharded(&redis, channel(number), pause)).collect();
    let slot = hash_slot(channel(0));
    let mut others = Viewer::connect(&service, &format!("{run}:1,2?history=0")).await;
    let other_gaps = Arc::new(AtomicUsize::new(0));
    let counted = other_gaps.clone();
    let others = tokio::spawn(async move {
        loop {
            let is_gap = others.next_json().await["type"] == "gap";
            counted.fetch_add(usize::from(is_gap), Ordering::Relaxed);
        }
    });
    // What the shards of the other channels tell is enough for a while: a line of this one has to come, too.
    let flows = async |what: &str| {
        let mut own = Viewer::connect(&service, &channel(0)).await;
        println!("{what}: the channel whose slot moves had {}", own.next_line().await);
        let before = seen.load(Ordering::Relaxed);
        eventually("lines flow", async || seen.load(Ordering::Relaxed) > before + 300).await;
    };
    flows("before").await;
    cluster.begin_move(slot, 0, 1).await;
    flows("while the slot is moved").await;
    cluster.finish_move(slot, 0, 1).await;
    flows("at the other shard").await;
    cluster.begin_move(slot, 1, 0).await;
    cluster.finish_move(slot, 1, 0).await;
    flows("back at the first").await;
    assert_eq!(other_gaps.load(Ordering::Relaxed), 0, "of other channels nothing was missed");
    others.abort();
    let replica = cluster.fail_over(0).await;
    flows("after a planned failover").await;
    cluster.wait_until_stable().await;
    cluster.kill_primary(replica).await;
    flows("after its primary was killed").await;
    service.wait_until_ready().await;
    let taken = join_all(loads.into_iter().map(Load::finish)).await;
    for number in 0..3 {
        spublish(&redis, &channel(number), "end").await.unwrap();
    }
    let frames = within_patience("the end", reading).await.unwrap();
    let gaps = |number: usize| {
        let channel = number.to_string();
        frames.iter().filter(|frame| frame["type"] == "gap" && frame["channel"] == channel).count()
    };
    let count: usize = taken.iter().map(Vec::len).sum();
    let missing = count_missing(&frames, &taken);
    let gaps = [gaps(0), gaps(1), gaps(2)];
    println!("{missing} of {count} lines missed; gaps: {gaps:?}");
    assert!(gaps[0] >= 4, "it was moved twice, and its shard failed over twice: {gaps:?}");
    assert!(missing < count / 10, "{missing} of {count}");
}
