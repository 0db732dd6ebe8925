use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::Command;

use crate::child_server::ChildServer;
use crate::eventually::patience;
use crate::{eventually, free_port};

/// A running binary of this repository, with its `LISTEN_ADDR` on a free port of 127.0.0.1.
pub struct ServiceProcess {
    port: u16,
    dir: TempDir,
    server: ChildServer,
}

impl ServiceProcess {
    /// Starts `binary` and waits until `/health` is 200.
    ///
    /// Its environment is `vars`, `LISTEN_ADDR`, and a short `DRAIN_DELAY` and `DRAIN_TIMEOUT`; it inherits
    /// no variable.
    ///
    /// # Panics
    /// When it ends before that. Its log is in the message.
    pub async fn start(binary: &str, vars: &[(&str, &str)]) -> Self {
        let mut service = Self::spawn(binary, vars);
        let deadline = Instant::now() + patience();
        while service.get("/health").await.0 != 200 {
            assert!(service.server.try_wait().is_none(), "{binary} ended: {}", service.log());
            assert!(Instant::now() < deadline, "{binary} is not healthy in time: {}", service.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        service
    }

    /// Like [`ServiceProcess::start`], but does not wait. For a service that is expected to fail at its
    /// start.
    ///
    /// # Panics
    /// When it cannot be started at all.
    pub fn spawn(binary: &str, vars: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("make a folder for the service");
        let port = free_port();
        let mut command = Command::new(binary);
        command.current_dir(dir.path()).env_clear().env("LISTEN_ADDR", format!("127.0.0.1:{port}"));
        command.env("DRAIN_DELAY", "100ms").env("DRAIN_TIMEOUT", "5s").envs(vars.iter().copied());
        let server = ChildServer::spawn(&mut command, &dir.path().join("log"));
        Self { port, dir, server }
    }

    /// The port on which it serves HTTP.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Its working directory.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// What it has written to standard output and standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The status and the body of a GET. The status is 0 if there was no response.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let request = reqwest::Client::new().get(format!("{}{path}", self.base_url())).timeout(patience());
        let Ok(response) = request.send().await else {
            return (0, String::new());
        };
        (response.status().as_u16(), response.text().await.unwrap_or_default())
    }

    /// Waits until `/ready` is 200.
    pub async fn wait_until_ready(&self) {
        eventually("the service is ready", async || self.get("/ready").await.0 == 200).await;
    }

    /// The sum of all series of the metric `name`. With labels (`name{label="value"}`) it is that one series.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let is_series =
            |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        text.lines().filter(is_series).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Kills it (SIGKILL), and waits for its end.
    pub async fn kill(&mut self) {
        self.server.signal("KILL").await;
        self.server.wait().await;
    }

    /// Sends SIGTERM and waits for its end. Returns the exit code, or -1 if a signal ended it.
    pub async fn terminate(&mut self) -> i32 {
        self.server.signal("TERM").await;
        self.wait_for_exit().await
    }

    /// Waits for its end. Returns the exit code, or -1 if a signal ended it.
    pub async fn wait_for_exit(&mut self) -> i32 {
        self.server.wait().await.code().unwrap_or(-1)
    }

    /// Sends a signal by its name, such as `STOP` or `CONT`.
    pub async fn signal(&self, name: &str) {
        self.server.signal(name).await;
    }
}
