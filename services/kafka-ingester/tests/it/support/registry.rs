//! The stand-in for a schema registry: `tests/stand_in_registry.py` speaks the API of Confluent's.

use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{eventually, free_port};
use tokio::process::{Child, Command};

/// A registry that runs or is away.
pub(crate) struct Registry {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Registry {
    /// A registry that is away.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), port: free_port(), process: None }
    }

    pub(crate) async fn start() -> Self {
        let mut registry = Self::new();
        registry.run().await;
        registry
    }

    /// Starts it on its port.
    pub(crate) async fn run(&mut self) {
        let mut command = Command::new("python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand_in_registry.py"));
        command.arg(self.port.to_string()).arg(self.folder());
        self.process = Some(command.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap());
        eventually("the registry listens", async || TcpStream::connect(("127.0.0.1", self.port)).is_ok())
            .await;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where its state and its settings are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds an Avro schema to a subject, and returns its id. Schemas begin with the id 1.
    pub(crate) fn add(&self, subject: &str, schema: &str) -> u32 {
        self.add_with(subject, &json!({"schema": schema}))
    }

    /// Like [`Registry::add`], with what the API says of a schema besides.
    pub(crate) fn add_with(&self, subject: &str, schema: &Value) -> u32 {
        let path = self.folder().join("state.json");
        let mut state = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap(),
            Err(_) => json!({"schemas": [], "subjects": {}}),
        };
        let schemas = state["schemas"].as_array_mut().unwrap();
        schemas.push(schema.clone());
        let id = schemas.len() as u32;
        let ids = state["subjects"].as_object_mut().unwrap().entry(subject).or_insert_with(|| json!([]));
        ids.as_array_mut().unwrap().push(json!(id));
        std::fs::write(&path, state.to_string()).unwrap();
        id
    }
}
