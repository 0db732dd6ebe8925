//! The commands that look at dead letters and retry them.

use std::io::Write;

use anyhow::{Context, bail};
use redis_core::id::GameToken;

use crate::store::Store;

/// Prints every dead letter as a JSON line.
///
/// # Errors
/// When Redis or the output fails.
pub async fn list(store: &Store, mut out: impl Write) -> anyhow::Result<()> {
    let mut last = String::new();
    loop {
        let page = store.dead_letters(&last).await.context("read dead letters")?;
        let Some(letter) = page.last() else { return Ok(()) };
        last.clone_from(&letter.entry);
        for letter in &page {
            serde_json::to_writer(&mut out, letter)?;
            writeln!(out)?;
        }
    }
}

/// Makes jobs of the dead letters of these games again, of all if none is named; gives their number.
///
/// # Errors
/// When Redis fails, or a named game is no dead letter.
pub async fn retry(store: &Store, games: &[GameToken]) -> anyhow::Result<usize> {
    let mut missing: Vec<&str> = games.iter().map(GameToken::as_str).collect();
    let (mut last, mut retried) = (String::new(), 0);
    loop {
        let page = store.dead_letters(&last).await.context("read dead letters")?;
        let Some(letter) = page.last() else { break };
        last.clone_from(&letter.entry);
        for letter in page {
            if games.is_empty() || games.iter().any(|game| game.as_str() == letter.game) {
                missing.retain(|game| *game != letter.game);
                retried += usize::from(store.retry(&letter).await.context("retry a dead letter")?);
            }
        }
    }
    if missing.is_empty() { Ok(retried) } else { bail!("no dead letters: {}", missing.join(", ")) }
}
