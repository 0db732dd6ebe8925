use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::tables::Table;
use fred::clients::Client;
use fred::interfaces::{
    ClientLike, HashesInterface, KeysInterface, ListInterface, PubsubInterface, SetsInterface,
    SortedSetsInterface, StreamsInterface,
};
use fred::types::Builder;
use fred::types::config::{ClusterDiscoveryPolicy, Config, Server, ServerConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{RedisCluster, ServiceProcess, TestRedis, eventually, is_full_size};
use tokio::process::Command;

use crate::log::wait_for_log;
use crate::tables::{Tables, list_files, read_tables};

/// A Redis, a folder for files, and workers that use both.
pub(crate) struct World {
    /// Not what the workers use, if there is a Cluster.
    pub(crate) redis: TestRedis,
    pub(crate) cluster: Option<RedisCluster>,
    /// On a Cluster it sends each command to the node of its key.
    pub(crate) client: Client,
    /// What workers and commands connect to.
    pub(crate) url: String,
    dir: TempDir,
}

impl World {
    /// With `ETL_WORKER_TEST_CLUSTER=1` on a Redis Cluster, otherwise on one Redis.
    pub(crate) async fn start() -> Self {
        match is_full_size("ETL_WORKER_TEST_CLUSTER") {
            true => Self::on_cluster(RedisCluster::start().await).await,
            false => Self::start_on_one().await,
        }
    }

    /// On one Redis, to which the test does something.
    pub(crate) async fn start_on_one() -> Self {
        Self::start_on(Path::new("redis-server")).await
    }

    /// With another version of Redis.
    pub(crate) async fn start_on(binary: &Path) -> Self {
        Self::on(TestRedis::start_binary(binary, &[]).await).await
    }

    /// With these arguments of Redis.
    pub(crate) async fn start_with(args: &[&'static str]) -> Self {
        Self::on(TestRedis::start_with(args).await).await
    }

    async fn on(redis: TestRedis) -> Self {
        let (client, url) = (redis.client().await, redis.url());
        Self { redis, cluster: None, client, url, dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) async fn on_cluster(cluster: RedisCluster) -> Self {
        let client = Self::client_of(&cluster).await;
        let url = cluster.url();
        Self { client, url, cluster: Some(cluster), ..Self::start_on_one().await }
    }

    /// The same with a new client, after what happened to the Cluster.
    pub(crate) async fn at(self, cluster: RedisCluster) -> Self {
        let client = Self::client_of(&cluster).await;
        Self { client, cluster: Some(cluster), ..self }
    }

    async fn client_of(cluster: &RedisCluster) -> Client {
        let nodes = cluster.nodes.iter().map(|node| Server::new("127.0.0.1", node.port())).collect();
        let server = ServerConfig::Clustered { hosts: nodes, policy: ClusterDiscoveryPolicy::default() };
        let client = Builder::from_config(Config { server, ..Config::default() }).build().unwrap();
        client.init().await.unwrap();
        client
    }

    /// The name of a key of ours; other names are the same everywhere.
    pub(crate) fn key(&self, name: &str) -> String {
        let Some(rest) = name.strip_prefix("etl:").filter(|_| self.cluster.is_some()) else {
            return name.to_owned();
        };
        match rest.split_once(':') {
            Some((dataset @ ("orders" | "visits"), rest)) => format!("{{etl:{dataset}}}:{rest}"),
            _ => format!("{{etl}}:{rest}"),
        }
    }

    /// The names of all keys of this form.
    pub(crate) async fn keys(&self, form: &str) -> Vec<String> {
        let Some(cluster) = &self.cluster else {
            return self.client.custom(fred::cmd!("KEYS"), vec![form]).await.unwrap();
        };
        let mut keys = Vec::new();
        for primary in cluster.primaries().await {
            let client = cluster.nodes[primary].client().await;
            keys.extend(client.custom::<Vec<String>, _>(fred::cmd!("KEYS"), vec![form]).await.unwrap());
        }
        keys
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.dir.path().join("superhero")
    }

    /// Starts a worker and waits until it listens. It cleans up, and its times are shorter than the defaults. `vars`
    /// override that.
    pub(crate) async fn start_worker(&self, name: &str, vars: &[(&str, &str)]) -> ServiceProcess {
        let worker = self.spawn_worker(name, vars);
        worker.wait_until_ready().await;
        wait_for_log(&worker, "listening on channel").await;
        worker
    }

    pub(crate) fn spawn_worker(&self, name: &str, vars: &[(&str, &str)]) -> ServiceProcess {
        let (url, output) = (&self.url, self.output());
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

    /// Starts a worker for which the system calls with these numbers do not exist, as on some file systems.
    pub(crate) fn spawn_worker_without(&self, calls: &str) -> ServiceProcess {
        let output = self.output();
        let vars = [
            ("WITHOUT_BINARY", BINARY),
            ("WITHOUT_CALLS", calls),
            ("REDIS_URL", &self.url),
            ("ETL_OUTPUT", output.to_str().unwrap()),
            ("ETL_WORKER", "w"),
            ("ETL_LEASE", "1s"),
        ];
        ServiceProcess::spawn(LAUNCHER, &vars)
    }

    /// Runs a command of the binary and waits for its end.
    pub(crate) async fn run_command(&self, args: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command.env_clear().env("REDIS_URL", &self.url).env("ETL_OUTPUT", self.output()).args(args);
        command.output().await.unwrap()
    }

    /// Runs a command as on a file system that lacks the system calls with these numbers.
    pub(crate) async fn run_command_without(&self, calls: &str, args: &[&str]) -> Output {
        let mut command = Command::new(LAUNCHER);
        command.env_clear().env("REDIS_URL", &self.url).env("ETL_OUTPUT", self.output());
        command.env("WITHOUT_BINARY", BINARY).env("WITHOUT_CALLS", calls).args(args);
        command.output().await.unwrap()
    }

    /// Plays games. Returns the tables that must be written.
    pub(crate) async fn simulate(&self, args: &[&str]) -> Tables {
        let simulator = Path::new(BINARY).with_file_name("examples").join("simulate-games");
        let mut command = Command::new(simulator);
        let url = self.cluster.as_ref().map_or_else(|| self.redis.url(), RedisCluster::url);
        let simulated = command.env_clear().env("REDIS_URL", url).args(args).output().await.unwrap();
        assert!(simulated.status.success(), "{}", String::from_utf8_lossy(&simulated.stderr));
        let mut tables = Tables::default();
        for line in String::from_utf8(simulated.stdout).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            let player = (text("game_token"), text("user_token"));
            let number = |name: &str| row[name].as_u64().unwrap();
            tables.meta.insert(player.clone(), number("superhero_id"));
            tables.podium.insert(player, ["rank", "rounds", "damage_received", "damage_sent"].map(number));
        }
        tables
    }

    /// Reads the rows of all files. Panics if a row is there twice.
    pub(crate) fn read_output(&self) -> Tables {
        read_tables(&self.output()).unwrap()
    }

    pub(crate) fn files(&self, table: Table) -> Vec<PathBuf> {
        list_files(&self.output().join(table.name()))
    }

    /// Waits until these games are committed. The files must have exactly their rows.
    pub(crate) async fn wait_until_written(&self, expected: &Tables) {
        let games = expected.games();
        self.wait_until_done(&games.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert_eq!(self.client.xlen::<u64, _>(self.key("etl:jobs")).await.unwrap(), 0);
        assert_eq!(self.client.scard::<u64, _>(self.key("etl:open-parts")).await.unwrap(), 0);
        let written = self.read_output();
        assert_eq!(written.meta.len(), expected.meta.len());
        assert!(written == *expected, "the files do not have the expected rows");
    }

    /// Waits until these games are committed.
    pub(crate) async fn wait_until_done(&self, games: &[&str]) {
        eventually("every game is committed", async || {
            for game in games {
                if !self.is_done(game).await {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// Whether a game is committed.
    pub(crate) async fn is_done(&self, game: &str) -> bool {
        let state: Option<String> =
            self.client.hget(self.key(&format!("etl:game:{game}")), "state").await.unwrap_or_default();
        state.as_deref() == Some("done")
    }

    /// Waits until all records of the games are gone. Only the states of their jobs are left.
    pub(crate) async fn wait_until_cleaned_up(&self) {
        eventually("the records are gone", async || {
            let keys: Vec<String> = self.client.custom(fred::cmd!("KEYS"), vec!["*"]).await.unwrap();
            keys.iter().all(|key| {
                key.starts_with("etl:game:") || ["etl:jobs", "etl:reconciler", "etl:days"].contains(&&**key)
            })
        })
        .await;
    }

    /// The number of jobs that workers own. 0 while the consumer group does not exist.
    pub(crate) async fn pending_jobs(&self) -> u64 {
        let pending: Vec<fred::types::Value> =
            self.client.xpending(self.key("etl:jobs"), "workers", ()).await.unwrap_or_default();
        pending.first().and_then(fred::types::Value::as_u64).unwrap_or_default()
    }

    /// Publishes the message that says a game ended, encoded like the game server does.
    pub(crate) async fn publish_game_ended(&self, game: &str) {
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

    /// Plays a game of ann (superhero 7, health 50 left) and bob (superhero 9, fallen) to its end.
    pub(crate) async fn play_small_game(&self, game: &str) -> Tables {
        let client = &self.client;
        for (user, id, health) in [("ann", "7", "50"), ("bob", "9", "0")] {
            client.sadd::<(), _, _>(format!("games:{game}"), user).await.unwrap();
            let hero = [("id", id), ("attack", "10"), ("health", health)];
            client.hset::<(), _, _>(format!("games:{game}:superheros:{user}"), hero.to_vec()).await.unwrap();
            client.sadd::<(), _, _>(format!("games:{game}:superheros"), id).await.unwrap();
        }
        client.zadd::<(), _, _>("games:participants", None, None, false, false, (2.0, game)).await.unwrap();
        self.log_attack(game, "ann", "bob", 10, 10, 0).await;
        client.set::<(), _, _>(format!("games:{game}:status"), "Completed", None, None, false).await.unwrap();
        let player = |user: &str| (game.to_owned(), user.to_owned());
        Tables {
            meta: [(player("ann"), 7), (player("bob"), 9)].into(),
            podium: [(player("ann"), [1, 1, 0, 10]), (player("bob"), [2, 0, 10, 0])].into(),
        }
    }

    /// Appends an attack to a game's log.
    pub(crate) async fn log_attack(
        &self,
        game: &str,
        attacker: &str,
        enemy: &str,
        damage: i64,
        prior: i64,
        post: i64,
    ) {
        let entry = json!({
            "TIMESTAMP": "2022-10-01T12:00:00Z",
            "PAYLOAD": {"GAME_TOKEN": game, "USER_TOKEN": attacker},
            "STATUS": {"ACTION": "ATTACK", "DETAILS": {
                "ENEMY_TOKEN": enemy, "ENEMY_DAMAGE": damage, "ENEMY_HEALTH_PRIOR": prior, "ENEMY_HEALTH_POST": post,
            }},
        });
        self.client.rpush::<(), _, _>(format!("games:{game}:logs"), entry.to_string()).await.unwrap();
    }
}

const LAUNCHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/without_syscalls.py");
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_etl-worker");

/// Reports that a test is skipped. Writes to standard error directly, because the output of tests that pass is captured.
pub(crate) fn report_not_run(text: String) {
    let mut stderr = std::io::stderr();
    stderr.write_all(format!("{text}\n").as_bytes()).unwrap();
}
