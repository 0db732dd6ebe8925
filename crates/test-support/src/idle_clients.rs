use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::node::find_node_modules;
use crate::{Browser, eventually, find_python};

/// WebSocket clients of others that connect and then never send anything by themselves: a browser's `WebSocket`, node's
/// `ws`, Python's `websockets`. Those whose program is not there are left out, and it is said so.
pub struct IdleClients {
    browser: Browser,
    processes: Vec<ClientProcess>,
}

struct ClientProcess {
    name: &'static str,
    lines: Arc<Mutex<Vec<String>>>,
    _child: Child,
}

impl IdleClients {
    /// Connects them all to a path of a service, whose page the browser opens first: `port` serves both.
    ///
    /// # Panics
    /// When the browser cannot be started or cannot open the page.
    pub async fn connect(port: u16, path: &str) -> Self {
        let url = format!("ws://127.0.0.1:{port}{path}");
        let mut processes = Vec::new();
        if let Some(python) = find_python("an idle Python client") {
            let mut command = Command::new(python);
            command.arg(script("client.py"));
            processes.push(ClientProcess::start("python websockets", command, &url));
        }
        if let Some(modules) = find_node_modules("ws", "an idle node client") {
            let mut command = Command::new("node");
            command.env("NODE_PATH", modules).arg(script("client.js"));
            processes.push(ClientProcess::start("node ws", command, &url));
        }
        let browser = Browser::start().await;
        browser.client.goto(&format!("http://127.0.0.1:{port}/health")).await.expect("open a page");
        browser.client.execute(IN_BROWSER, vec![url.into()]).await.expect("run a script in the page");
        Self { browser, processes }
    }

    /// What each has received, and then `closed CODE` if it was closed, by the client's name.
    ///
    /// # Panics
    /// When the browser does not answer.
    pub async fn received(&self) -> Vec<(&'static str, Vec<String>)> {
        let lines = self.browser.client.execute("return window.lines", vec![]).await.expect("ask the page");
        let lines = lines.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let mut received = vec![("browser", lines.collect())];
        for process in &self.processes {
            let lines = process.lines.lock().clone();
            received.push((process.name, lines));
        }
        received
    }

    /// Waits until the last message of each contains `text`.
    pub async fn wait_for(&self, text: &str) {
        eventually(&format!("all clients are sent {text}"), async || {
            let received = self.received().await;
            received.iter().all(|(_, lines)| lines.iter().any(|line| line.contains(text)))
        })
        .await;
    }

    /// Ends them all.
    ///
    /// # Panics
    /// When one of them was closed, or was sent fewer than five `{"type":"ping"}`.
    pub async fn expect_to_have_stayed(self) {
        for (name, lines) in self.received().await {
            println!("{name}: {} messages", lines.len());
            assert!(!lines.iter().any(|line| line.starts_with("closed")), "{name}: {lines:?}");
            assert!(
                lines.iter().filter(|line| line.contains(r#"{"type":"ping"}"#)).count() >= 5,
                "{name}: {lines:?}"
            );
        }
        self.browser.close().await;
    }
}

impl ClientProcess {
    fn start(name: &'static str, mut command: Command, url: &str) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let mut child =
            command.arg(url).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("start a client");
        let output = child.stdout.take().expect("the output of a client");
        let sink = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut output = BufReader::new(output).lines();
            while let Ok(Some(line)) = output.next_line().await {
                sink.lock().push(line);
            }
        });
        Self { name, lines, _child: child }
    }
}

const IN_BROWSER: &str = "
    window.lines = [];
    window.socket = new WebSocket(arguments[0]);
    window.socket.onmessage = (event) => window.lines.push('message ' + event.data);
    window.socket.onclose = (event) => window.lines.push('closed ' + event.code);
";

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/idle_clients").join(name)
}
