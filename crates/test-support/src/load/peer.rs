use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

use crate::child_server::ChildServer;
use crate::{find_python, free_port};

/// A comparable program in Python, running.
pub struct Peer {
    port: u16,
    server: ChildServer,
    _dir: TempDir,
}

impl Peer {
    /// Starts `script` with two arguments, a port to listen on and the port of Redis, and waits until it
    /// listens. `None` if there is no Python with the packages that it needs; see [`find_python`].
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(script: &Path, redis_port: u16) -> Option<Self> {
        let (port, dir) = (free_port(), tempfile::tempdir().expect("make a folder for the peer"));
        let mut command = Command::new(find_python("the peer")?);
        command.arg(script).arg(port.to_string()).arg(redis_port.to_string());
        let server = ChildServer::start(command, port, &dir.path().join("log")).await;
        Some(Self { port, server, _dir: dir })
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }
}
