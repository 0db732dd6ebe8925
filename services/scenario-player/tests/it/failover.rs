//! A failover by Sentinel under load.

use std::time::Duration;

use test_support::{TestMosquitto, TestSentinel};

use crate::support::{Subscriber, now_ms, send, walk};

const STEPS: i64 = 10;

/// Posts while the primary is switched. Returns how many posts were accepted, all of whose steps must arrive.
async fn post_through_failover(switch: impl AsyncFn(&mut TestSentinel)) {
    let mut sentinel = TestSentinel::start(1).await;
    let mqtt = TestMosquitto::start().await;
    let subscriber = Subscriber::start(mqtt.port()).await;
    let (url, mqtt_port) = (sentinel.url(), mqtt.port().to_string());
    let vars = [
        ("USE_REDIS_BACKEND", "true"),
        ("REDIS_URL", &*url),
        ("REDIS_WAIT_REPLICAS", "1"),
        ("MQTT_HOST", "127.0.0.1"),
        ("MQTT_PORT", &*mqtt_port),
    ];
    let player = test_support::ServiceProcess::start(crate::support::BINARY, &vars).await;
    player.wait_until_ready().await;
    let posting = async {
        let (mut accepted, deadline) = (Vec::new(), std::time::Instant::now() + Duration::from_secs(8));
        for number in 0.. {
            let customer = format!("c{number}");
            let scenario = walk(&customer, now_ms() + 3_000, STEPS, 200);
            if send(&player, "POST", "/scenario", &scenario).await.0 == 200 {
                accepted.push(customer);
            }
            if std::time::Instant::now() > deadline {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        accepted
    };
    let switching = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        switch(&mut sentinel).await;
    };
    let (accepted, ()) = tokio::join!(posting, switching);
    assert!(accepted.len() > 20, "only {} posts were accepted\n{}", accepted.len(), player.log());
    player.wait_until_ready().await;
    // Posts that were not accepted may have left steps on the timeline. All of those that were must arrive.
    let arrived = || subscriber.walks().0;
    test_support::eventually_ok("every step of every accepted post arrives", async || {
        let walks = arrived();
        let missing = accepted.iter().filter(|customer| {
            walks.get(*customer).is_none_or(|walk| walk.len() < usize::try_from(STEPS).unwrap())
        });
        match missing.count() {
            0 => Ok(()),
            missing => Err(format!("{missing} of {} posts", accepted.len())),
        }
    })
    .await;
}

#[tokio::test]
async fn no_accepted_step_is_lost_in_a_planned_failover_with_wait_replicas() {
    post_through_failover(async |sentinel| sentinel.fail_over().await).await;
}

#[tokio::test]
async fn no_accepted_step_is_lost_when_the_primary_is_killed_with_wait_replicas() {
    post_through_failover(async |sentinel| {
        let primary = sentinel.primary().await;
        sentinel.servers[primary].kill().await;
        sentinel.wait_for_switch(primary).await;
        // WAIT needs a replica again.
        sentinel.servers[primary].restart().await;
    })
    .await;
}
