//! Runs every example program and checks what it does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;

use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface, HashesInterface, PubsubInterface};
use fred::types::Message;
use test_support::TestRedis;
use tokio::process::Command;
use tokio::sync::broadcast::Receiver;

async fn run_example(name: &str, redis: &TestRedis, args: &[&str]) -> Output {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    let mut command = Command::new(program);
    command.env("REDIS_URL", redis.url()).args(["--run", "run-1"]).args(args);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Subscribes to all channels of the run. The messages arrive as long as the client lives.
async fn subscribe(redis: &TestRedis) -> (Client, Receiver<Message>) {
    let subscriber = redis.client().await;
    let lines = subscriber.message_rx();
    subscriber.psubscribe("run-1:*").await.unwrap();
    subscriber.ping::<fred::types::Value>(None).await.unwrap();
    (subscriber, lines)
}

#[tokio::test]
async fn prepare_and_blocking_fill_the_hash() {
    let (redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    let directory_arg = directory.path().to_str().unwrap();
    let output = run_example("prepare", &redis, &["--directory", directory_arg]).await;
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains(
            "attrs:has_sbs = true\nattrs:loaded = true\nlocked:soils = false\ntimestamps:build_soils = "
        ),
        "{printed}"
    );

    run_example("blocking", &redis, &["--directory", directory_arg]).await;
    assert!(redis.client().await.hexists::<bool, _, _>("run-1", "timestamps:build_climate").await.unwrap());
    assert!(directory.path().join("redisprep.dump").exists());
}

#[tokio::test]
async fn an_example_refuses_a_setting_by_its_full_name() {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/report");
    let output = Command::new(program).env("REDIS_POOL_SIZE", "65").output().await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && text.contains("REDIS_POOL_SIZE: must be a number from 1 to 64"),
        "{text}"
    );
}

#[tokio::test]
async fn report_publishes_lines() {
    let redis = TestRedis::start().await;
    let (_subscriber, mut lines) = subscribe(&redis).await;
    run_example("report", &redis, &[]).await;
    assert_eq!(lines.recv().await.unwrap().value.as_string().as_deref(), Some("building soil 1/3"));
}

#[tokio::test]
async fn play_run_plays_the_recorded_run_to_its_end() {
    let (redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    let (_subscriber, mut lines) = subscribe(&redis).await;
    let recording = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/data/decimal-pleasing.jsonl");
    let args =
        ["--speed", "1000", "--directory", directory.path().to_str().unwrap(), recording.to_str().unwrap()];
    let counting = tokio::spawn(async move {
        let mut count = 0;
        loop {
            let line = lines.recv().await.unwrap();
            assert!(line.channel.starts_with("run-1:"));
            count += 1;
            if line.value.as_str().as_deref() == Some("TRIGGER dss_export DSS_EXPORT_TASK_COMPLETED") {
                return count;
            }
        }
    });
    run_example("play_run", &redis, &args).await;

    let hash: BTreeMap<String, String> = redis.client().await.hgetall("run-1").await.unwrap();
    let timestamps: Vec<(&str, u64)> = hash
        .iter()
        .filter_map(|(field, value)| Some((field.strip_prefix("timestamps:")?, value.parse().unwrap())))
        .collect();
    assert_eq!(timestamps.len(), 12);
    let at = |task: &str| timestamps.iter().find(|(name, _)| *name == task).unwrap().1;
    assert!(at("set_outlet") > at("build_channels") && at("dss_export") > at("run_wepp"));
    assert!(hash.iter().filter(|(field, _)| field.starts_with("locked:")).all(|(_, value)| value == "false"));

    assert_eq!(counting.await.unwrap(), 156);
}
