//! The same on a Redis Cluster.

use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use run_events::{ChannelName, RedisConfig, RedisPrep, RunId, StatusMessenger};
use test_support::{RedisCluster, eventually};

#[tokio::test]
async fn runs_on_all_shards_are_written_and_lines_are_heard_on_any_node() {
    let cluster = RedisCluster::start().await;
    let config: RedisConfig = cluster.url().parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let messenger = StatusMessenger::new(config.clone());
    let wepp = ChannelName::parse("wepp").unwrap();
    // Their slots are 500, 12,695 and 8,630, one on each shard.
    for (number, run) in ["run-2", "run-1", "run-0"].into_iter().enumerate() {
        let run = RunId::parse(run).unwrap();
        let subscriber = cluster.nodes[number].client().await;
        let mut lines = subscriber.message_rx();
        subscriber.subscribe(format!("{run}:wepp")).await.unwrap();
        subscriber.ping::<fred::types::Value>(None).await.unwrap();
        let prep = RedisPrep::connect(&config, run.clone(), folder.path()).await.unwrap();
        prep.set_attribute("has_sbs", true).await.unwrap();
        prep.timestamp("build_soils").await.unwrap();
        prep.remove_timestamp("build_soils").await.unwrap();
        let fields = prep.fields().await.unwrap();
        assert_eq!(fields.get("attrs:has_sbs").map(String::as_str), Some("true"));
        assert_eq!(fields.len(), 2, "{fields:?}");
        messenger.publish(&run, &wepp, "a line").await.unwrap();
        assert_eq!(lines.recv().await.unwrap().value.as_string().as_deref(), Some("a line"));
    }
}

#[tokio::test]
async fn after_a_failover_the_run_and_its_lines_go_on() {
    let mut cluster = RedisCluster::start().await;
    let config: RedisConfig = cluster.url().parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (run, wepp) = (RunId::parse("run-0").unwrap(), ChannelName::parse("wepp").unwrap());
    let prep = RedisPrep::connect(&config, run.clone(), folder.path()).await.unwrap();
    let messenger = StatusMessenger::new(config);
    prep.set_attribute("has_sbs", true).await.unwrap();
    messenger.publish(&run, &wepp, "a line").await.unwrap();
    let slot = redis_core::key::hash_slot("run-0");
    let owner = cluster.owner(slot).await;
    cluster.kill_primary(owner).await;
    eventually("the run is written again", async || prep.set_attribute("has_sbs", false).await.is_ok()).await;
    eventually("a line is published", async || messenger.publish(&run, &wepp, "more").await.is_ok()).await;
}
