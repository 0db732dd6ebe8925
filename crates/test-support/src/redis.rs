use std::path::PathBuf;

use fred::prelude::{Builder, Client, ClientLike, Config};
use tempfile::TempDir;
use tokio::process::Command;

use crate::child_server::{ChildServer, wait_until_port_closed};
use crate::{eventually_ok, free_port};

/// Messages that may wait for a test that subscribes. fred's default is 32, and then it drops the oldest; on
/// a busy machine a test does not read that fast.
const EVENT_CAPACITY: usize = 4096;

/// A `redis-server` on a free port of 127.0.0.1. Without persistence, unless its arguments say otherwise.
pub struct TestRedis {
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
        let mut redis = Self {
            port: free_port(),
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
        let config = Config::from_url(&format!("{}/{db}", self.url())).expect("our own url");
        let mut builder = Builder::from_config(config);
        builder
            .with_performance_config(|performance| performance.broadcast_channel_capacity = EVENT_CAPACITY);
        let client = builder.build().expect("build a client");
        client.init().await.expect("connect to our own redis");
        client
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
        self.kill().await;
        let mut command = Command::new("redis-server");
        let port = self.port.to_string();
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.dir.path()).args(&self.args);
        self.server = Some(ChildServer::start(command, self.port, &self.dir.path().join("redis.log")).await);
        // It may still be loading its files.
        eventually_ok("redis answers", async || {
            let client = self.client().await;
            client.ping::<String>(None).await
        })
        .await;
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
