//! The commands `dead-letters list` and `dead-letters replay`.

use std::io::{self, Write};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redis_core::connect;
use serde_json::{Map, Value, json};

use crate::batch::Batch;
use crate::config::{Config, DeadLettersCommand};
use crate::record;
use crate::store::{DeadLetter, Replayed, Store};

/// Runs a command to its end.
///
/// # Errors
/// When Redis cannot be reached, or standard output is gone.
pub(crate) async fn run(config: &Config, command: DeadLettersCommand) -> anyhow::Result<()> {
    let pool = connect::connected_pool(&config.redis).await?;
    let store = Store::new(pool, config.kafka.group(), &config.write);
    let policy = config.write.policy();
    let (mut applied, mut left) = (0_u64, 0_u64);
    let mut after = "0".to_owned();
    loop {
        let dead_letters = store.dead_letters(&after, PAGE).await.context("read the dead letters")?;
        let Some(last) = dead_letters.last() else { break };
        after.clone_from(&last.id);
        for dead_letter in dead_letters {
            if let DeadLettersCommand::Replay = command {
                match replay(&store, &policy, &dead_letter).await? {
                    Replayed::Applied => {
                        applied += 1;
                        continue;
                    }
                    Replayed::Gone => continue,
                    Replayed::Refused(reason) => {
                        left += 1;
                        print(&DeadLetter { reason, ..dead_letter })?;
                    }
                }
            } else {
                print(&dead_letter)?;
            }
        }
    }
    if let DeadLettersCommand::Replay = command {
        eprintln!("{applied} applied and removed, {left} left");
    }
    Ok(())
}

async fn replay(
    store: &Store,
    policy: &record::Policy,
    dead_letter: &DeadLetter,
) -> anyhow::Result<Replayed> {
    let key = Some(&*dead_letter.key).filter(|key| !key.is_empty());
    let value = Some(&*dead_letter.value).filter(|value| !value.is_empty());
    if let Err(bad) = record::decode(policy, key, value) {
        return Ok(Replayed::Refused(bad.to_string()));
    }
    let mut batch = Batch::default();
    batch.push(policy, 0, key, value);
    let replayed = store.replay(&dead_letter.id, &batch).await.context("replay a dead letter")?;
    Ok(match replayed {
        Replayed::Refused(why) => Replayed::Refused(format!("redis: {why}")),
        other => other,
    })
}

/// One line: texts as texts, and what is not UTF-8 in base64 under a name that says so.
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

const PAGE: u64 = 100;
