//! Tests with an unmodified opengris-scaler cluster from PyPI. Without Python or PyPI they print that they are skipped.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::NamedTempFile;
use test_support::{Haproxy, eventually};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::client::{Node, id, self_signed, size, tls_files};
use crate::shared_redis::SharedRedis;

/// A Python with opengris-scaler 2.9.0: the one of scripts/test.sh, or a virtual environment under the target directory.
pub(crate) async fn python() -> Option<PathBuf> {
    static PYTHON: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let python = PYTHON.get_or_init(install).await.clone();
    if python.is_none() {
        eprintln!("skipped: opengris-scaler cannot be installed here");
    }
    python
}

async fn install() -> Option<PathBuf> {
    if let Some((_, python)) = std::env::vars_os().find(|(name, _)| name == "BACKPLANE_PYTHON") {
        let has_scaler = Command::new(&python).args(["-c", "import scaler"]).output().await;
        return has_scaler.is_ok_and(|done| done.status.success()).then(|| python.into());
    }
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("opengris-scaler-2.9.0");
    let python = venv.join("bin/python");
    let installed = venv.join("installed");
    if installed.exists() {
        return Some(python);
    }
    let run = async |command: &mut Command| {
        let done = command.stdin(Stdio::null()).output().await.ok()?;
        done.status.success().then_some(())
    };
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv)).await?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "opengris-scaler==2.9.0"])).await?;
    std::fs::write(installed, "").ok()?;
    Some(python)
}

/// What a Python process and its children log. It is printed if the test fails.
struct PeerLog(NamedTempFile);

impl PeerLog {
    /// The log, and the standard error to start the process with.
    fn new() -> (Self, Stdio) {
        let file = NamedTempFile::new().unwrap();
        let stderr = file.reopen().unwrap().into();
        (Self(file), stderr)
    }
}

impl Drop for PeerLog {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(self.0.path()).unwrap_or_default());
        }
    }
}

/// A scheduler, two workers and a client that use these nodes.
struct Cluster {
    process: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    _log: PeerLog,
}

impl Cluster {
    fn start(python: &Path, nodes: [&Node; 3], options: &[&str]) -> Self {
        Self::start_with(python, nodes.map(Node::address), options)
    }

    /// The store's addresses for the scheduler, the workers and the client.
    fn start_with(python: &Path, stores: [String; 3], options: &[&str]) -> Self {
        let (log, stderr) = PeerLog::new();
        let mut process = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/cluster.py"))
            .args(stores)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, stdout, _log: log }
    }

    /// Waits until the cluster prints a line that begins with `start`.
    async fn wait_for_line(&mut self, start: &str) -> String {
        let line = async {
            loop {
                let line = self.stdout.next_line().await.unwrap().expect("the cluster failed; see its log");
                eprintln!("{line}");
                if line.starts_with(start) {
                    return line;
                }
            }
        };
        timeout(Duration::from_secs(300), line).await.expect("the cluster goes on")
    }

    /// Waits until the cluster has ended, with only correct results.
    async fn wait_for_success(mut self) {
        self.wait_for_line("all results were right").await;
        assert!(self.process.wait().await.unwrap().success());
    }
}

/// The full sizes are those that the service promises.
fn size_options() -> [String; 4] {
    let (tasks, largest) = (size(300, 10_000), size(4_000_000, 200_000_000));
    ["--tasks".to_owned(), tasks.to_string(), "--largest".to_owned(), largest.to_string()]
}

