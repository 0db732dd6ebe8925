use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;

use etl_worker::table::Table;
use fred::clients::Client;
use fred::interfaces::{
    ClientLike, HashesInterface, KeysInterface, ListInterface, PubsubInterface, SetsInterface,
    SortedSetsInterface, StreamsInterface,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{ServiceProcess, TestRedis, eventually};
use tokio::process::Command;

/// Game and player to the superhero, and to rank, rounds, damage received and damage sent.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub(crate) struct Tables {
    pub(crate) meta: BTreeMap<(String, String), u64>,
    pub(crate) podium: BTreeMap<(String, String), [u64; 4]>,
}

impl Tables {
    pub(crate) fn games(&self) -> Vec<String> {
        let mut games: Vec<String> = self.meta.keys().map(|(game, _)| game.clone()).collect();
        games.dedup();
        games
    }

    pub(crate) fn add(&mut self, more: Tables) {
        self.meta.extend(more.meta);
        self.podium.extend(more.podium);
    }
}

/// A Redis, a folder for files, and workers that use both.
pub(crate) struct World {
    pub(crate) redis: TestRedis,
    pub(crate) client: Client,
    dir: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        let redis = TestRedis::start().await;
        let client = redis.client().await;
        Self { redis, client, dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.dir.path().join("superhero")
    }

    /// A worker that cleans, and is quick where the defaults are patient; `vars` win.
    pub(crate) async fn worker(&self, name: &str, vars: &[(&str, &str)]) -> ServiceProcess {
        let worker = self.spawn(name, vars);
        worker.wait_until_ready().await;
        eventually("the worker listens", async || worker.log().contains("listening on channel")).await;
        worker
    }

    pub(crate) fn spawn(&self, name: &str, vars: &[(&str, &str)]) -> ServiceProcess {
        let (url, output) = (self.redis.url(), self.output());
        let mut all = vec![
            ("REDIS_URL", url.as_str()),
            ("ETL_OUTPUT", output.to_str().unwrap()),
            ("ETL_WORKER", name),
            ("ETL_LEASE", "1s"),
            ("CLEAN_ROUTINE", "True"),
            ("REDIS_EXPIRY", "1"),
        ];
        all.extend(vars);
        ServiceProcess::spawn(BINARY, &all)
    }

