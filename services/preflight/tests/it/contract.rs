//! contracts/preflight.md, to the byte.

use std::time::Duration;

use fred::interfaces::{HashesInterface, KeysInterface};
use tokio_tungstenite::tungstenite::Error;

use crate::world::{Viewer, World};

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
async fn a_viewer_gets_the_literal_frames_on_connect_on_change_and_on_deletion() {
    let world = World::start(&[]).await;
    let mut viewer = world.watch("decimal-pleasing").await;
    assert_eq!(viewer.text().await, EMPTY);
    world.producer.hset::<(), _, _>("decimal-pleasing", FIELDS.to_vec()).await.unwrap();
    assert_eq!(viewer.text().await, EXAMPLE);
    assert_eq!(world.watch("decimal-pleasing").await.text().await, EXAMPLE, "a second viewer");

    world.set("decimal-pleasing", "locked:wepp", true).await;
    world.set("decimal-pleasing", "locked:omni.nodb", true).await;
    let changed = EXAMPLE.replace(
        r#""wepp":false,"soils":false,"landuse":false,"disturbed":false}"#,
        r#""wepp":true,"soils":false,"landuse":false,"disturbed":false,"omni.nodb":true}"#,
    );
    while viewer.text().await != changed {}

    world.producer.del::<(), _>("decimal-pleasing").await.unwrap();
    assert_eq!(viewer.text().await, EMPTY);
}

#[tokio::test]
async fn expiry_and_renaming_of_a_run_are_seen() {
    let world = World::start(&[]).await;
    let (mut one, mut other) = (world.watch("one").await, world.watch("other").await);
    assert_eq!((one.text().await, other.text().await), (EMPTY.to_owned(), EMPTY.to_owned()));
    world.set("one", "timestamps:a", 7).await;
    one.until_last_modified(7).await;
    world.producer.rename::<(), _, _>("one", "other").await.unwrap();
    assert_eq!(one.text().await, EMPTY);
    other.until_last_modified(7).await;
    world.producer.pexpire::<(), _>("other", 100, None).await.unwrap();
    assert_eq!(other.text().await, EMPTY);
}

#[tokio::test]
async fn nothing_is_sent_when_the_answer_stays_the_same() {
    let world = World::start(&[]).await;
    let mut viewer = world.watch("run").await;
    viewer.text().await;
    world.set("run", "attrs:unheard_of", true).await;
    world.set("run", "locked:wepp", false).await;
    viewer.silence(Duration::from_millis(500)).await;
    world.set("run", "timestamps:a", 1).await;
    viewer.until_last_modified(1).await;
}

#[tokio::test]
async fn the_last_segment_of_a_longer_path_is_the_run_percent_decoded() {
    let world = World::start(&[]).await;
    world.set("batch;;x;;run-1", "timestamps:a", 7).await;
    for path in
        ["/batch;;x;;run-1", "/a/b%20c/batch%3B%3Bx%3B%3Brun-1", "/preflight/batch%3b%3bx;;run%2D1?token=x"]
    {
        let mut viewer = Viewer::connect(&world.service, path).await.unwrap();
        viewer.until_last_modified(7).await;
    }
}

#[tokio::test]
async fn what_is_no_run_id_is_refused_with_400_before_the_upgrade() {
    let world = World::start(&[]).await;
    for path in ["/", "/run/", "/a:b", "/a%20b", "/%C3%A4", "/%FF", "/a%00", "/run%0A"] {
        match Viewer::connect(&world.service, path).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 400, "{path}"),
            Err(other) => panic!("{path}: {other}"),
            Ok(_) => panic!("{path} was accepted"),
        }
    }
}

#[tokio::test]
async fn pings_come_at_their_interval_and_any_frame_is_a_sign_of_life() {
    let vars = [("PREFLIGHT_PING_INTERVAL", "200ms"), ("PREFLIGHT_PONG_TIMEOUT", "3s")];
    let world = World::start(&vars).await;
    let (mut talks, mut silent) = (world.watch("run").await, world.watch("run").await);
    talks.text().await;
    for word in [r#"{"type":"init"}"#, r#"{"type":"pong"}"#, r#"{"type":"unheard-of"}"#, "no json"].repeat(3)
    {
        assert_eq!(talks.text().await, r#"{"type":"ping"}"#);
        talks.say(word).await;
    }
    assert_eq!(silent.close_code().await, 1008);
}

#[tokio::test]
async fn health_is_served_on_the_same_port() {
    let world = World::start(&[]).await;
    assert_eq!(world.service.get("/health").await, (200, "OK".to_owned()));
    assert_eq!(world.service.get("/ready").await, (200, r#"{"ready":true}"#.to_owned()));
    assert_eq!(world.service.get("/run-1").await.0, 426);
    // A run may have the name of a probe.
    world.set("health", "timestamps:a", 7).await;
    world.watch("health").await.until_last_modified(7).await;
}
