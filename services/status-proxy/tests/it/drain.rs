//! What SIGTERM does.

use test_support::eventually;

use crate::support::{Producer, Viewer, World, start_service};

#[tokio::test]
async fn after_sigterm_clients_are_served_for_the_delay_and_then_closed_with_1012() {
    let redis = World::start().await;
    let mut service = start_service(&redis, &[("DRAIN_DELAY", "2s"), ("DRAIN_TIMEOUT", "2s")]).await;
    let producer = Producer::connect(&redis).await;
    let mut early = Viewer::connect(&service, "r:a").await;
    service.signal("TERM").await;
    eventually("not ready at once", async || service.get("/ready").await.0 == 404).await;
    assert_eq!(service.get("/health").await.0, 200);
    let mut late = Viewer::connect(&service, "r:a").await;
    assert_eq!(producer.publish("r:a", "served as before").await, 1);
    for viewer in [&mut early, &mut late] {
        assert_eq!(viewer.next_line().await, "served as before");
    }
    let (early, late) = tokio::join!(early.next(), late.next());
    assert_eq!((early, late), (Err(Some(1012)), Err(Some(1012))), "no hangup comes before it");
    assert_eq!(service.wait_for_exit().await, 0);
}

#[tokio::test]
async fn a_hangup_comes_before_the_close_if_the_setting_asks_for_it() {
    let redis = World::start().await;
    let mut service = start_service(&redis, &[("STATUS_HANGUP_ON_DRAIN", "true")]).await;
    let mut viewer = Viewer::connect(&service, "r:a").await;
    service.signal("TERM").await;
    assert_eq!(viewer.next().await, Ok(r#"{"type":"hangup"}"#.to_owned()));
    assert_eq!(viewer.next().await, Err(Some(1012)));
    assert_eq!(service.wait_for_exit().await, 0);
}
