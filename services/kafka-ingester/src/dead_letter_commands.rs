//! The commands `dead-letters list` and `dead-letters replay`.

use std::io::{self, Write};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redis_core::connect;
use serde_json::{Map, Value, json};

use crate::batch::Batch;
use crate::config::{Config, DeadLettersCommand};
use crate::mappings::Mappings;
use crate::message::Record;
use crate::schema_registry::SchemaRegistry;
use crate::store::{DeadLetter, DeadLetterStore, ReplayOutcome};

/// Runs a command to its end.
///
/// # Errors
/// If Redis cannot be reached, or standard output is closed.
pub(crate) async fn run(config: &Config, command: DeadLettersCommand) -> anyhow::Result<()> {
    let pool = connect::connected_pool(&config.redis).await?;
    let store = DeadLetterStore::new(pool);
    match command {
        DeadLettersCommand::List => list(&store).await,
        DeadLettersCommand::Replay => {
            let (mappings, registry) = (config.mappings()?, SchemaRegistry::new(&config.registry)?);
            Replay { store, mappings, registry, applied: 0, left: 0 }.run().await
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
struct Replay {
    store: DeadLetterStore,
    mappings: Mappings,
    registry: SchemaRegistry,
    applied: u64,
    left: u64,
}

impl Replay {
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
        while let Some(dead_letters) = next_page(&self.store, &mut after).await? {
            for dead_letter in dead_letters {
                match self.apply(&dead_letter).await? {
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

    async fn apply(&self, dead_letter: &DeadLetter) -> anyhow::Result<ReplayOutcome> {
        let Some(policy) = self.mappings.policy_of(&dead_letter.topic) else {
            let reason = format!("{}, and no setting is about this topic now", dead_letter.reason);
            return Ok(ReplayOutcome::Refused(reason));
        };
        let key = Some(&*dead_letter.key).filter(|key| !key.is_empty());
        let value = Some(&*dead_letter.value).filter(|value| !value.is_empty());
        let partition = dead_letter.partition.parse().unwrap_or_default();
        let record = Record { topic: &dead_letter.topic, partition, key, value, ..Record::default() };
        let mut batch = Batch::default();
        while let Err(id) = batch.push(policy, self.registry.schemas(), 0, &record) {
            self.registry.load(id).await?;
        }
        if let Some(bad) = batch.bad_messages().first() {
            return Ok(ReplayOutcome::Refused(bad.reason.clone()));
        }
        let outcome =
            self.store.replay(&dead_letter.id, policy, &batch).await.context("replay a dead letter")?;
        Ok(match outcome {
            ReplayOutcome::Refused(reason) => ReplayOutcome::Refused(format!("redis: {reason}")),
            other => other,
        })
    }
}

/// The dead letters after the entry `after`, which is moved to the last of them. `None` if there are no more.
async fn next_page(store: &DeadLetterStore, after: &mut String) -> anyhow::Result<Option<Vec<DeadLetter>>> {
    let dead_letters = store.list(after, PAGE_SIZE).await.context("read the dead letters")?;
    let Some(last) = dead_letters.last() else { return Ok(None) };
    after.clone_from(&last.id);
    Ok(Some(dead_letters))
}

/// Prints one line of JSON. A key or value that is not UTF-8 is printed in base64, as `key_base64` or
/// `value_base64`.
fn print(dead_letter: &DeadLetter) -> io::Result<()> {
    let mut line = Map::new();
    let number = |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number));
    line.insert("id".to_owned(), json!(dead_letter.id));
    line.insert("topic".to_owned(), json!(dead_letter.topic));
    line.insert("partition".to_owned(), number(&dead_letter.partition));
    line.insert("offset".to_owned(), number(&dead_letter.offset));
    line.insert("reason".to_owned(), json!(dead_letter.reason));
    for (name, bytes) in [("key", &dead_letter.key), ("value", &dead_letter.value)] {
        match std::str::from_utf8(bytes) {
            Ok(text) => line.insert(name.to_owned(), json!(text)),
            Err(_) => line.insert(format!("{name}_base64"), json!(STANDARD.encode(bytes))),
        };
    }
    writeln!(io::stdout().lock(), "{}", Value::Object(line))
}

/// An entry id before all others.
const FIRST: &str = "0";
const PAGE_SIZE: u64 = 100;
