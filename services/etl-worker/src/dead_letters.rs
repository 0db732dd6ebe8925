//! The commands `dead list`, `dead retry` and `dead drop`.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use redis_core::ErrorClass;
use redis_core::error::reason;
use redis_core::id::GameToken;

use crate::store::{DeadLetter, Store};

/// Prints every dead letter as a JSON line.
///
/// # Errors
/// When Redis cannot be read or `out` cannot be written.
pub async fn list(stores: &[Store], mut out: impl Write) -> anyhow::Result<()> {
    for store in stores {
        let mut last_entry_id = String::new();
        while let Some(page) = next_page(store, &mut last_entry_id).await? {
            for letter in &page {
                serde_json::to_writer(&mut out, letter)?;
                writeln!(out)?;
            }
        }
    }
    Ok(())
}

/// Queues the dead letters of `games` again, or all of them if `games` is empty. Returns how many were queued.
///
/// # Errors
/// When Redis fails, or when one of `games` has no dead letter or cannot be queued. The others are queued all the same.
pub async fn retry(stores: &[Store], games: &[GameToken]) -> anyhow::Result<usize> {
    let mut missing: Vec<&str> = games.iter().map(GameToken::as_str).collect();
    let (mut retried, mut refused) = (0, Vec::new());
    for (store, letter) in find(stores, games).await? {
        missing.retain(|game| *game != letter.game);
        match store.retry(&letter).await {
            Ok(is_queued) => retried += usize::from(is_queued),
            Err(error) if ErrorClass::of(&error).is_invalid() => {
                refused.push(format!("{}: {}", letter.game, reason(&error)));
            }
            Err(error) => return Err(error).context("retry a dead letter"),
        }
    }
    if !refused.is_empty() {
        bail!("{retried} games will be tried again, but not these: {}", refused.join(", "));
    }
    if missing.is_empty() { Ok(retried) } else { bail!("no dead letters: {}", missing.join(", ")) }
}

/// Forgets the dead letters of `games`, or those that are older than `older_than`. Returns how many there were.
///
/// # Errors
/// When Redis fails, or when one of `games` has no dead letter. The others are dropped all the same.
pub async fn drop(
    stores: &[Store],
    games: &[GameToken],
    older_than: Option<Duration>,
) -> anyhow::Result<u64> {
    let mut dropped = 0;
    if let Some(age) = older_than {
        for store in stores {
            dropped += store.drop_older_dead_letters(age).await.context("drop dead letters")?;
        }
        return Ok(dropped);
    }
    let mut missing: Vec<&str> = games.iter().map(GameToken::as_str).collect();
    for (store, letter) in find(stores, games).await? {
        missing.retain(|game| *game != letter.game);
        dropped += store.drop_dead_letter(&letter).await.context("drop a dead letter")?;
    }
    if missing.is_empty() { Ok(dropped) } else { bail!("no dead letters: {}", missing.join(", ")) }
}

/// The dead letters of `games`, or all of them if `games` is empty.
async fn find<'s>(stores: &'s [Store], games: &[GameToken]) -> anyhow::Result<Vec<(&'s Store, DeadLetter)>> {
    let mut found = Vec::new();
    for store in stores {
        let mut last_entry_id = String::new();
        while let Some(page) = next_page(store, &mut last_entry_id).await? {
            let is_meant = |letter: &DeadLetter| {
                games.is_empty() || games.iter().any(|game| game.as_str() == letter.game)
            };
            found.extend(page.into_iter().filter(is_meant).map(|letter| (store, letter)));
        }
    }
    Ok(found)
}

/// The dead letters that follow an entry, which becomes the last of them.
async fn next_page(store: &Store, last_entry_id: &mut String) -> anyhow::Result<Option<Vec<DeadLetter>>> {
    let page = store.dead_letters(last_entry_id).await.context("read dead letters")?;
    let Some(last) = page.last() else { return Ok(None) };
    last_entry_id.clone_from(&last.entry_id);
    Ok(Some(page))
}
