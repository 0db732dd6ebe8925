use std::fs;

use tempfile::TempDir;
use tokio::process::Command;

use crate::free_port;
use crate::server::Server;

/// haproxy with the repository's configuration, in front of a test's own instances.
pub struct Haproxy {
    port: u16,
    _server: Server,
    _dir: TempDir,
}

impl Haproxy {
    /// Puts these instances, by their ports, in place of those that Docker would know of `service`. Every port that
    /// haproxy listens on is a free one.
    ///
    /// # Panics
    /// When haproxy does not start.
    pub async fn before(service: &str, instances: &[u16]) -> Self {
        let dir = tempfile::tempdir().expect("make a folder for haproxy");
        let template = format!("server-template {service}- ");
        let (mut config, mut section, mut port) = (String::new(), "", None);
        for line in CONFIG.lines() {
            if !line.starts_with(' ') {
                section = line;
            }
            if line.trim_start().starts_with("bind :") {
                let free = free_port();
                config += &format!("    bind 127.0.0.1:{free}\n");
                if section == format!("frontend {service}") {
                    port = Some(free);
                }
            } else if section == format!("backend {service}") && line.trim_start().starts_with(&template) {
                for instance in instances {
                    config += &format!("    server s{instance} 127.0.0.1:{instance}\n");
                }
            } else {
                // A test's process may have fewer descriptors than a container is given.
                config += &line.replace("maxconn 20000", "maxconn 4000");
                config.push('\n');
            }
        }
        let port = port.expect("haproxy.cfg has a frontend of that name");
        let config = config.replace("default-path config", &format!("default-path origin {FOLDER}"));
        let path = dir.path().join("haproxy.cfg");
        fs::write(&path, config).expect("write haproxy.cfg");
        let mut command = Command::new("haproxy");
        command
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .arg("-f")
            .arg(path);
        let server = Server::start(command, port, &dir.path().join("haproxy.log")).await;
        Self { port, _server: server, _dir: dir }
    }

    /// Where it listens for clients of the service.
    pub fn port(&self) -> u16 {
        self.port
    }
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../haproxy");
const CONFIG: &str = include_str!("../../../haproxy/haproxy.cfg");
