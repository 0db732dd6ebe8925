use fantoccini::{Client, ClientBuilder};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::child_server::ChildServer;
use crate::free_port;
use crate::node::find_node_modules;

/// A headless Chromium.
pub struct Browser {
    /// The WebDriver client. It opens pages, finds elements and runs scripts.
    pub client: Client,
    driver: ChildServer,
    profile: TempDir,
}

impl Browser {
    /// Starts chromedriver and a browser with an empty profile.
    ///
    /// # Panics
    /// When either is not installed.
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().expect("make a folder for the browser");
        let port = free_port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let driver = ChildServer::start(command, port, &profile.path().join("chromedriver.log")).await;
        let data_dir = format!("--user-data-dir={}", profile.path().join("data").display());
        let switches = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
            "--window-size=1280,900",
            &data_dir,
        ];
        let capabilities = json!({"goog:chromeOptions": {"args": switches}});
        let capabilities = capabilities.as_object().expect("an object").clone();
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("start chromium");
        Self { client, driver, profile }
    }

    /// What axe-core finds to be inaccessible on the page that is open: a line for each rule, with the first element.
    ///
    /// # Panics
    /// When the page cannot be examined.
    pub async fn find_violations(&self) -> Vec<String> {
        let Some(modules) = find_node_modules("axe-core", "axe-core") else { return Vec::new() };
        let axe = std::fs::read_to_string(modules.join("axe-core/axe.min.js")).expect("read axe-core");
        self.client.execute(&format!("{axe}; window.axe = axe"), vec![]).await.expect("load axe-core");
        let found = self.client.execute_async(FIND_VIOLATIONS, vec![]).await.expect("run axe-core");
        serde_json::from_value(found).expect("a list of texts")
    }

    /// Ends the session and the browser, and deletes its profile.
    ///
    /// # Panics
    /// When the browser does not end.
    pub async fn close(mut self) {
        self.client.close().await.expect("close the browser");
        self.driver.signal("TERM").await;
        self.driver.wait().await;
        drop(self.profile);
    }
}

const FIND_VIOLATIONS: &str = "
    const [done] = arguments;
    const name = ({ id, help, nodes }) => `${id}: ${help}: ${nodes[0].html}`;
    window.axe.run().then(({ violations }) => done(violations.map(name)), (error) => done([String(error)]));
";
