use std::path::PathBuf;
use std::process::Stdio;

use fred::interfaces::SetsInterface;
use test_support::{eventually, find_python, free_port};
use tokio::process::{Child, Command};

use crate::support::World;
use crate::tables::read_tables;

/// The server of moto, which speaks S3 with conditional puts.
pub(crate) struct Storage {
    port: u16,
    python: PathBuf,
    _server: Child,
}

impl Storage {
    pub(crate) async fn start(python: PathBuf) -> Self {
        let port = free_port();
        let mut command = Command::new(&python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let server = command.spawn().unwrap();
        let storage = Self { port, python, _server: server };
        eventually("the object storage answers", async || reqwest::get(storage.url("")).await.is_ok()).await;
        storage
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub(crate) async fn create_bucket(&self, bucket: &str) {
        let response = reqwest::Client::new().put(self.url(bucket)).send().await.unwrap();
        assert!(response.status().is_success(), "{response:?}");
    }

    /// Downloads the objects with a prefix to a folder.
    pub(crate) async fn download(&self, bucket: &str, prefix: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let script = "import sys, os, boto3\n\
            url, bucket, prefix, to = sys.argv[1:]\n\
            s3 = boto3.client('s3', endpoint_url=url, region_name='us-east-1', aws_access_key_id='k', aws_secret_access_key='s')\n\
            assert 'Uploads' not in s3.list_multipart_uploads(Bucket=bucket), 'an upload was left unfinished'\n\
            for page in s3.get_paginator('list_objects_v2').paginate(Bucket=bucket, Prefix=prefix):\n\
            \x20   for found in page.get('Contents', []):\n\
            \x20       if '/.tmp/' in found['Key']: continue\n\
            \x20       path = os.path.join(to, found['Key'])\n\
            \x20       os.makedirs(os.path.dirname(path), exist_ok=True)\n\
            \x20       s3.download_file(bucket, found['Key'], path)\n";
        let mut command = Command::new(&self.python);
        command.args(["-c", script, &self.url(""), bucket, prefix]).arg(dir.path());
        let copied = command.output().await.unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        dir
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_game_is_written_to_a_bucket_once_and_a_missing_bucket_loses_nothing() {
    let test = "each_game_is_written_to_a_bucket_once_and_a_missing_bucket_loses_nothing";
    let Some(python) = find_python(test) else { return };
    let storage = Storage::start(python).await;
    let endpoint = storage.url("");
    let are_written_once = async |batch: &str| {
        let (world, bucket) = (World::start().await, format!("games{batch}"));
        let output = format!("s3://{bucket}/data/superhero");
        let vars = [
            ("ETL_OUTPUT", output.as_str()),
            ("AWS_ENDPOINT_URL", endpoint.trim_end_matches('/')),
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("ETL_BATCH_GAMES", batch),
            ("ETL_BATCH_MS", "200"),
            ("ETL_LEASE", "2s"),
        ];
        let (mut a, b) = (world.spawn_worker("a", &vars), world.spawn_worker("b", &vars));
        eventually("the missing bucket is reported", async || {
            let (status, body) = a.get("/ready").await;
            status == 503 && body.contains("put s3://games") && b.log().contains("listening on channel")
        })
        .await;
        let mut expected = world.simulate(&["--games", "40", "--seed", batch]).await;
        eventually("the jobs are created", async || a.metric("etl_worker_backlog_jobs").await == 40.0).await;
        storage.create_bucket(&bucket).await;
        // A worker is killed while it writes, twice.
        for seed in ["7", "8"] {
            expected.add(world.simulate(&["--games", "15", "--rate", "30", "--seed", seed]).await);
            a.kill().await;
            a = world.spawn_worker("a", &vars);
        }
        let games = expected.games();
        for game in &games {
            world.publish_game_ended(game).await;
        }
        world.wait_until_done(&games.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let copy = storage.download(&bucket, "data/superhero").await;
        let written = read_tables(&copy.path().join("data/superhero")).unwrap();
        assert!(written == expected, "the objects do not have the expected rows");
    };
    tokio::join!(are_written_once("1"), are_written_once("20"));
}

#[tokio::test]
async fn compact_merges_a_bucket_into_a_snapshot_and_keeps_the_small_files() {
    let test = "compact_merges_a_bucket_into_a_snapshot_and_keeps_the_small_files";
    let Some(python) = find_python(test) else { return };
    let storage = Storage::start(python).await;
    storage.create_bucket("games").await;
    let world = World::start().await;
    let endpoint = storage.url("");
    let vars = [
        ("ETL_OUTPUT", "s3://games/data"),
        ("AWS_ENDPOINT_URL", endpoint.trim_end_matches('/')),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("ETL_LAYOUT", "flat"),
    ];
    let worker = world.start_worker("w", &vars).await;
    let flag = |(name, value): (&str, &str)| format!("--{}={value}", name.to_lowercase().replace('_', "-"));
    let compact = async || {
        let args: Vec<String> = vars.into_iter().map(flag).chain(["compact".to_owned()]).collect();
        let done = world.run_command(&args.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let latest = async || {
        let copy = storage.download("games", "data/COMPACTED/latest").await;
        std::fs::read_to_string(copy.path().join("data/COMPACTED/latest")).unwrap()
    };
    let committed = async |games| {
        eventually("the games are committed", async || {
            worker.metric("etl_worker_jobs_total{result=\"committed\"}").await == games
        })
        .await;
    };

    let expected = world.simulate(&["--games", "40"]).await;
    committed(40.0).await;
    let printed = compact().await;
    let first = latest().await;
    let rows = 2 * expected.meta.len();
    assert_eq!(printed, format!("80 files became 2; {rows} rows were rewritten to COMPACTED/{first}\n"));

    // One more game whose file counts as not committed, and one more that is committed.
    let mut all = expected.clone();
    all.add(world.play_small_game("open").await);
    world.publish_game_ended("open").await;
    committed(41.0).await;
    world.client.sadd::<(), _, _>(world.key("etl:open-parts"), "open_w.gz.parquet").await.unwrap();
    let one_more = world.play_small_game("closed").await;
    let mut committed_games = expected.clone();
    committed_games.add(one_more.clone());
    all.add(one_more);
    world.publish_game_ended("closed").await;
    committed(42.0).await;
    compact().await;
    let second = latest().await;
    assert!(second > first, "{second}");

    let copy = storage.download("games", "data").await;
    let rows_in = |path: &str| read_tables(&copy.path().join("data").join(path)).unwrap();
    assert!(rows_in("") == all, "the small files are unchanged");
    assert!(rows_in(&format!("COMPACTED/{first}")) == expected, "a snapshot does not change");
    assert!(rows_in(&format!("COMPACTED/{second}")) == committed_games, "a snapshot has what is committed");
}
