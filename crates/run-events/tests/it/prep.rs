use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface, KeysInterface};
use run_events::{Error, RedisPrep, blocking};
use test_support::{FlakyProxy, ManagedRedis, Refusal, TestRedis, eventually};

use crate::{config, run};

fn read_dump(directory: &Path) -> BTreeMap<String, String> {
    serde_json::from_slice(&fs::read(directory.join("redisprep.dump")).unwrap()).unwrap()
}

#[tokio::test]
async fn changes_reach_the_hash_and_the_dump_file() {
    let (redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    let prep = RedisPrep::connect(&config(&redis), run(), directory.path()).await.unwrap();
    prep.timestamp_at("build_soils", UNIX_EPOCH + Duration::from_secs(1_712_535_083)).await.unwrap();
    prep.set_attribute("has_sbs", false).await.unwrap();
    prep.set_locked("wepp", true).await.unwrap();

    let mut expected = BTreeMap::from(
        [
            ("attrs:has_sbs", "false"),
            ("attrs:loaded", "true"),
            ("locked:wepp", "true"),
            ("timestamps:build_soils", "1712535083"),
        ]
        .map(|(field, value)| (field.to_owned(), value.to_owned())),
    );
    let hash: BTreeMap<String, String> = redis.client().await.hgetall("decimal-pleasing").await.unwrap();
    assert_eq!(hash, expected);
    assert_eq!(prep.fields().await.unwrap(), expected);
    expected.remove("locked:wepp");
    assert_eq!(read_dump(directory.path()), expected, "locks are not in the file");

    prep.remove_timestamp("build_soils").await.unwrap();
    assert!(!read_dump(directory.path()).contains_key("timestamps:build_soils"));
    let files: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "nothing is left beside the dump file");
}

