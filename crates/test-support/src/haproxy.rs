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
        Self::run(&format!("to-{service}"), &[(service, instances)]).await
    }

    /// Starts it on a free port as the entry to the console and to the pages of all services, of which `instances` has those
    /// that there are, by their ports. An instance's name is that of the service, and its port.
    ///
    /// # Panics
    /// When haproxy does not start.
    pub async fn start_entry(instances: &[(&str, &[u16])]) -> Self {
        Self::run("entry", instances).await
    }

    async fn run(frontend: &str, instances: &[(&str, &[u16])]) -> Self {
        let (dir, port) = (tempfile::tempdir().expect("make a folder for haproxy"), free_port());
        let path = dir.path().join("haproxy.cfg");
        fs::write(&path, config(frontend, port, instances)).expect("write haproxy.cfg");
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

/// The repository's configuration with this frontend alone, on this port, and the servers of `instances` in place of those that
/// Docker's DNS would name. The entry needs all backends for HTTP, any other frontend only its own.
fn config(frontend: &str, port: u16, instances: &[(&str, &[u16])]) -> String {
    let is_entry = frontend == "entry";
    let ports_of =
        |service: &str| instances.iter().find(|(name, _)| *name == service).map(|(_, ports)| *ports);
    let mut backend = "";
    let mut is_included = true;
    let mut config = String::new();
    for line in CONFIG.lines() {
        let (kind, name) = line.split_once(' ').unwrap_or_default();
        let name = name.split(' ').next().unwrap_or_default();
        if kind == "frontend" {
            is_included = name == frontend;
        } else if kind == "backend" {
            backend = name;
            is_included = ports_of(name).is_some() || (is_entry && !name.ends_with("-tcp"));
        } else if line.starts_with(char::is_alphabetic) {
            is_included = true;
        }
        let setting = line.trim_start();
        if !is_included {
            continue;
        } else if setting.starts_with("bind :") {
            config += &format!("    bind 127.0.0.1:{port}\n");
        } else if setting.starts_with("default-path ") {
            config += &format!("    default-path origin {FOLDER}\n");
        } else if setting.starts_with("server-template ") {
            // What is no HTTP has another port for its check.
            let check = if backend.ends_with("-tcp") { " no-check" } else { "" };
            let server = |port: &u16| format!("    server {backend}-{port} 127.0.0.1:{port}{check}\n");
            config.extend(ports_of(backend).unwrap_or_default().iter().map(server));
        } else {
            config += &format!("{line}\n");
        }
    }
    config
}

const CONFIG: &str = include_str!("../../../haproxy/haproxy.cfg");
/// Where the console's files are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../haproxy");