async fn compute(python: &Path, nodes: [&Node; 3]) {
    let options = size_options();
    Cluster::start(python, nodes, &options.each_ref().map(String::as_str)).wait_for_success().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_cluster_computes_with_objects_in_memory() {
    let Some(python) = python().await else { return };
    let node = Node::memory(&[]).await;
    compute(&python, [&node; 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_cluster_computes_over_three_nodes_on_one_redis() {
    let Some(python) = python().await else { return };
    let redis = SharedRedis::start().await;
    let large = [("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "200")];
    let nodes = [
        Node::redis_with(&redis.url(), &large).await,
        Node::redis_with(&redis.url(), &large).await,
        Node::redis_with(&redis.url(), &large).await,
    ];
    compute(&python, nodes.each_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_cluster_computes_over_each_kind_of_address() {
    let Some(python) = python().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let files = tls_files(self_signed());
    let tls = files.each_ref().map(|(name, file)| (*name, file.as_str()));
    let nodes = [
        Node::tls().await,
        Node::over("ws", &[]).await,
        Node::over("wss", &tls).await,
        Node::local(&dir.path().join("store.sock")).await,
    ];
    for pair in nodes.chunks(2) {
        let computing = pair.iter().map(|node| {
            let options = ["--tasks", "100", "--largest", "1000000"];
            Cluster::start(&python, [node; 3], &options).wait_for_success()
        });
        futures_util::future::join_all(computing).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_argument_or_a_result_that_is_refused_hangs_neither_its_user_nor_a_worker() {
    let Some(python) = python().await else { return };
    let redis = SharedRedis::start().await;
    let node = Node::redis_with(&redis.url(), &[("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "20")]).await;
    let running = Command::new(&python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/refused.py"))
        .args([&node.address(), "30000000"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .kill_on_drop(true)
        .output();
    let done = timeout(Duration::from_secs(120), running).await.expect("it goes on").unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && stdout.ends_with("nothing hung\n"), "{stdout}\n{stderr}");
    assert_eq!(node.process.log().matches("WARN refused object").count(), 2);
}

async fn put(node: &Node, n: u64, data: &'static str) {
    let url = format!("{}/objects/{}", node.process.base_url(), id(n));
    assert_eq!(reqwest::Client::new().put(url).body(data).send().await.unwrap().status(), 201);
}

/// Each client has not read its last response when it learns that its node has ended, as on a busy machine.
#[tokio::test(flavor = "multi_thread")]
async fn a_released_client_that_reads_late_reconnects_to_a_node_that_was_stopped() {
    let Some(python) = python().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sock");
    let (tcp, ws, ipc) = tokio::join!(Node::memory(&[]), Node::over("ws", &[]), Node::local(&path));
    tokio::join!(
        reads_late_and_reconnects(&python, tcp),
        reads_late_and_reconnects(&python, ws),
        reads_late_and_reconnects(&python, ipc),
    );
}

async fn reads_late_and_reconnects(python: &Path, mut node: Node) {
    let (_log, stderr) = PeerLog::new();
    let mut released = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/late.py"))
        .args([node.address(), id(1).to_string(), id(2).to_string()])
        .stdout(Stdio::piped())
        .stderr(stderr)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = released.id().unwrap().to_string();
    let signal = async |name: &str| {
        assert!(Command::new("kill").args(["-s", name, &pid]).status().await.unwrap().success());
    };
    let mut stdout = BufReader::new(released.stdout.take().unwrap()).lines();
    eventually("it waits", async || node.info("pending_request_count").await == 1).await;
    signal("STOP").await;
    put(&node, 1, "first").await;
    assert_eq!(node.process.terminate().await, 0);
    signal("CONT").await;
    node.restart().await;
    put(&node, 2, "second").await;
    let gets = async {
        for expected in ["first", "second"] {
            // The client also prints an error about the goodbye.
            while stdout.next_line().await.unwrap().expect("it reconnected") != expected {}
        }
    };
    let address = node.address();
    timeout(Duration::from_secs(60), gets)
        .await
        .unwrap_or_else(|_| panic!("responses in time over {address}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_cluster_continues_after_its_nodes_were_stopped_or_killed() {
    let Some(python) = python().await else { return };
    let redis = SharedRedis::start().await;
    let (mut one, mut two) = (redis.node().await, redis.node().await);
    let options = ["--tasks", "50", "--largest", "100000", "--hold"];
    let mut cluster = Cluster::start(&python, [&one, &two, &one], &options);
    cluster.wait_for_line("ready").await;
    assert_eq!(one.process.terminate().await, 0);
    one.restart().await;
    two.kill_and_restart().await;
    cluster.process.stdin.as_mut().unwrap().write_all(b"\n").await.unwrap();
    cluster.wait_for_success().await;
}

/// Runs a cluster while its two nodes are ended in turn under load, and started again.
async fn run_while_nodes_end(kills: bool, is_behind_haproxy: bool) {
    let Some(python) = python().await else { return };
    let redis = SharedRedis::start().await;
    let (mut one, mut two) = (redis.node().await, redis.node().await);
    let haproxy = match is_behind_haproxy {
        true => Some(Haproxy::start("object-store-tcp", &[one.port, two.port]).await),
        false => None,
    };
    let stores = match &haproxy {
        Some(haproxy) => [0; 3].map(|_| format!("tcp://127.0.0.1:{}", haproxy.port())),
        None => [one.address(), two.address(), one.address()],
    };
    let (work, rounds) = (size(8, 60).to_string(), size(2, 10));
    let kills_of_one = if kills { rounds / 2 } else { 0 }.to_string();
    let options = ["--tasks", "50", "--largest", "100000", "--work", &work, "--kills", &kills_of_one];
    let mut cluster = Cluster::start_with(&python, stores, &options);
    cluster.wait_for_line("ready").await;
    for round in 0..rounds {
        // Any moment will do, as long as the cluster is under load.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let node = if round % 2 == 0 { &mut one } else { &mut two };
        if kills {
            node.kill_and_restart().await;
        } else {
            assert_eq!(node.process.terminate().await, 0);
            node.restart().await;
        }
    }
    cluster.wait_for_line("worked").await;
    cluster.wait_for_success().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_nodes_under_load_causes_no_wrong_result_and_stops_no_client() {
    run_while_nodes_end(false, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_nodes_behind_haproxy_under_load_causes_no_wrong_result_and_stops_no_client() {
    run_while_nodes_end(false, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_nodes_under_load_causes_no_wrong_result() {
    run_while_nodes_end(true, false).await;
}