#[tokio::test]
async fn a_timestamp_is_the_present_time_in_whole_seconds() {
    let (redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    let prep = RedisPrep::connect(&config(&redis), run(), directory.path()).await.unwrap();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    prep.timestamp("run_wepp").await.unwrap();
    let written: u64 = prep.fields().await.unwrap()["timestamps:run_wepp"].parse().unwrap();
    assert!((before..=before + 5).contains(&written));
}

#[tokio::test]
async fn a_reader_never_sees_a_part_of_the_dump_file_and_the_last_change_wins() {
    let (redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    let prep = RedisPrep::connect(&config(&redis), run(), directory.path()).await.unwrap();
    prep.set_attribute("started", true).await.unwrap();
    let path = directory.path().to_owned();
    let reader = tokio::task::spawn_blocking(move || while !read_dump(&path).contains_key("attrs:ended") {});
    let changes: Vec<String> = (0..100).map(|n| format!("task_{n}")).collect();
    let all = changes.iter().map(|task| prep.timestamp(task));
    for change in futures_util::future::join_all(all).await {
        change.unwrap();
    }
    assert_eq!(read_dump(directory.path()).len(), 102);
    prep.set_attribute("ended", true).await.unwrap();
    reader.await.unwrap();
}

#[tokio::test]
async fn an_error_says_what_failed() {
    let (mut redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    let prep = RedisPrep::connect(&config(&redis), run(), directory.path().join("missing")).await.unwrap();
    let error = prep.timestamp("a").await.unwrap_err();
    assert!(
        matches!(&error, Error::Dump { .. }) && error.to_string().ends_with("missing/redisprep.dump"),
        "{error}"
    );
    assert!(prep.fields().await.unwrap().contains_key("timestamps:a"), "the change itself was made");

    redis.client().await.set::<(), _, _>("decimal-pleasing", "text", None, None, false).await.unwrap();
    let error = prep.timestamp("a").await.unwrap_err();
    assert!(error.to_string().starts_with("set a field of the run: WRONGTYPE"), "{error}");

    redis.kill().await;
    let error = RedisPrep::connect(&config(&redis), run(), directory.path()).await.err().unwrap();
    assert!(error.to_string().starts_with("connect to redis at 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn a_run_tells_wepppy_that_it_is_loaded_with_every_change() {
    let (redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    let prep = RedisPrep::connect(&config(&redis), run(), directory.path()).await.unwrap();
    let client = redis.client().await;
    prep.timestamp("a").await.unwrap();
    let flag =
        async || client.hget::<Option<String>, _, _>("decimal-pleasing", "attrs:loaded").await.unwrap();
    assert_eq!(flag().await.as_deref(), Some("true"));
    // Redis has lost the run: the file must not come back over what follows.
    for change in ["remove a timestamp", "lock"] {
        client.del::<(), _>("decimal-pleasing").await.unwrap();
        match change {
            "lock" => prep.set_locked("soils", true).await.unwrap(),
            _ => prep.remove_timestamp("a").await.unwrap(),
        }
        assert_eq!(flag().await.as_deref(), Some("true"), "{change}");
    }
}

#[tokio::test]
async fn a_field_that_is_not_text_is_left_out_and_costs_no_other() {
    let (redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    let prep = RedisPrep::connect(&config(&redis), run(), directory.path()).await.unwrap();
    let bad: &[u8] = b"\xff\xfe";
    let client = redis.client().await;
    client.hset::<(), _, _>("decimal-pleasing", ("timestamps:bad", bad)).await.unwrap();
    prep.timestamp_at("good", UNIX_EPOCH).await.unwrap();
    let expected = [("attrs:loaded", "true"), ("timestamps:good", "0")];
    let expected: BTreeMap<_, _> = expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    assert_eq!((read_dump(directory.path()), prep.fields().await.unwrap()), (expected.clone(), expected));
}

#[tokio::test]
async fn the_mode_and_the_symbolic_link_of_a_dump_file_are_kept() {
    let (redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let (link, file) = (directory.path().join("redisprep.dump"), elsewhere.path().join("dump"));
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let prep = RedisPrep::connect(&config(&redis), run(), directory.path()).await.unwrap();
    prep.timestamp("a").await.unwrap();
    assert!(read_dump(directory.path()).contains_key("timestamps:a"), "a link to no file leads to a new one");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    prep.timestamp("b").await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o664);
    assert!(read_dump(directory.path()).contains_key("timestamps:b"));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1, "nothing is left beside the file");
}

#[tokio::test]
async fn many_producers_with_equal_process_ids_can_write_to_one_folder() {
    let (redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    // In one process they have the same id, as they may have in several containers.
    let producers: Vec<_> = futures_util::future::join_all(
        (0..8).map(|_| async { RedisPrep::connect(&config(&redis), run(), directory.path()).await.unwrap() }),
    )
    .await;
    for round in 0..20 {
        let task = format!("task_{round}");
        let changes = producers.iter().map(|prep| prep.timestamp(&task));
        for change in futures_util::future::join_all(changes).await {
            change.unwrap();
        }
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_redis_that_refuses_is_told_in_words() {
    let (mut redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    let proxy = FlakyProxy::start(redis.port()).await;
    let prep = RedisPrep::connect(&config(&redis), run(), directory.path()).await.unwrap();
    for (refusal, words) in [
        (Refusal::ReadOnly, "set a field of the run: Redis is a read-only replica"),
        (
            Refusal::OutOfMemory,
            "set a field of the run: Redis is out of memory (maxmemory) and refuses writes",
        ),
        (
            Refusal::Misconf,
            "set a field of the run: Redis cannot save to its disk and refuses writes (MISCONF)",
        ),
    ] {
        refusal.apply(&mut redis, &proxy).await;
        assert_eq!(prep.timestamp("a").await.unwrap_err().to_string(), words);
        refusal.lift(&mut redis, &proxy).await;
        eventually("a change is made", async || prep.timestamp("a").await.is_ok()).await;
    }
}

#[tokio::test]
async fn changes_follow_a_managed_endpoint_to_the_new_primary() {
    let (redis, directory) = (ManagedRedis::start().await, tempfile::tempdir().unwrap());
    let config = redis.url().parse().unwrap();
    let prep = RedisPrep::connect(&config, run(), directory.path()).await.unwrap();
    redis.fail_over().await;
    eventually("a change is made", async || prep.timestamp("a").await.is_ok()).await;
    let second = redis.second.client().await;
    assert!(second.hexists::<bool, _, _>("decimal-pleasing", "timestamps:a").await.unwrap());
}

#[tokio::test]
async fn changes_succeed_again_after_redis_was_down() {
    let (mut redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    let prep = RedisPrep::connect(&config(&redis), run(), directory.path()).await.unwrap();
    prep.timestamp("a").await.unwrap();
    redis.restart().await;
    eventually("a change is made", async || prep.timestamp("b").await.is_ok()).await;
}

#[test]
fn the_blocking_type_does_the_same_and_closes_its_connections() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (redis, directory) = (runtime.block_on(TestRedis::start()), tempfile::tempdir().unwrap());
    let client = runtime.block_on(redis.client());
    let before = runtime.block_on(count_connections(&client));
    let prep = blocking::RedisPrep::connect(&config(&redis), run(), directory.path()).unwrap();
    prep.timestamp("a").unwrap();
    prep.timestamp_at("b", UNIX_EPOCH).unwrap();
    prep.remove_timestamp("a").unwrap();
    prep.set_attribute("c", true).unwrap();
    prep.set_locked("d", false).unwrap();
    let fields =
        [("attrs:c", "true"), ("attrs:loaded", "true"), ("locked:d", "false"), ("timestamps:b", "0")];
    assert_eq!(prep.fields().unwrap(), fields.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    assert_eq!(read_dump(directory.path()).len(), 3);
    drop(prep);
    runtime.block_on(eventually("its connections are closed", async || {
        count_connections(&client).await == before
    }));
}

async fn count_connections(client: &Client) -> usize {
    let list: String = client.custom(fred::cmd!("CLIENT"), vec!["LIST"]).await.unwrap();
    list.lines().count()
}

#[tokio::test]
async fn a_dropped_prep_closes_its_connections() {
    let (redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
    let client = redis.client().await;
    let before = count_connections(&client).await;
    let prep = RedisPrep::connect(&config(&redis), run(), directory.path()).await.unwrap();
    assert!(count_connections(&client).await > before);
    drop(prep);
    eventually("its connections are closed", async || count_connections(&client).await == before).await;
}
