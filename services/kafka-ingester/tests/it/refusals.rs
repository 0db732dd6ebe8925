use std::path::Path;
use std::time::{Duration, Instant};

use fred::interfaces::StreamsInterface;
use futures_util::future::join_all;
use test_support::{FlakyProxy, Refusal, ServiceProcess, TestRedis, redis_versions};

use crate::support::{DEAD_LETTERS, Kafka, World};

/// Within this time `/ready` must say what is so, and work must go on after it.
const LIMIT: Duration = Duration::from_secs(5);
/// What is logged about one condition: each gate's begin and end, and no more than a few changes of the reason.
const MAX_LOG_LINES: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_redis_refuses_is_red_with_the_reason_and_loses_nothing() {
    join_all(redis_versions().iter().map(|(name, binary)| run_matrix(name, binary))).await;
}

async fn run_matrix(name: &str, binary: &Path) {
    let mut world = World::with(Kafka::start(), TestRedis::start_binary(binary, &[]).await, 1).await;
    let proxy = FlakyProxy::start(world.redis.port()).await;
    let service = world.start_ingester(&[("REDIS_PORT", &proxy.port().to_string())]).await;
    let mut sent = 0;
    for refusal in Refusal::all("PUBLISH") {
        let what = format!("{name}, {refusal:?}");
        let (lines, tries) = (service.log().lines().count(), count_refused(&service).await);
        let started = Instant::now();
        refusal.apply(&mut world.redis, &proxy).await;
        if let Some(reason) = refusal.reason().filter(|_| refusal.lasts()) {
            send_until(&world, &mut sent, &format!("{what}: {reason}"), async || {
                let (status, body) = service.get("/ready").await;
                status == 503 && body.contains(reason)
            })
            .await;
        }
        refusal.lift(&mut world.redis, &proxy).await;
        world.client = world.redis.client().await;
        // A message that is sent from now on is applied.
        let target = sent + 1;
        send_until(&world, &mut sent, &format!("{what} is over"), async || {
            service.get("/ready").await.0 == 200 && world.read_offset(0).await >= Some(target)
        })
        .await;
        let (lines, tries) =
            (service.log().lines().skip(lines).count(), count_refused(&service).await - tries);
        println!("{what}: {lines} log lines, {tries} refused tries in {:?}", started.elapsed());
        assert!(lines <= MAX_LOG_LINES, "{what}: {lines} log lines: {}", service.log());
        assert!(tries <= started.elapsed().as_secs_f64() * 4.0 + 1.0, "{what}: {tries} tries");
    }
    world.kafka.flush();
    world.wait_for_offset(0, sent).await;
    assert_eq!(world.count_dead_letters().await, 0);
    assert_eq!(world.read_state(0, "applied").await, Some(sent));
    for number in sent - 10..sent {
        assert_eq!(
            world.read_field(&format!("battery:{}:data", number % 10), "n").await,
            Some(number.to_string())
        );
    }
}

async fn count_refused(service: &ServiceProcess) -> f64 {
    service.metric(r#"kafka_ingester_batch_seconds_count{outcome="later"}"#).await
}

/// Sends a message every 20 ms until `is_so`.
pub(crate) async fn send_until(world: &World, sent: &mut i64, what: &str, is_so: impl AsyncFn() -> bool) {
    send_within(LIMIT, world, sent, what, is_so).await;
}

pub(crate) async fn send_within(
    limit: Duration,
    world: &World,
    sent: &mut i64,
    what: &str,
    is_so: impl AsyncFn() -> bool,
) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < limit, "{what}: not within {limit:?}");
        let json = format!(r#"{{"battery_id":{},"n":{sent}}}"#, *sent % 10);
        world.kafka.enqueue(&world.topic, 0, None, Some(json.as_bytes()));
        *sent += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{:>5} ms: {what}", started.elapsed().as_millis());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_wait_while_the_user_may_not_publish_and_none_becomes_a_dead_letter() {
    join_all(redis_versions().iter().map(|(name, binary)| async move {
        let world = World::with(Kafka::start(), TestRedis::start_binary(binary, &[]).await, 1).await;
        world.redis.admin("ACL SETUSER app on >secret ~* resetchannels +@all").await;
        for number in 0..2_000 {
            let json = format!(r#"{{"battery_id":{},"n":{number}}}"#, number % 100);
            world.kafka.enqueue(&world.topic, 0, None, Some(json.as_bytes()));
        }
        world.kafka.flush();
        let vars = [("REDIS_USERNAME", "app"), ("REDIS_PASS", "secret"), ("DEAD_LETTERS_MAX", "100")];
        let service = world.spawn_ingester(&vars).await;
        test_support::eventually("/ready gives the reason, and the batch is tried again", async || {
            let (status, body) = service.get("/ready").await;
            let is_told = body.contains("redis: user app may not PUBLISH to battery:*");
            status == 503 && is_told && count_refused(&service).await > 4.0
        })
        .await;
        assert_eq!((world.read_offset(0).await, world.count_dead_letters().await), (Some(0), 0), "{name}");
        world.redis.admin("ACL SETUSER app allchannels").await;
        world.wait_for_offset(0, 2_000).await;
        service.wait_until_ready().await;
        assert_eq!(world.count_dead_letters().await, 0, "{name}");
        assert_eq!(world.read_state(0, "applied").await, Some(2_000));
        let begins = service.log().matches("writing is not ready").count();
        assert_eq!(begins, 1, "{name}: {}", service.log());
    }))
    .await;
}

#[tokio::test]
async fn a_stream_gets_no_entry_twice_while_the_user_may_not_publish() {
    let world = World::new(1).await;
    world.redis.admin("ACL SETUSER app on >secret ~* resetchannels +@all").await;
    let vars = [("REDIS_USERNAME", "app"), ("REDIS_PASS", "secret"), ("STORE_AS", "stream")];
    let service = world.spawn_ingester(&vars).await;
    world.send(r#"{"battery_id":1,"a":1}"#);
    test_support::eventually("it is tried again", async || count_refused(&service).await > 4.0).await;
    world.redis.admin("ACL SETUSER app allchannels").await;
    world.wait_for_offset(0, 1).await;
    assert_eq!(world.client.xlen::<u64, _>("battery:1:data").await.unwrap(), 1);
    assert_eq!(world.client.xlen::<u64, _>(DEAD_LETTERS).await.unwrap(), 0);
}

#[tokio::test]
async fn a_batch_is_sent_again_until_as_many_replicas_have_it_as_it_takes() {
    let world = World::new(1).await;
    let service = world.spawn_ingester(&[("REDIS_WAIT_REPLICAS", "1")]).await;
    world.send(r#"{"battery_id":1,"a":1}"#);
    test_support::eventually("/ready says that a replica is missing", async || {
        let (status, body) = service.get("/ready").await;
        status == 503 && body.contains("0 of 1 replicas have the write")
    })
    .await;
    assert_eq!(service.metric("kafka_ingester_messages_applied_total").await, 0.0);
    let replica = TestRedis::start().await;
    replica.admin(&format!("REPLICAOF 127.0.0.1 {}", world.redis.port())).await;
    service.wait_until_ready().await;
    test_support::eventually("the message counts as applied, once", async || {
        service.metric("kafka_ingester_messages_applied_total").await == 1.0
    })
    .await;
}
