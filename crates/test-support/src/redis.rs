use std::path::PathBuf;

use fred::prelude::{Builder, Client, ClientLike, Config};
use tempfile::TempDir;
use tokio::process::Command;

use crate::server::{Server, port_closed};
use crate::{eventually_ok, free_port};

/// Messages that may wait for a subscribing test. fred keeps 32 and drops what is older, and a busy machine lets a test
/// wait longer than that.
const EVENTS: usize = 4096;

/// A `redis-server` of its own on a free port of 127.0.0.1. Without persistence, unless its arguments say otherwise.
pub struct TestRedis {
    port: u16,
    args: Vec<String>,
    dir: TempDir,
    server: Option<Server>,
}

impl TestRedis {
    /// Starts one with the defaults.
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

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:PORT`, without a database.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The folder it writes its files to.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// A client of database 0.
    pub async fn client(&self) -> Client {
        self.client_for_db(0).await
    }

    /// A client of the given database.
    pub async fn client_for_db(&self, db: u8) -> Client {
        let config = Config::from_url(&format!("{}/{db}", self.url())).expect("our own url");
        let mut builder = Builder::from_config(config);
        builder.with_performance_config(|performance| performance.broadcast_channel_capacity = EVENTS);
        let client = builder.build().expect("build a client");
        client.init().await.expect("connect to our own redis");
        client
    }

    /// SIGKILL. What it has not written to its files is lost.
    pub async fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.signal("KILL").await;
            server.wait().await;
            port_closed(self.port).await;
        }
    }

    /// Starts it on the same port and files, killing it first if it runs.
    pub async fn restart(&mut self) {
        self.kill().await;
        let mut command = Command::new("redis-server");
        let port = self.port.to_string();
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.dir.path()).args(&self.args);
        self.server = Some(Server::start(command, self.port, &self.dir.path().join("redis.log")).await);
        // It may be loading its files still.
        eventually_ok("redis answers", async || {
            let client = self.client().await;
            client.ping::<String>(None).await
        })
        .await;
    }

    /// Stops it from answering (SIGSTOP) until [`TestRedis::resume`].
    pub async fn pause(&self) {
        self.server.as_ref().expect("redis runs").signal("STOP").await;
    }

    /// Ends a [`TestRedis::pause`].
    pub async fn resume(&self) {
        self.server.as_ref().expect("redis runs").signal("CONT").await;
    }
}
