//! The contract, contracts/preflight.md, byte for byte.

use std::time::Duration;

use fred::interfaces::{HashesInterface, KeysInterface};
use test_support::eventually;
use tokio_tungstenite::tungstenite::Error;

use crate::support::{TestEnv, Viewer};

const EMPTY: &str = r#"{"type":"preflight","checklist":{"sbs_map":false,"channels":false,"outlet":false,"subcatchments":false,"landuse":false,"soils":false,"climate":false,"rap_ts":false,"wepp":false,"observed":false,"debris":false,"watar":false,"dss_export":false},"lock_statuses":{"watershed":false,"climate":false,"wepp":false,"soils":false,"landuse":false,"disturbed":false}}"#;
const EXAMPLE: &str = r#"{"type":"preflight","checklist":{"sbs_map":false,"channels":true,"outlet":true,"subcatchments":true,"landuse":true,"soils":true,"climate":true,"rap_ts":false,"wepp":true,"observed":false,"debris":false,"watar":false,"dss_export":false},"lock_statuses":{"watershed":false,"climate":false,"wepp":false,"soils":false,"landuse":false,"disturbed":false},"last_modified":1714168234}"#;
pub(crate) const FIELDS: [(&str, &str); 10] = [
    ("attrs:loaded", "true"),
    ("attrs:has_sbs", "false"),
    ("timestamps:landuse_map", "1712535018"),
    ("timestamps:build_channels", "1712028840"),
    ("timestamps:set_outlet", "1712515206"),
    ("timestamps:abstract_watershed", "1712515226"),
    ("timestamps:build_landuse", "1712535023"),
    ("timestamps:build_soils", "1712535083"),
    ("timestamps:build_climate", "1712515667"),
    ("timestamps:run_wepp", "1714168234"),
];

#[tokio::test]
async fn a_viewer_gets_the_contracts_messages_on_connect_on_change_and_on_deletion() {
    let env = TestEnv::start(&[]).await;
    let mut viewer = env.watch("decimal-pleasing").await;
    assert_eq!(viewer.next_text().await, EMPTY);
    env.producer("decimal-pleasing").hset::<(), _, _>("decimal-pleasing", FIELDS.to_vec()).await.unwrap();
    assert_eq!(viewer.next_text().await, EXAMPLE);
    assert_eq!(env.watch("decimal-pleasing").await.next_text().await, EXAMPLE, "a second viewer");

    env.set("decimal-pleasing", "locked:wepp", true).await;
    env.set("decimal-pleasing", "locked:omni.nodb", true).await;
    let changed = EXAMPLE.replace(
        r#""wepp":false,"soils":false,"landuse":false,"disturbed":false}"#,
        r#""wepp":true,"soils":false,"landuse":false,"disturbed":false,"omni.nodb":true}"#,
    );
    while viewer.next_text().await != changed {}

    env.producer("decimal-pleasing").del::<(), _>("decimal-pleasing").await.unwrap();
    assert_eq!(viewer.next_text().await, EMPTY);
}

#[tokio::test]
async fn expiry_and_renaming_of_a_run_are_seen() {
    let env = TestEnv::start(&[]).await;
    let (mut one, mut other) = (env.watch("one").await, env.watch("other").await);
    assert_eq!((one.next_text().await, other.next_text().await), (EMPTY.to_owned(), EMPTY.to_owned()));
    env.set("one", "timestamps:a", 7).await;
    one.read_until_modified(7).await;
    if env.is_on_cluster() {
        return; // There a key cannot get a name of another slot.
    }
    env.producer("one").rename::<(), _, _>("one", "other").await.unwrap();
    assert_eq!(one.next_text().await, EMPTY);
    other.read_until_modified(7).await;
    env.producer("other").pexpire::<(), _>("other", 100, None).await.unwrap();
    assert_eq!(other.next_text().await, EMPTY);
}

#[tokio::test]
async fn nothing_is_sent_when_a_change_leaves_the_checklist_the_same() {
    let env = TestEnv::start(&[]).await;
    let mut viewer = env.watch("run").await;
    viewer.next_text().await;
    env.set("run", "attrs:unknown", true).await;
    env.set("run", "locked:wepp", false).await;
    viewer.expect_no_message(Duration::from_millis(500)).await;
    env.set("run", "timestamps:a", 1).await;
    viewer.read_until_modified(1).await;
}

#[tokio::test]
async fn the_last_segment_of_a_longer_path_is_the_run_percent_decoded() {
    let env = TestEnv::start(&[]).await;
    env.set("batch;;x;;run-1", "timestamps:a", 7).await;
    for path in [
        "/batch;;x;;run-1",
        "/a/b%20c/batch%3B%3Bx%3B%3Brun-1",
        "/preflight/batch%3b%3bx;;run%2D1?token=x",
        "/batch;;x;;run-1/",
        "/a/batch;;x;;run-1//?token=x",
    ] {
        let mut viewer = Viewer::connect(&env.service, path).await.unwrap();
        viewer.read_until_modified(7).await;
    }
}

#[tokio::test]
async fn an_invalid_run_id_is_refused_with_400_before_the_upgrade() {
    let env = TestEnv::start(&[]).await;
    for path in ["/", "//", "/a:b", "/a%20b", "/%C3%A4", "/%FF", "/a%00", "/run%0A"] {
        match Viewer::connect(&env.service, path).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 400, "{path}"),
            Err(other) => panic!("{path}: {other}"),
            Ok(_) => panic!("{path} was accepted"),
        }
    }
}

#[tokio::test]
async fn pings_are_sent_at_their_interval_and_a_viewer_that_sends_anything_stays_connected() {
    let vars = [("PREFLIGHT_PING_INTERVAL", "200ms"), ("PREFLIGHT_PONG_TIMEOUT", "3s")];
    let env = TestEnv::start(&vars).await;
    let (mut active, mut silent) = (env.watch("run").await, env.watch("run").await);
    active.next_text().await;
    for message in [r#"{"type":"init"}"#, r#"{"type":"pong"}"#, r#"{"type":"unknown"}"#, "no json"].repeat(3)
    {
        assert_eq!(active.next_text().await, r#"{"type":"ping"}"#);
        active.send(message).await;
    }
    // It is not read from, so that it does not even answer pings of the protocol.
    eventually("it is closed", async || {
        env.service.metric("preflight_connections_closed_total{cause=\"silent\"}").await == 1.0
    })
    .await;
    assert_eq!(silent.close_code().await, 1008);
}

#[tokio::test]
async fn health_is_served_on_the_same_port() {
    let env = TestEnv::start(&[]).await;
    assert_eq!(env.service.get("/health").await, (200, "OK".to_owned()));
    assert_eq!(env.service.get("/ready").await, (200, r#"{"ready":true}"#.to_owned()));
    assert_eq!(env.service.get("/run-1").await.0, 426);
    // A run may have the same name as a probe.
    env.set("health", "timestamps:a", 7).await;
    env.watch("health").await.read_until_modified(7).await;
}
