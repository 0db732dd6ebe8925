//! The Redis user of the README, with nothing but its own permissions.

use run_events::{ChannelName, RedisConfig, RedisPrep, StatusMessenger};
use test_support::{TestRedis, redis_versions};

use crate::run;

#[tokio::test]
async fn both_types_work_as_the_user_of_the_readme_on_each_version_of_redis() {
    let readme = include_str!("../../README.md");
    let line = readme.lines().find(|line| line.starts_with("ACL SETUSER run-events ")).unwrap();
    for (name, binary) in redis_versions() {
        let redis = TestRedis::start_binary(&binary, &[]).await;
        redis.admin(line).await;
        redis.admin("ACL SETUSER default off").await;
        let url = format!("redis://run-events:SECRET@127.0.0.1:{}/1", redis.port());
        let config: RedisConfig = url.parse().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let prep = RedisPrep::connect(&config, run(), directory.path()).await.unwrap();
        prep.timestamp("a").await.unwrap_or_else(|error| panic!("{name}: {error}"));
        prep.remove_timestamp("a").await.unwrap();
        prep.set_locked("soils", true).await.unwrap();
        assert_eq!(prep.fields().await.unwrap().len(), 2);
        let channel = ChannelName::parse("wepp").unwrap();
        StatusMessenger::new(config).publish(&run(), &channel, "a line").await.unwrap();
        let client = redis.client().await;
        let log: Vec<fred::types::Value> =
            fred::interfaces::ClientLike::custom(&client, fred::cmd!("ACL"), vec!["LOG"]).await.unwrap();
        assert!(log.is_empty(), "{name}: refused: {log:?}");
    }
}
