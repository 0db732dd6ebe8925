//! A Redis Cluster, whose shards are killed, failed over and resharded under load. Each message adds an entry to the stream of its
//! key, so that one that is lost or applied twice shows.

use std::sync::atomic::{AtomicBool, Ordering};

use fred::interfaces::SetsInterface;
use redis_core::key::hash_slot;
use test_support::{RedisCluster, is_full_size};

use crate::support::{Kafka, MOVED_SLOTS, Notifications, StreamLoad, World};

/// A stream of all messages of a key. There is no set of ids, so that a partition needs no other shard than that of its keys.
const STREAMS: [(&str, &str); 3] = [("STORE_AS", "stream"), ("STREAM_MAX", "0"), ("ID_SET", "none")];

fn cluster(world: &World) -> &RedisCluster {
    world.cluster.as_ref().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_is_applied_once_while_instances_and_a_primary_are_killed_and_slots_move() {
    let mut world = World::on_cluster(Kafka::start_mock(), 12).await;
    let mut first = world.start_ingester(&STREAMS).await;
    let second = world.start_ingester(&STREAMS).await;
    let mut load = StreamLoad::start(&world).await;
    load.until_all_go_on(&world).await;

    // The first instance stands still until the other has its partitions. Then it goes on as if it had them.
    first.signal("STOP").await;
    load.until(&world, "the other has all partitions", async || {
        second.metric("kafka_ingester_partitions").await == 12.0
    })
    .await;
    first.signal("CONT").await;
    load.until_all_go_on(&world).await;
    first.kill().await;
    let first = world.start_ingester(&STREAMS).await;
    load.until_all_go_on(&world).await;

    let killed = cluster(&world).owner(0).await;
    world.cluster.as_mut().unwrap().kill_without_failover(killed).await;
    load.until(&world, "/ready names the shard", async || {
        let (status, body) = first.get("/ready").await;
        status == 503
            && body.contains(&format!("shard of 127.0.0.1:{}", cluster(&world).nodes[killed].port()))
    })
    .await;
    load.until_goes_on(&world, 1).await;
    load.until_goes_on(&world, 2).await;
    assert_eq!(first.get("/ready").await.0, 503, "the others go on while the shard is away");
    cluster(&world).allow_failover().await;
    load.until_all_go_on(&world).await;
    load.until(&world, "/ready is green", async || first.get("/ready").await.0 == 200).await;
    world.cluster.as_mut().unwrap().nodes[killed].restart().await;
    cluster(&world).wait_until_stable().await;

    let (from, to) = (cluster(&world).owner(0).await, world.cluster.as_mut().unwrap().add_node().await);
    let slots = if is_full_size("KAFKA_INGESTER_TEST_FULL") { 4_000 } else { MOVED_SLOTS };
    let is_moved = AtomicBool::new(false);
    let moving = async {
        cluster(&world).move_slots(slots, from, to).await;
        is_moved.store(true, Ordering::Relaxed);
    };
    tokio::join!(moving, load.until(&world, "slots are moved", async || is_moved.load(Ordering::Relaxed)));
    load.until_all_go_on(&world).await;

    let primary = cluster(&world).owner(8_000).await;
    let is_over = AtomicBool::new(false);
    let failing_over = async {
        cluster(&world).fail_over(primary).await;
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(failing_over, load.until(&world, "a failover", async || is_over.load(Ordering::Relaxed)));
    load.until_all_go_on(&world).await;
    load.expect_each_once(&world).await;
    for service in [&first, &second] {
        println!(
            "{} rewinds, {} fenced",
            service.metric("kafka_ingester_rewinds_total").await,
            service.metric("kafka_ingester_fenced_total").await
        );
    }
}

/// A replica that has lost its primary has nothing of what that acknowledges from then on, and takes its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_shard_loses_is_read_again_and_the_other_shards_keep_what_they_have() {
    let mut world = World::on_cluster(Kafka::start_mock(), 12).await;
    let service = world.start_ingester(&STREAMS).await;
    let mut load = StreamLoad::start(&world).await;
    load.until_all_go_on(&world).await;
    load.settle(&world).await;
    let notifications = world.subscribe("battery:*").await;
    let before = load.count();

    // The replica of the shard with slot 0 is node 3. It does not know the password.
    cluster(&world).nodes[0].admin("CONFIG SET requirepass secret").await;
    cluster(&world).nodes[3].admin("CLIENT KILL TYPE master").await;
    load.send(&world, 3_000);
    load.settle(&world).await;
    assert_eq!(service.metric("kafka_ingester_rewinds_total").await, 0.0);
    world.cluster.as_mut().unwrap().nodes[0].kill().await;
    cluster(&world).wait_for_failover(0, 0).await;
    service.wait_until_ready().await;
    load.send(&world, 300);
    load.expect_each_once(&world).await;
    assert!(service.metric("kafka_ingester_rewinds_total").await >= 1.0);
    let (sent, told) = (load.count() - before, notifications.pending_count());
    let lost = load.count_of_shard(0);
    println!("{sent} messages, {told} told");
    assert!(told > sent && told <= sent + lost, "{told} told of {sent}, {lost} of the shard");
}

#[tokio::test]
async fn with_sharded_pubsub_the_shard_of_the_key_tells_of_a_change_and_no_other_way_does() {
    let world = World::on_cluster(Kafka::start_mock(), 1).await;
    let owner = cluster(&world).owner(hash_slot("battery:1:data")).await;
    let mut sharded =
        Notifications::subscribe_sharded(&cluster(&world).nodes[owner].url(), "battery:1:data").await;
    let plain = world.subscribe("battery:*").await;
    let _service = world.start_ingester(&[("NOTIFY_SHARDED_PUBSUB", "true")]).await;
    world.kafka.send(&world.topic, r#"{"battery_id":1,"soc":87}"#);
    assert_eq!(sharded.next().await, ("battery:1:data".to_owned(), "updates".to_owned()));
    assert_eq!(world.read_field("battery:1:data", "soc").await.as_deref(), Some("87"));
    assert_eq!(plain.pending_count(), 0);
}

#[tokio::test]
async fn keys_and_commands_are_spread_over_the_shards() {
    let world = World::on_cluster(Kafka::start_mock(), 6).await;
    let _service = world.start_ingester(&[]).await;
    let total = if is_full_size("KAFKA_INGESTER_TEST_FULL") { 100_000 } else { 20_000 };
    let before = commands(&world).await;
    for number in 0..total {
        let json = format!(r#"{{"battery_id":{number},"n":{number}}}"#);
        world.kafka.enqueue(&world.topic, number % 6, None, Some(json.as_bytes()));
    }
    world.kafka.flush();
    for partition in 0..6 {
        let share = (i64::from(total) - i64::from(partition) + 5) / 6;
        world.wait_for_offset(partition, share).await;
    }
    assert_eq!(world.client.scard::<i32, _>("info:batteries:ids").await.unwrap(), total);
    let mut keys = Vec::new();
    for node in &cluster(&world).nodes[..3] {
        keys.push(node.admin("DBSIZE").await.as_i64().unwrap() as f64);
    }
    let commands: Vec<f64> =
        commands(&world).await.iter().zip(before).map(|(now, before)| now - before).collect();
    println!("{total} messages: {keys:?} keys, {commands:?} commands");
    for counts in [keys, commands] {
        let mean = counts.iter().sum::<f64>() / 3.0;
        assert!(counts.iter().all(|count| *count <= 1.3 * mean), "{counts:?}");
    }
}

/// How many commands each primary has run, scripts' own included.
async fn commands(world: &World) -> Vec<f64> {
    let mut counts = Vec::new();
    for node in &cluster(world).nodes[..3] {
        let stats = node.admin("INFO").await.as_string().unwrap();
        let line = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        counts.push(line.unwrap().trim().parse().unwrap());
    }
    counts
}
