use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

use crate::server::Server;
use crate::{find_python, free_port};

/// A peer that is written in Python.
pub struct Peer {
    port: u16,
    server: Server,
    _dir: TempDir,
}

impl Peer {
    /// Starts `script` with a port to serve and that of its Redis, and waits until it serves. Nothing where there is no
    /// Python for it, which is said.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(script: &Path, redis_port: u16) -> Option<Self> {
        let (port, dir) = (free_port(), tempfile::tempdir().expect("make a folder for the peer"));
        let mut command = Command::new(find_python("the peer")?);
        command.arg(script).arg(port.to_string()).arg(redis_port.to_string());
        let server = Server::start(command, port, &dir.path().join("log")).await;
        Some(Self { port, server, _dir: dir })
    }

    /// Where it serves.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }
}
