use std::collections::HashMap;
use std::fs;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::ClientLike;
use fred::prelude::{Builder, Config};
use fred::types::{CustomCommand, FromValue, Value};
use tempfile::TempDir;
use tokio::process::Command;

use crate::child_server::ChildServer;
use crate::{TestRedis, eventually, eventually_ok, free_port};

/// A primary and its replicas, which Redis Sentinel watches. The name of the primary is `main`.
///
/// The sentinels look and tell ten times as often as usual, so that a test can go through many failovers.
pub struct TestSentinel {
    /// One of them is the primary: see [`TestSentinel::primary`].
    pub servers: Vec<TestRedis>,
    sentinels: Vec<(u16, ChildServer)>,
    _dir: TempDir,
}

/// How a primary is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// SIGKILL.
    Killed,
    /// It stops answering, and keeps its connections.
    Hung,
    /// `SENTINEL FAILOVER`.
    Planned,
}

const AOF: &[&str] = &["--appendonly", "yes"];

impl TestSentinel {
    /// Starts a primary, one replica and this many sentinels, and waits until all know each other.
    pub async fn start(count: usize) -> Self {
        Self::start_with_replicas(count, 1).await
    }

    /// As [`TestSentinel::start`], with this many replicas.
    pub async fn start_with_replicas(count: usize, replicas: usize) -> Self {
        // A server that is started again without its data may be elected, and then all is lost.
        let mut servers = vec![TestRedis::start_with(AOF).await];
        let primary = servers[0].port();
        for _ in 0..replicas {
            let replica = TestRedis::start_with(AOF).await;
            replica.admin(&format!("REPLICAOF 127.0.0.1 {primary}")).await;
            servers.push(replica);
        }
        let (dir, mut sentinels) = (tempfile::tempdir().expect("make a folder"), Vec::new());
        for _ in 0..count {
            let port = free_port();
            let path = dir.path().join(format!("{port}.conf"));
            let text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {primary} {}\n\
                 sentinel down-after-milliseconds main 1500\nsentinel failover-timeout main 4000\n",
                dir.path().display(),
                count / 2 + 1,
            );
            fs::write(&path, text).expect("write the configuration of a sentinel");
            let mut command = Command::new("redis-server");
            command.arg(&path).arg("--sentinel");
            let log = dir.path().join(format!("{port}.log"));
            sentinels.push((port, ChildServer::start(command, port, &log).await));
        }
        let started = Self { servers, sentinels, _dir: dir };
        for number in 0..count {
            let faster = ["info-period", "1000", "publish-period", "200", "ask-period", "200"];
            started
                .ask::<()>(number, &[&["DEBUG"][..], &faster[..]].concat())
                .await
                .expect("configure a sentinel");
        }
        started.wait_until_stable().await;
        started
    }

    /// `redis-sentinel://`, with all sentinels.
    pub fn url(&self) -> String {
        let nodes = self.sentinels[1..].iter().map(|(port, _)| format!("&node=127.0.0.1:{port}"));
        let first = self.sentinels[0].0;
        format!("redis-sentinel://127.0.0.1:{first}?sentinelServiceName=main{}", nodes.collect::<String>())
    }

    /// The number of the primary in [`TestSentinel::servers`], as the first sentinel says.
    pub async fn primary(&self) -> usize {
        let ask = async || self.ask::<(String, u16)>(0, &["GET-MASTER-ADDR-BY-NAME", "main"]).await;
        let (_, port) = eventually_ok("a sentinel names the primary", ask).await;
        self.servers.iter().position(|server| server.port() == port).expect("a server of this test")
    }

    /// `SENTINEL FAILOVER`, and waits until another server is the primary.
    pub async fn fail_over(&self) {
        let old = self.primary().await;
        eventually_ok("a failover is begun", async || self.ask::<()>(0, &["FAILOVER", "main"]).await).await;
        self.wait_for_switch(old).await;
    }

    /// Loses the primary, and waits until another server is the primary. Returns the number of the old one.
    pub async fn lose_primary(&mut self, loss: Loss) -> usize {
        let old = self.primary().await;
        match loss {
            Loss::Killed => self.servers[old].kill().await,
            Loss::Hung => self.servers[old].pause().await,
            Loss::Planned => self.fail_over().await,
        }
        self.wait_for_switch(old).await;
        old
    }

    /// Brings the server back that was lost so. It becomes a replica.
    pub async fn recover(&mut self, loss: Loss, old: usize) {
        match loss {
            Loss::Killed => self.servers[old].restart().await,
            Loss::Hung => self.servers[old].resume().await,
            Loss::Planned => {}
        }
    }

    /// Waits until another server than this one is the primary.
    pub async fn wait_for_switch(&self, old: usize) {
        eventually("another server is the primary", async || self.primary().await != old).await;
    }

    /// Waits until all sentinels agree on the primary, know each other, and see replicas that are up to date.
    pub async fn wait_until_stable(&self) {
        eventually_ok("sentinels and servers agree", async || {
            let primary = self.servers[self.primary().await].port().to_string();
            for number in 0..self.sentinels.len() {
                let state = self.ask::<HashMap<String, String>>(number, &["MASTER", "main"]).await?;
                let replicas =
                    self.ask::<Vec<HashMap<String, String>>>(number, &["REPLICAS", "main"]).await?;
                let others = (self.sentinels.len() - 1).to_string();
                let is_stable = state["port"] == primary
                    && state["flags"] == "master"
                    && state["num-other-sentinels"] == others
                    && replicas.len() == self.servers.len() - 1
                    && replicas.iter().all(|replica| {
                        replica["flags"] == "slave"
                            && replica["master-link-status"] == "ok"
                            && replica["master-port"] == primary
                    });
                if !is_stable {
                    return Err(Error::new(
                        fred::error::ErrorKind::Unknown,
                        format!("{state:?} {replicas:?}"),
                    ));
                }
            }
            Ok(())
        })
        .await;
    }

    /// Runs a command on each sentinel. Words in it are separated by single spaces.
    ///
    /// # Panics
    /// When one refuses it.
    pub async fn admin(&self, command: &str) -> Vec<Value> {
        let words: Vec<&str> = command.split(' ').collect();
        let mut replies = Vec::new();
        for number in 0..self.sentinels.len() {
            replies.push(self.send(number, words[0], &words[1..]).await.expect("a reply of a sentinel"));
        }
        replies
    }

    /// Sends a `SENTINEL` command to one of the sentinels.
    async fn ask<T: FromValue>(&self, number: usize, args: &[&str]) -> Result<T, Error> {
        self.send(number, "SENTINEL", args).await
    }

    async fn send<T: FromValue>(&self, number: usize, name: &str, args: &[&str]) -> Result<T, Error> {
        let config = Config::from_url(&format!("redis://127.0.0.1:{}", self.sentinels[number].0))?;
        let client: Client = Builder::from_config(config).build()?;
        client.init().await?;
        let name = CustomCommand::new(name, None::<u16>, false);
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let reply = client.custom::<T, _>(name, args).await;
        let _ = client.quit().await;
        reply
    }
}
