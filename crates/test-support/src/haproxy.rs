use std::fs;

use tempfile::TempDir;
use tokio::process::Command;

use crate::child_server::ChildServer;
use crate::free_port;

/// A `haproxy` with the repository's configuration, in front of a test's own instances.
pub struct Haproxy {
    port: u16,
    _server: ChildServer,
    dir: TempDir,
}

impl Haproxy {
    /// Starts it on a free port, with the `frontend` and the `backend` that the configuration has for
    /// `service`. The backend's servers are `instances`, given by their ports, in place of those that
    /// Docker's DNS would name.
    ///
    /// # Panics
    /// When haproxy does not start.
    pub async fn start(service: &str, instances: &[u16]) -> Self {
        let (dir, port) = (tempfile::tempdir().expect("make a folder for haproxy"), free_port());
        let path = dir.path().join("haproxy.cfg");
        fs::write(&path, config(service, port, instances)).expect("write haproxy.cfg");
        let mut command = Command::new("haproxy");
        command
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .arg("-f")
            .arg(path);
        let server = ChildServer::start(command, port, &dir.path().join(LOG)).await;
        Self { port, _server: server, dir }
    }

    /// The port on which it listens for clients of the service.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join(LOG)).unwrap_or_default()
    }
}

const LOG: &str = "haproxy.log";

fn config(service: &str, port: u16, instances: &[u16]) -> String {
    let own_sections = [format!("frontend to-{service}"), format!("backend {service}")];
    let mut is_included = true;
    let mut config = String::new();
    for line in CONFIG.lines() {
        if line.starts_with("frontend ") || line.starts_with("backend ") {
            let is_own = |section: &String| {
                line.strip_prefix(section.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(" from "))
            };
            is_included = own_sections.iter().any(is_own);
        } else if line.starts_with(char::is_alphabetic) {
            is_included = true;
        }
        let setting = line.trim_start();
        if !is_included {
            continue;
        } else if setting.starts_with("bind :") {
            config += &format!("    bind 127.0.0.1:{port}\n");
        } else if setting.starts_with("server-template ") {
            // What is no HTTP has another port for its check.
            let check = if service.ends_with("-tcp") { " no-check" } else { "" };
            let server = |port: &u16| format!("    server s{port} 127.0.0.1:{port}{check}\n");
            config.extend(instances.iter().map(server));
        } else {
            config += &format!("{line}\n");
        }
    }
    config
}

const CONFIG: &str = include_str!("../../../haproxy/haproxy.cfg");
