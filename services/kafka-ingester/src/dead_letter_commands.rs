//! The commands `dead-letters list` and `dead-letters replay`.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Context;
use redis_core::Redis;
use serde_json::Value;

use crate::config::{Config, DeadLettersCommand};
use crate::dead_letter_json::to_json;
use crate::dead_letter_replay::DeadLetterReplay;
use crate::schema_registry::SchemaRegistry;
use crate::store::{DeadLetter, DeadLetterStore, ReplayOutcome};

/// Runs a command to its end.
///
/// # Errors
/// If Redis cannot be reached, or standard output is closed.
pub(crate) async fn run(config: &Config, command: DeadLettersCommand) -> anyhow::Result<()> {
    let store = DeadLetterStore::new(Redis::connected(&config.redis).await?);
    match command {
        DeadLettersCommand::List => list(&store).await,
        DeadLettersCommand::Replay => {
            let mappings = Arc::new(config.mappings()?);
            let registry = Arc::new(SchemaRegistry::new(&config.registry)?);
            let replay = DeadLetterReplay { store, mappings, registry };
            ReplayAll { replay, applied: 0, left: 0 }.run().await
        }
    }
}

async fn list(store: &DeadLetterStore) -> anyhow::Result<()> {
    let mut after = FIRST.to_owned();
    while let Some(dead_letters) = next_page(store, &mut after).await? {
        for dead_letter in dead_letters {
            print(&dead_letter)?;
        }
    }
    Ok(())
}

/// A replay of all dead letters.
struct ReplayAll {
    replay: DeadLetterReplay,
    applied: u64,
    left: u64,
}

impl ReplayAll {
    /// Prints the dead letters that still cannot be applied, with their new reasons, and a summary on standard error. Stops
    /// if Redis refuses what no dead letter is to blame for, or if a schema cannot be loaded.
    async fn run(mut self) -> anyhow::Result<()> {
        let result = self.apply_all().await;
        let Self { applied, left, .. } = self;
        match &result {
            Ok(()) => eprintln!("{applied} applied and removed, {left} left"),
            Err(_) => eprintln!("{applied} applied and removed, then stopped; the others are kept"),
        }
        result
    }

    async fn apply_all(&mut self) -> anyhow::Result<()> {
        let mut after = FIRST.to_owned();
        while let Some(dead_letters) = next_page(&self.replay.store, &mut after).await? {
            for dead_letter in dead_letters {
                match self.replay.apply(&dead_letter).await? {
                    ReplayOutcome::Applied => self.applied += 1,
                    ReplayOutcome::Missing => {}
                    ReplayOutcome::Refused(reason) => {
                        self.left += 1;
                        print(&DeadLetter { reason, ..dead_letter })?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The dead letters after the entry `after`, which is moved to the last of them. `None` if there are no more.
async fn next_page(store: &DeadLetterStore, after: &mut String) -> anyhow::Result<Option<Vec<DeadLetter>>> {
    let dead_letters = store.list(after, PAGE_SIZE).await.context("read the dead letters")?;
    let Some(last) = dead_letters.last() else { return Ok(None) };
    after.clone_from(&last.id);
    Ok(Some(dead_letters))
}

/// Prints one line of JSON.
fn print(dead_letter: &DeadLetter) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{}", Value::Object(to_json(dead_letter)))
}

/// An entry id before all others.
const FIRST: &str = "0";
const PAGE_SIZE: u64 = 100;
