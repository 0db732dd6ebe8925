use test_support::{ServiceProcess, eventually};

use super::dead_letters::run_command;
use crate::support::World;

/// The field of an id is `device`, but the messages have `battery_id`.
const WRONG_FIELD: [(&str, &str); 2] = [("KEY_FIELD", "device"), ("KEY_TEMPLATE", "battery:{device}:data")];

fn enqueue(world: &World, partition: i32, texts: impl IntoIterator<Item = String>) {
    for text in texts {
        world.kafka.enqueue(&world.topic, partition, None, Some(text.as_bytes()));
    }
    world.kafka.flush();
}

fn good(numbers: std::ops::Range<i64>) -> impl Iterator<Item = String> {
    numbers.map(|number| format!(r#"{{"battery_id":{},"n":{number}}}"#, number % 10))
}

fn bad(count: usize) -> impl Iterator<Item = String> {
    std::iter::repeat_n("bad".to_owned(), count)
}

async fn wait_until_stopped(world: &World, service: &ServiceProcess, offset: i64) {
    eventually("/ready says that the partition has stopped, and what to do", async || {
        let (status, body) = service.get("/ready").await;
        let stopped = format!("bad messages: {}/0 stands still at offset {offset}", world.topic);
        status == 503 && body.contains(&stopped) && body.contains("BAD_MESSAGES_PAUSE=false")
    })
    .await;
}

#[tokio::test]
async fn a_wrong_key_field_stops_the_partition_until_it_is_corrected_and_loses_nothing() {
    let world = World::new(1).await;
    enqueue(&world, 0, good(0..3_000));
    let mut service = world.spawn_ingester(&WRONG_FIELD).await;
    wait_until_stopped(&world, &service, 1_000).await;
    assert!(service.get("/ready").await.1.contains("no_key: the field device is missing"));
    assert_eq!((world.read_offset(0).await, world.count_dead_letters().await), (Some(1_000), 1_000));
    assert_eq!(service.metric("kafka_ingester_dead_letters_total").await, 1_000.0);
    let warning = "bad messages became dead letters, for example ";
    let example = format!("{warning}{}/0 offset 0: no_key: the field device is missing", world.topic);
    assert!(service.log().contains(&example), "{}", service.log());
    assert_eq!(service.log().matches(warning).count(), 1);
    service.terminate().await;

    // A restart with the same settings adds nothing.
    let mut service = world.spawn_ingester(&WRONG_FIELD).await;
    wait_until_stopped(&world, &service, 1_000).await;
    assert_eq!((world.read_offset(0).await, world.count_dead_letters().await), (Some(1_000), 1_000));
    service.terminate().await;

    let _service = world.start_ingester(&[]).await;
    world.wait_for_offset(0, 3_000).await;
    let (code, left, _) = run_command(&world, &["dead-letters", "replay"], &[]).await;
    assert_eq!((code, left.len(), world.count_dead_letters().await), (0, 0, 0));
    assert_eq!(world.read_ids().await.len(), 10);
}

#[tokio::test]
async fn with_the_pause_turned_off_bad_messages_never_stop_a_partition() {
    let world = World::new(1).await;
    enqueue(&world, 0, bad(2_500));
    let mut service = world.start_ingester(&[("BAD_MESSAGES_PAUSE", "false")]).await;
    world.wait_for_offset(0, 2_500).await;
    assert_eq!(world.count_dead_letters().await, 2_500);
    service.terminate().await;
}

#[tokio::test]
async fn a_partition_that_has_stopped_goes_on_when_the_pause_is_turned_off() {
    let world = World::new(1).await;
    enqueue(&world, 0, bad(1_500));
    let mut service = world.spawn_ingester(&[]).await;
    wait_until_stopped(&world, &service, 1_000).await;
    service.terminate().await;
    let service = world.start_ingester(&[("BAD_MESSAGES_PAUSE", "false")]).await;
    world.wait_for_offset(0, 1_500).await;
    assert_eq!((service.get("/ready").await.0, world.count_dead_letters().await), (200, 1_500));
}

#[tokio::test]
async fn many_bad_messages_with_a_good_one_among_them_stop_nothing_and_other_partitions_go_on() {
    let world = World::new(2).await;
    enqueue(&world, 1, bad(900).chain(good(0..1)).chain(bad(900)));
    enqueue(&world, 0, bad(1_200));
    let service = world.spawn_ingester(&[]).await;
    wait_until_stopped(&world, &service, 1_000).await;
    world.wait_for_offset(1, 1_801).await;
    enqueue(&world, 1, good(0..100));
    world.wait_for_offset(1, 1_901).await;
    assert_eq!(world.read_offset(0).await, Some(1_000));
    assert_eq!(world.count_dead_letters().await, 2_800);
}
