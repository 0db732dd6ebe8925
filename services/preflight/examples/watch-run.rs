//! Prints a run's checklist each time it changes, until every entry is done and no lock is left:
//! `watch-run ws://localhost:9001/decimal-pleasing`.

use std::collections::BTreeSet;

use anyhow::bail;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(url) = std::env::args().nth(1) else { bail!("usage: watch-run ws://HOST:PORT/RUN") };
    let (mut socket, _) = connect_async(url).await?;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        let message: Value = serde_json::from_str(&text)?;
        if message["type"] == "ping" {
            socket.send(Message::text(r#"{"type":"pong"}"#)).await?;
        }
        let (Some(checklist), Some(locks)) =
            (message["checklist"].as_object(), message["lock_statuses"].as_object())
        else {
            continue;
        };
        let (done, locked) = (true_flags(checklist), true_flags(locks));
        let entries = checklist
            .keys()
            .map(|entry| format!("{}{entry}", if done.contains(entry.as_str()) { "✓" } else { "·" }));
        let entries: Vec<String> = entries.collect();
        println!("{:>2}/{} {}  {}", done.len(), checklist.len(), entries.join(" "), format_locks(&locked));
        if done.len() == checklist.len() && locked.is_empty() {
            return Ok(());
        }
    }
    bail!("the connection ended before the run was done")
}

/// The names of the flags that are true.
fn true_flags(flags: &Map<String, Value>) -> BTreeSet<&str> {
    flags.iter().filter(|(_, flag)| **flag == true).map(|(name, _)| name.as_str()).collect()
}

fn format_locks(locked: &BTreeSet<&str>) -> String {
    if locked.is_empty() {
        String::new()
    } else {
        format!("locked: {}", locked.iter().copied().collect::<Vec<_>>().join(", "))
    }
}
