//! Subscriptions that are proven to stand.

use std::sync::Arc;

use fred::interfaces::EventInterface;
use futures_util::future::join_all;
use redis_core::{ErrorClass, PubSubConnection, connect};
use test_support::{TestRedis, eventually_ok, redis_versions};

use crate::parse;

fn channels(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

/// A user who may subscribe to channels that begin with `open`.
async fn start(binary: &std::path::Path) -> (TestRedis, PubSubConnection) {
    let redis = TestRedis::start_binary(binary, &[]).await;
    redis.admin("ACL SETUSER app on >SECRET ~* +@all resetchannels &open*").await;
    let config = parse(&[format!("--redis-url=redis://app:SECRET@127.0.0.1:{}", redis.port())]);
    let pubsub = PubSubConnection::new(connect::listener(&config, 64).unwrap());
    eventually_ok("it is connected", async || pubsub.state().borrow().clone()).await;
    (redis, pubsub)
}

async fn subscribers(redis: &TestRedis, channel: &str) -> Option<i64> {
    redis.admin(&format!("PUBSUB NUMSUB {channel}")).await.into_array().pop()?.as_i64()
}

#[tokio::test]
async fn a_forbidden_channel_is_named_and_the_others_stand_on_each_version_of_redis() {
    let runs = redis_versions().into_iter().map(async |(name, binary)| {
        let (redis, pubsub) = start(&binary).await;
        for round in 0..10 {
            let open = format!("open{round}");
            let wanted = channels(&[&open, "closed", "open", "closed2", &open]);
            let mut forbidden = pubsub.subscribe(&wanted).await.unwrap();
            forbidden.sort();
            assert_eq!(forbidden, channels(&["closed", "closed2"]), "{name}");
            assert_eq!(subscribers(&redis, &open).await, Some(1), "{name}");
        }
        let error = pubsub.subscribe_pattern("*").await.unwrap_err();
        assert_eq!(ErrorClass::of(&error), ErrorClass::Forbidden, "{name}");
        pubsub.subscribe_pattern("open*").await.unwrap();
        pubsub.unsubscribe(&channels(&["open0", "closed"])).await.unwrap();
        assert!(pubsub.stands().await.unwrap());
        assert_eq!(subscribers(&redis, "open0").await, Some(0), "{name}");
    });
    join_all(runs).await;
}

#[tokio::test]
async fn a_subscription_that_is_gone_is_noticed_and_a_new_connection_starts_with_none() {
    let (redis, pubsub) = start("redis-server".as_ref()).await;
    pubsub.subscribe(&channels(&["open1", "open2"])).await.unwrap();
    assert!(pubsub.stands().await.unwrap());
    // As nobody but a fault would: fred knows nothing of it.
    fred::interfaces::PubsubInterface::unsubscribe(&pubsub.client(), "open1").await.unwrap();
    assert!(!pubsub.stands().await.unwrap());
    for _ in 0..3 {
        let mut reconnects = pubsub.client().reconnect_rx();
        pubsub.reconnect().await;
        reconnects.recv().await.unwrap();
        pubsub.subscribe(&channels(&["open1", "open2"])).await.unwrap();
        assert_eq!(subscribers(&redis, "open1").await, Some(1));
        assert!(pubsub.stands().await.unwrap());
    }
}
