//! Redis is there and says no: an instance is red with the reason, comes back by itself, and loses no step.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use test_support::{FlakyProxy, Refusal, ServiceProcess, TestMosquitto, TestRedis, redis_versions};

use crate::support::{Subscriber, now_ms, send, start_player, walk};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_refuses_turns_an_instance_red_and_costs_no_step() {
    let versions = redis_versions();
    join_all(versions.iter().map(|(name, binary)| run_matrix(name, binary))).await;
}

async fn run_matrix(version: &str, binary: &Path) {
    let mut redis = TestRedis::start_binary(binary, &[]).await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let mqtt = TestMosquitto::start().await;
    let subscriber = Subscriber::start(mqtt.port()).await;
    let player = start_player(proxy.port(), mqtt.port(), &[]).await;
    player.wait_until_ready().await;
    let mut refusals = Refusal::all("ZADD");
    // While Redis loads small keys it answers nobody, half a second for each: this comes first, when there are few.
    refusals.sort_by_key(|refusal| *refusal != Refusal::Loading);
    for (number, refusal) in refusals.into_iter().enumerate() {
        let what = format!("{version}, {refusal:?}");
        let before = player.log().lines().count();
        // Steps that are due before, during and after the condition.
        post_until_accepted(&player, &format!("before-{number}")).await;
        refusal.apply(&mut redis, &proxy).await;
        if let (Some(reason), true) = (refusal.reason(), refusal.lasts()) {
            wait_for_ready(&player, &what, &|status, body| status == 503 && body.contains(reason)).await;
        }
        refusal.lift(&mut redis, &proxy).await;
        wait_for_ready(&player, &format!("{what} is over"), &|status, _| status == 200).await;
        post_until_accepted(&player, &format!("after-{number}")).await;
        let log = player.log();
        let lines: Vec<&str> = log.lines().skip(before).collect();
        assert!(lines.len() <= 20, "{what}: {} lines:\n{}", lines.len(), lines.join("\n"));
    }
    let customers = 2 * refusals.len();
    subscriber.wait_for_steps(customers * usize::try_from(STEPS).unwrap()).await;
    subscriber.assert_all_in_order(customers, STEPS, usize::MAX);
}

/// Steps of each scenario, and the time between two.
const STEPS: i64 = 20;
const INTERVAL_MS: i64 = 100;

/// Posts a scenario as a client does that tries again: what is not answered with 200 is not acknowledged.
async fn post_until_accepted(player: &ServiceProcess, customer: &str) {
    let scenario = walk(customer, now_ms() + 300, STEPS, INTERVAL_MS);
    while send(player, "POST", "/scenario", &scenario).await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits for an answer of `/ready`: 5 s, and twice as long on a busy machine.
async fn wait_for_ready(player: &ServiceProcess, what: &str, is_so: &dyn Fn(u16, &str) -> bool) {
    let started = Instant::now();
    loop {
        let (status, body) = player.get("/ready").await;
        if is_so(status, &body) {
            println!("{:>5} ms: {what}", started.elapsed().as_millis());
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{what}: {status} {body}\n{}", player.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
