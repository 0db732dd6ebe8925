use std::path::{Path, PathBuf};

use fred::error::Error;
use fred::prelude::{Builder, Client, ClientLike, Config};
use fred::types::{CustomCommand, Value};
use tempfile::TempDir;
use tokio::process::Command;

use crate::child_server::{ChildServer, wait_until_port_closed};
use crate::eventually::patience;
use crate::{eventually_ok, free_port};

/// Messages that may wait for a test that subscribes. fred's default is 32, and then it drops the oldest; on
/// a busy machine a test does not read that fast.
const EVENT_CAPACITY: usize = 4096;

/// A user of every [`TestRedis`] who may do everything, with any password. The test's own clients are this user, so that
/// what is done to the user `default` or to the connections of others does not concern them.
const ADMIN: &str = "test-admin";

/// A `redis-server` on a free port of 127.0.0.1. Without persistence, unless its arguments say otherwise.
pub struct TestRedis {
    binary: PathBuf,
    port: u16,
    args: Vec<String>,
    dir: TempDir,
    server: Option<ChildServer>,
}

impl TestRedis {
    /// Starts one with the default settings.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with further arguments, such as `["--notify-keyspace-events", "KEA"]`.
    pub async fn start_with(args: &[&str]) -> Self {
        Self::start_binary(Path::new("redis-server"), args).await
    }

    /// Starts one of another version: see [`redis_versions`](crate::redis_versions).
    pub async fn start_binary(binary: &Path, args: &[&str]) -> Self {
        Self::start_on(free_port(), binary, args).await
    }

    pub(crate) async fn start_on(port: u16, binary: &Path, args: &[&str]) -> Self {
        let mut redis = Self {
            binary: binary.to_owned(),
            port,
            args: args.iter().map(ToString::to_string).collect(),
            dir: tempfile::tempdir().expect("make a folder for redis"),
            server: None,
        };
        redis.restart().await;
        redis
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:PORT`, without a database.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The folder of its files.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Connects a client to database 0.
    pub async fn client(&self) -> Client {
        self.client_for_db(0).await
    }

    /// Connects a client to the given database.
    pub async fn client_for_db(&self, db: u8) -> Client {
        self.connect(db).await.expect("connect to our own redis")
    }

    pub(crate) async fn connect(&self, db: u8) -> Result<Client, Error> {
        let mut config = Config::from_url(&format!("{}/{db}", self.url()))?;
        (config.username, config.password) = (Some(ADMIN.to_owned()), Some(ADMIN.to_owned()));
        let mut builder = Builder::from_config(config);
        builder.with_performance_config(|performance| {
            performance.broadcast_channel_capacity = EVENT_CAPACITY;
            performance.default_command_timeout = patience();
        });
        builder.with_connection_config(|connection| {
            connection.connection_timeout = patience();
            connection.internal_command_timeout = patience();
        });
        let client = builder.build()?;
        client.init().await?;
        Ok(client)
    }

    /// Whether it was started, and not killed since.
    pub(crate) fn is_running(&self) -> bool {
        self.server.is_some()
    }

    /// Runs a command as a user who may do everything: `redis.admin("CONFIG SET maxmemory 1")`. Words in it are separated
    /// by single spaces.
    ///
    /// # Panics
    /// When Redis refuses it.
    pub async fn admin(&self, command: &str) -> Value {
        let mut words = command.split(' ');
        let name = CustomCommand::new(words.next().unwrap_or_default(), None::<u16>, false);
        let client = self.client().await;
        let reply = client.custom(name, words.map(str::to_owned).collect::<Vec<_>>()).await;
        let _ = client.quit().await;
        reply.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Kills it (SIGKILL). What it has not written to its files is lost.
    pub async fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.signal("KILL").await;
            server.wait().await;
            wait_until_port_closed(self.port).await;
        }
    }

    /// Starts it on the same port with the same files. Kills it first if it is running.
    pub async fn restart(&mut self) {
        self.restart_with(&[]).await;
        // It may still be loading its files.
        eventually_ok("redis answers", async || self.connect(0).await?.ping::<String>(None).await).await;
    }

    /// As [`TestRedis::restart`], with further arguments, but does not wait until its files are loaded.
    pub(crate) async fn restart_with(&mut self, args: &[&str]) {
        self.kill().await;
        let mut command = Command::new(&self.binary);
        let port = self.port.to_string();
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.dir.path());
        command.args(["--user", ADMIN, "on", "nopass", "~*", "&*", "+@all"]).args(&self.args).args(args);
        self.server = Some(ChildServer::start(command, self.port, &self.dir.path().join("redis.log")).await);
    }

    /// Waits for the end of a server that was told to end by itself.
    pub(crate) async fn wait_for_end(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.wait().await;
        }
    }

    /// Suspends it (SIGSTOP) until [`TestRedis::resume`].
    pub async fn pause(&self) {
        self.server.as_ref().expect("redis is running").signal("STOP").await;
    }

    /// Ends a [`TestRedis::pause`] (SIGCONT).
    pub async fn resume(&self) {
        self.server.as_ref().expect("redis is running").signal("CONT").await;
    }
}
