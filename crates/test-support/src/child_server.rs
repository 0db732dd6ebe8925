use std::fs::File;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::eventually::patience;
use crate::test_limit::limit_test;
use crate::{eventually, within_patience};

/// A child process that listens on a port. It is killed when this is dropped.
pub(crate) struct ChildServer {
    child: Child,
}

impl ChildServer {
    /// Starts `command` with its output in `log`, and waits until it listens on `port`.
    pub(crate) async fn start(mut command: Command, port: u16, log: &Path) -> Self {
        let mut server = Self::spawn(&mut command, log);
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let deadline = Instant::now() + patience();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let status = server.child.try_wait().ok().flatten();
            if status.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                panic!("{program} ended with {status:?}, or does not serve port {port} in time: {log}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server
    }

    /// Starts `command` with its output in `log`.
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> Self {
        limit_test();
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        close_inherited_files(command);
        let output = File::options().create(true).append(true).open(log).expect("open the child's log");
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("share the child's log"))
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|reason| {
                panic!("start {program}: {reason}; scripts/test.sh installs missing servers")
            });
        Self { child }
    }

    /// Sends a signal by name: `TERM`, `KILL`, `STOP`, `CONT`.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("the child is running").to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().await.expect("run kill");
        assert!(sent.success(), "kill -s {name} {pid}");
    }

    /// Waits until it has ended.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        within_patience("the end of a child", self.child.wait()).await.expect("wait for the child")
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the child is running")
    }

    /// Its exit status, if it has ended.
    pub(crate) fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("ask for the child's state")
    }
}

/// Lets the child inherit no files but its standard streams.
///
/// A socket that it inherited would stay open after this process has closed it, and the peer would wait for
/// the end. Children inherit librdkafka's sockets otherwise.
#[expect(unsafe_code, reason = "code that runs between fork and exec is unsafe")]
fn close_inherited_files(command: &mut Command) {
    // SAFETY: the closure only makes system calls that are allowed between fork and exec.
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
pub(crate) async fn wait_until_port_closed(port: u16) {
    eventually("the port is closed", async || TcpStream::connect(("127.0.0.1", port)).await.is_err()).await;
}
