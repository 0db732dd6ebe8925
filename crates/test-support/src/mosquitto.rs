use std::fs;

use tempfile::TempDir;
use tokio::process::Command;

use crate::child_server::{ChildServer, wait_until_port_closed};
use crate::free_port;

/// A `mosquitto` on a free port of 127.0.0.1. Anybody may connect, unless its configuration says otherwise.
pub struct TestMosquitto {
    port: u16,
    dir: TempDir,
    server: Option<ChildServer>,
}

impl TestMosquitto {
    /// Starts one that anybody may connect to.
    pub async fn start() -> Self {
        Self::start_with("allow_anonymous true\n").await
    }

    /// Starts one with these configuration lines after its `listener` line. `DIR` in them is replaced by its
    /// folder.
    pub async fn start_with(configuration: &str) -> Self {
        let mut mosquitto = Self {
            port: free_port(),
            dir: tempfile::tempdir().expect("make a folder for mosquitto"),
            server: None,
        };
        let dir = mosquitto.dir.path().to_string_lossy().into_owned();
        // When started as root, it would change to a user that cannot read the folder.
        let file = format!(
            "user root\nmax_queued_messages 0\nmax_inflight_messages 0\nlistener {} 127.0.0.1\n{}",
            mosquitto.port,
            configuration.replace("DIR", &dir)
        );
        fs::write(mosquitto.dir.path().join("mosquitto.conf"), file).expect("write mosquitto.conf");
        mosquitto.restart().await;
        mosquitto
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it (SIGKILL), and waits for its end.
    pub async fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.signal("KILL").await;
            server.wait().await;
            wait_until_port_closed(self.port).await;
        }
    }

    /// Stops it (SIGTERM), and waits for its end. It writes its persistence file first, if it is configured
    /// to have one.
    pub async fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.signal("TERM").await;
            server.wait().await;
            wait_until_port_closed(self.port).await;
        }
    }

    /// Starts it on the same port. Kills it first if it is running.
    pub async fn restart(&mut self) {
        self.kill().await;
        let mut command = Command::new("mosquitto");
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.arg("-c").arg(self.dir.path().join("mosquitto.conf"));
        self.server =
            Some(ChildServer::start(command, self.port, &self.dir.path().join("mosquitto.log")).await);
    }

    /// Suspends it (SIGSTOP) until [`TestMosquitto::resume`].
    pub async fn pause(&self) {
        self.server.as_ref().expect("mosquitto is running").signal("STOP").await;
    }

    /// Ends a [`TestMosquitto::pause`] (SIGCONT).
    pub async fn resume(&self) {
        self.server.as_ref().expect("mosquitto is running").signal("CONT").await;
    }
}
