//! Clients of others that only listen, through haproxy.

use std::time::Duration;

use test_support::{Haproxy, IdleClients, TestRedis, eventually};

use crate::support::{Producer, Viewer, is_full, start_service};

#[tokio::test]
async fn a_client_that_only_listens_stays_connected_through_haproxy() {
    // At full size: three minutes, with the settings as they are by default.
    let short = [("STATUS_PING_INTERVAL", "500ms"), ("STATUS_PONG_TIMEOUT", "8s")];
    let (vars, time) =
        if is_full() { (&[][..], Duration::from_secs(180)) } else { (&short[..], Duration::from_secs(18)) };
    let redis = TestRedis::start().await;
    let service = start_service(&redis, vars).await;
    let haproxy = Haproxy::start("status-proxy", &[service.port()]).await;
    eventually("haproxy passes clients on", async || {
        Viewer::connect_to(haproxy.port(), "r:warm-up").await.is_ok()
    })
    .await;
    let clients = IdleClients::connect(haproxy.port(), "/r:a").await;
    let producer = Producer::connect(&redis).await;
    eventually("all are connected", async || {
        producer.publish("r:a", "early").await;
        clients.received().await.iter().all(|(_, lines)| !lines.is_empty())
    })
    .await;
    tokio::time::sleep(time).await;
    producer.publish("r:a", "the last line").await;
    clients.wait_for("the last line").await;
    clients.expect_to_have_stayed().await;
}