    /// Runs a command of the binary to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command.env_clear().env("REDIS_URL", self.redis.url()).env("ETL_OUTPUT", self.output()).args(args);
        command.output().await.unwrap()
    }

    /// Plays games and gives the true tables.
    pub(crate) async fn simulate(&self, args: &[&str]) -> Tables {
        let simulator = Path::new(BINARY).with_file_name("examples").join("simulate-games");
        let mut command = Command::new(simulator);
        let played =
            command.env_clear().env("REDIS_URL", self.redis.url()).args(args).output().await.unwrap();
        assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
        let mut tables = Tables::default();
        for line in String::from_utf8(played.stdout).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            let player = (text("game_token"), text("user_token"));
            let number = |name: &str| row[name].as_u64().unwrap();
            tables.meta.insert(player.clone(), number("superhero_id"));
            tables.podium.insert(player, ["rank", "rounds", "damage_received", "damage_sent"].map(number));
        }
        tables
    }

    /// What the files hold. A row that is there twice is a failure.
    pub(crate) fn written(&self) -> Tables {
        read(&self.output()).unwrap()
    }

    pub(crate) fn files(&self, table: Table) -> Vec<PathBuf> {
        files(&self.output().join(table.name()))
    }

    /// Waits until these games, and no others, are written and committed.
    pub(crate) async fn all_written(&self, truth: &Tables) {
        let games = truth.games();
        eventually("every game is committed", async || {
            for game in &games {
                let state: Option<String> =
                    self.client.hget(format!("etl:game:{game}"), "state").await.unwrap();
                if state.as_deref() != Some("done") {
                    return false;
                }
            }
            true
        })
        .await;
        assert_eq!(self.client.xlen::<u64, _>("etl:jobs").await.unwrap(), 0);
        assert_eq!(self.client.scard::<u64, _>("etl:open-parts").await.unwrap(), 0);
        let written = self.written();
        assert_eq!(written.meta.len(), truth.meta.len());
        assert!(written == *truth, "the files differ from the truth");
    }

    /// Waits until nothing of any game is left but the memory that it was written.
    pub(crate) async fn all_cleaned(&self) {
        eventually("the records are gone", async || {
            let keys: Vec<String> = self.client.custom(fred::cmd!("KEYS"), vec!["*"]).await.unwrap();
            keys.iter()
                .all(|key| key.starts_with("etl:game:") || key == "etl:jobs" || key == "etl:reconciler")
        })
        .await;
    }

    /// Jobs that workers hold; none while there is no group yet.
    pub(crate) async fn pending(&self) -> u64 {
        let pending: Vec<fred::types::Value> =
            self.client.xpending("etl:jobs", "workers", ()).await.unwrap_or_default();
        pending.first().and_then(fred::types::Value::as_u64).unwrap_or_default()
    }

    /// The message that a game ended, as the server encodes it.
    pub(crate) async fn publish_clean(&self, game: &str) {
        let message = json!({
            "level": "INFO",
            "timestamp": "2022-10-01T12:00:00.123456",
            "name": "redis.lib.server.lobby",
            "log_message": "Cleaning Game Records",
            "task": {"game_token": game, "user_token": "ann"},
        });
        self.publish(&json!(message.to_string()).to_string()).await;
    }

    pub(crate) async fn publish(&self, payload: &str) {
        self.client.publish::<(), _, _>("CLEAN", payload).await.unwrap();
    }

    /// A completed game of ann (superhero 7, 50 left) and bob (superhero 9, fallen).
    pub(crate) async fn small_game(&self, game: &str) -> Tables {
        let client = &self.client;
        for (user, id, health) in [("ann", "7", "50"), ("bob", "9", "0")] {
            client.sadd::<(), _, _>(format!("games:{game}"), user).await.unwrap();
            let hero = [("id", id), ("attack", "10"), ("health", health)];
            client.hset::<(), _, _>(format!("games:{game}:superheros:{user}"), hero.to_vec()).await.unwrap();
            client.sadd::<(), _, _>(format!("games:{game}:superheros"), id).await.unwrap();
        }
        client.zadd::<(), _, _>("games:participants", None, None, false, false, (2.0, game)).await.unwrap();
        self.attack(game, "ann", "bob", 10, 10, 0).await;
        client.set::<(), _, _>(format!("games:{game}:status"), "Completed", None, None, false).await.unwrap();
        let player = |user: &str| (game.to_owned(), user.to_owned());
        Tables {
            meta: [(player("ann"), 7), (player("bob"), 9)].into(),
            podium: [(player("ann"), [1, 1, 0, 10]), (player("bob"), [2, 0, 10, 0])].into(),
        }
    }

    pub(crate) async fn attack(&self, game: &str, from: &str, to: &str, damage: i64, prior: i64, post: i64) {
        let entry = json!({
            "TIMESTAMP": "2022-10-01T12:00:00Z",
            "PAYLOAD": {"GAME_TOKEN": game, "USER_TOKEN": from},
            "STATUS": {"ACTION": "ATTACK", "DETAILS": {
                "ENEMY_TOKEN": to, "ENEMY_DAMAGE": damage, "ENEMY_HEALTH_PRIOR": prior, "ENEMY_HEALTH_POST": post,
            }},
        });
        self.client.rpush::<(), _, _>(format!("games:{game}:logs"), entry.to_string()).await.unwrap();
    }
}

/// What the files below a folder hold. A file that is gone between listing and opening is an error: open again.
pub(crate) fn read(output: &Path) -> std::io::Result<Tables> {
    let mut tables = Tables::default();
    for table in Table::ALL {
        for path in files(&output.join(table.name())) {
            let reader = SerializedFileReader::new(File::open(&path)?).unwrap();
            for row in reader.get_row_iter(None).unwrap() {
                let row = row.unwrap();
                let player = (row.get_string(0).unwrap().clone(), row.get_string(1).unwrap().clone());
                let twice = match table {
                    Table::Meta => tables.meta.insert(player, row.get_ushort(2).unwrap().into()).is_some(),
                    Table::Podium => {
                        let small = [row.get_ubyte(2).unwrap().into(), row.get_ushort(3).unwrap().into()];
                        let numbers =
                            [small[0], small[1], row.get_ulong(4).unwrap(), row.get_ulong(5).unwrap()];
                        tables.podium.insert(player, numbers).is_some()
                    }
                };
                assert!(!twice, "{} holds a row that another file holds too", path.display());
            }
        }
    }
    Ok(tables)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = dir.read_dir() else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Reads a number from the environment, for the sizes of the big proofs.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
pub(crate) fn size(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().map_or(default, |text| text.parse().unwrap())
}

/// An interpreter with scripts/requirements.txt. Without one the test is left out, which is said past the test's capture.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
pub(crate) fn python(test: &str) -> Option<PathBuf> {
    let python = std::env::var_os("BACKPLANE_PYTHON").map(PathBuf::from);
    if python.is_none() {
        not_run(
            "NOT RUN: {test} needs BACKPLANE_PYTHON, which scripts/test.sh installs and sets"
                .replace("{test}", test),
        );
    }
    python
}

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_etl-worker");

/// Says so past the capture of tests that pass.
pub(crate) fn not_run(text: String) {
    let mut stderr = std::io::stderr();
    stderr.write_all(format!("{text}\n").as_bytes()).unwrap();
}
