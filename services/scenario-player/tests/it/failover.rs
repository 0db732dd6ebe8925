//! Failovers by Sentinel under load.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use test_support::{Loss, ServiceProcess, TestMosquitto, TestSentinel, eventually, eventually_ok};

use crate::support::{BINARY, Subscriber, is_full_size, now_ms, send, walk};

#[tokio::test]
async fn no_accepted_step_is_lost_in_a_planned_failover_with_wait_replicas() {
    assert_eq!(run(Loss::Planned, 1).await.lost, 0);
}

#[tokio::test]
async fn no_accepted_step_is_lost_when_the_primary_is_killed_with_wait_replicas() {
    assert_eq!(run(Loss::Killed, 1).await.lost, 0);
}

#[tokio::test]
async fn no_accepted_step_is_lost_when_the_primary_hangs_with_wait_replicas() {
    assert_eq!(run(Loss::Hung, 1).await.lost, 0);
}

#[tokio::test]
async fn without_wait_replicas_only_posts_of_the_seconds_of_the_switch_are_lost() {
    let losses =
        if is_full_size() { &[Loss::Killed, Loss::Hung, Loss::Planned][..] } else { &[Loss::Planned] };
    for loss in losses {
        let outcome = run(*loss, 0).await;
        assert!(outcome.longest_loss < Duration::from_secs(5), "{loss:?}: {outcome:?}");
    }
}

#[derive(Debug, Default)]
struct Outcome {
    /// Posts that were answered with 200.
    accepted: usize,
    /// Those of them of which a step never arrived.
    lost: usize,
    /// Those of them of which a step arrived twice.
    repeated: usize,
    /// From the first to the last answer to a post that one failover lost.
    longest_loss: Duration,
}

const STEPS: usize = 10;

/// Posts while the primary is lost: once, or with `SCENARIO_PLAYER_TEST_FULL=1` ten times in turn.
async fn run(loss: Loss, wait: u8) -> Outcome {
    let (mut sentinel, mqtt) = (TestSentinel::start(1).await, TestMosquitto::start().await);
    let subscriber = Subscriber::start(mqtt.port()).await;
    let (url, mqtt_port, wait_text) = (sentinel.url(), mqtt.port().to_string(), wait.to_string());
    let vars = [
        ("USE_REDIS_BACKEND", "true"),
        ("REDIS_URL", &*url),
        ("REDIS_WAIT_REPLICAS", &*wait_text),
        ("MQTT_HOST", "127.0.0.1"),
        ("MQTT_PORT", &*mqtt_port),
    ];
    let player = ServiceProcess::start(BINARY, &vars).await;
    let (mut outcome, rounds) = (Outcome::default(), if is_full_size() { 10 } else { 1 });
    for round in 0..rounds {
        sentinel.wait_until_stable().await;
        player.wait_until_ready().await;
        let accepted = Mutex::new(Vec::new());
        let switched = tokio_util::sync::CancellationToken::new();
        let posting = post_until(&player, round, &accepted, &switched);
        let switching = async {
            let enough = |count| {
                let accepted = &accepted;
                async move || accepted.lock().len() >= count
            };
            eventually("posts are accepted", enough(20)).await;
            let old = sentinel.lose_primary(loss).await;
            if wait == 0 {
                let before = accepted.lock().len();
                eventually("posts are accepted by the new primary", enough(before + 20)).await;
            }
            sentinel.recover(loss, old).await;
            // With WAIT nothing is accepted before there is a replica again.
            let before = accepted.lock().len();
            eventually("posts are accepted again", enough(before + 20)).await;
            switched.cancel();
        };
        tokio::join!(posting, switching);
        let accepted = accepted.into_inner();
        let lost = wait_for_steps(&subscriber, &accepted, wait).await;
        outcome.accepted += accepted.len();
        outcome.lost += lost.len();
        if let (Some(first), Some(last)) = (lost.iter().min(), lost.iter().max()) {
            outcome.longest_loss = outcome.longest_loss.max(*last - *first);
        }
    }
    outcome.repeated = subscriber.walks().1;
    println!("{loss:?}, REDIS_WAIT_REPLICAS={wait}, {rounds} failovers: {outcome:?}");
    outcome
}

/// Posts walks, some forty a second. The accepted ones are pushed, with the time of the answer.
async fn post_until(
    player: &ServiceProcess,
    round: usize,
    accepted: &Mutex<Vec<(String, Instant)>>,
    stop: &tokio_util::sync::CancellationToken,
) {
    for number in 0.. {
        if stop.is_cancelled() {
            return;
        }
        let customer = format!("c{round}-{number}");
        let scenario = walk(&customer, now_ms() + 3_000, i64::try_from(STEPS).unwrap(), 200);
        if send(player, "POST", "/scenario", &scenario).await.0 == 200 {
            accepted.lock().push((customer, Instant::now()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for the steps of all accepted posts. Returns when those were accepted whose steps never came, which is awaited only
/// without WAIT.
async fn wait_for_steps(subscriber: &Subscriber, accepted: &[(String, Instant)], wait: u8) -> Vec<Instant> {
    let missing = || -> Vec<Instant> {
        let walks: HashMap<String, Vec<i64>> = subscriber.walks().0;
        let is_missing = |customer: &str| walks.get(customer).is_none_or(|walk| walk.len() < STEPS);
        accepted.iter().filter(|(customer, _)| is_missing(customer)).map(|(_, at)| *at).collect()
    };
    if wait == 0 {
        // The last step is due 5 s after its post. What is not there after three times as long is lost.
        tokio::time::sleep(Duration::from_secs(15)).await;
        return missing();
    }
    eventually_ok("every step of every accepted post arrives", async || match missing().len() {
        0 => Ok(()),
        missing => Err(format!("{missing} of {} posts", accepted.len())),
    })
    .await;
    Vec::new()
}
