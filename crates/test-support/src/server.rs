use std::fs::File;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::eventually;

/// A child process that serves a port and is killed when dropped.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts `command` with its output in `log`, and waits until `port` answers.
    pub(crate) async fn start(mut command: Command, port: u16, log: &Path) -> Self {
        let mut server = Self::spawn(&mut command, log);
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        for _ in 0.. {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                break;
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                panic!("{program} ended with {status} before it served port {port}: {log}");
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        server
    }

    /// Starts `command` with its output in `log`.
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> Self {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        inherit_nothing(command);
        let output = File::options().create(true).append(true).open(log).expect("open the child's log");
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("share the child's log"))
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|reason| panic!("start {program}: {reason}; scripts/test.sh installs it"));
        Self { child }
    }

    /// Sends a signal by name: `TERM`, `KILL`, `STOP`, `CONT`.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("the child runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().await.expect("run kill");
        assert!(sent.success(), "kill -s {name} {pid}");
    }

    pub(crate) async fn wait(&mut self) -> ExitStatus {
        self.child.wait().await.expect("wait for the child")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the child runs")
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("ask for the child's state")
    }
}

/// A child that has a socket of ours keeps it open after we have closed it, and whoever is at the other end waits: the sockets
/// that librdkafka's mock cluster accepts would be passed on.
#[expect(unsafe_code, reason = "what a child does before it becomes another program may be unsafe")]
fn inherit_nothing(command: &mut Command) {
    // SAFETY: nothing but system calls that are allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            for file in 3..1024 {
                libc::fcntl(file, libc::F_SETFD, libc::FD_CLOEXEC);
            }
            Ok(())
        });
    }
}

/// Waits until nobody listens on `port`.
pub(crate) async fn port_closed(port: u16) {
    eventually("the port is closed", async || TcpStream::connect(("127.0.0.1", port)).await.is_err()).await;
}
