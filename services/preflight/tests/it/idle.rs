//! Clients of others that only listen, through haproxy.

use std::time::Duration;

use test_support::{Haproxy, IdleClients, eventually};

use crate::support::{TestEnv, Viewer, is_full_size};

#[tokio::test]
async fn a_client_that_only_listens_stays_connected_through_haproxy() {
    // At full size: three minutes, with the settings as they are by default.
    let short = [("PREFLIGHT_PING_INTERVAL", "500ms"), ("PREFLIGHT_PONG_TIMEOUT", "8s")];
    let (vars, time) = match is_full_size() {
        true => (&[][..], Duration::from_secs(180)),
        false => (&short[..], Duration::from_secs(18)),
    };
    let env = TestEnv::start(vars).await;
    let haproxy = Haproxy::start("preflight", &[env.service.port()]).await;
    eventually("haproxy forwards viewers", async || {
        Viewer::connect_to_port(haproxy.port(), "/warm-up").await.is_ok()
    })
    .await;
    let clients = IdleClients::connect(haproxy.port(), "/run").await;
    clients.wait_for(r#"{"type":"preflight""#).await;
    tokio::time::sleep(time).await;
    env.set("run", "timestamps:a", 7).await;
    clients.wait_for(r#""last_modified":7"#).await;
    clients.expect_to_have_stayed().await;
}
