use std::path::PathBuf;

use tempfile::TempDir;
use tokio::process::Command;

use crate::server::Server;
use crate::{eventually, free_port};

/// One of our binaries, started with its `LISTEN_ADDR` on a free port of 127.0.0.1.
pub struct ServiceProcess {
    port: u16,
    dir: TempDir,
    server: Server,
}

impl ServiceProcess {
    /// Starts `binary` with these variables and no others, and waits until `/health` answers.
    ///
    /// # Panics
    /// When it ends before that; its log is in the message.
    pub async fn start(binary: &str, vars: &[(&str, &str)]) -> Self {
        let mut service = Self::spawn(binary, vars);
        for _ in 0.. {
            if service.get("/health").await.0 == 200 {
                break;
            }
            assert!(service.server.has_ended().is_none(), "{binary} ended: {}", service.log());
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        service
    }

    /// Starts it without waiting: for starts that are meant to fail.
    ///
    /// # Panics
    /// When it cannot be started at all.
    pub fn spawn(binary: &str, vars: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("make a folder for the service");
        let port = free_port();
        let mut command = Command::new(binary);
        command.current_dir(dir.path()).env_clear().env("LISTEN_ADDR", format!("127.0.0.1:{port}"));
        command.env("DRAIN_DELAY", "100ms").env("DRAIN_TIMEOUT", "5s").envs(vars.iter().copied());
        let server = Server::spawn(&mut command, &dir.path().join("log"));
        Self { port, dir, server }
    }

    /// The port it serves HTTP on.
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

    /// What it has written to standard output and standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Status and body of a GET; status 0 if there was no answer.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let Ok(answer) = reqwest::get(format!("{}{path}", self.base_url())).await else {
            return (0, String::new());
        };
        (answer.status().as_u16(), answer.text().await.unwrap_or_default())
    }

    /// Waits until `/ready` is 200.
    pub async fn wait_until_ready(&self) {
        eventually("the service is ready", async || self.get("/ready").await.0 == 200).await;
    }

    /// The sum of a metric over its labels; `name` is all before the labels or the value.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        text.lines().filter(of_name).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// SIGKILL, and waits for its end.
    pub async fn kill(&mut self) {
        self.server.signal("KILL").await;
        self.server.wait().await;
    }

    /// SIGTERM, and waits for its end: the exit code, or -1 if a signal ended it.
    pub async fn terminate(&mut self) -> i32 {
        self.server.signal("TERM").await;
        self.wait_for_exit().await
    }

    /// Waits for its end: the exit code, or -1 if a signal ended it.
    pub async fn wait_for_exit(&mut self) -> i32 {
        self.server.wait().await.code().unwrap_or(-1)
    }

    /// Sends a signal by name, such as `STOP` and `CONT`.
    pub async fn signal(&self, name: &str) {
        self.server.signal(name).await;
    }
}
