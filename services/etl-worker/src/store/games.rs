//! Reading the records of games.

use bytes::Bytes;
use fred::interfaces::ListInterface;
use fred::types::Value;
use redis_core::id::GameToken;
use redis_core::{Key, RedisError};

use super::client::{Store, lossy_text, record_suffixes};
use crate::game::PlayerRecord;
use crate::part::Part;
use crate::text::printable;

/// The records of a game as they are now.
#[derive(Debug)]
pub struct GameRecords {
    /// The part that the game was planned for, if it was.
    pub part: Option<Part>,
    /// Why a record cannot be read at all, if one cannot.
    pub unreadable: Option<String>,
    /// The players.
    pub players: Vec<PlayerRecord>,
    /// The number of log entries.
    pub log_length: usize,
    /// The first log entries, at most [`LOG_PAGE`].
    pub log: Vec<Bytes>,
}

impl Store {
    /// Reads the records of games in one round trip. The records of planned games are only read with `read_planned`.
    pub async fn read(
        &self,
        games: &[&GameToken],
        read_planned: bool,
    ) -> Result<Vec<GameRecords>, RedisError> {
        let keys =
            games.iter().flat_map(|game| [Key::EtlGame(game).to_string(), Key::Game(game).to_string()]);
        let options = [LOG_PAGE.to_string(), u8::from(read_planned).to_string()];
        let args = record_suffixes().chain(options).collect();
        let replies: Vec<Value> = self.run(&self.scripts.read, keys.collect(), args).await?;
        replies.into_iter().map(parse_records).collect()
    }

    /// Reads the entries of a game's log from `start` on, at most [`LOG_PAGE`].
    pub async fn read_log(&self, game: &GameToken, start: usize) -> Result<Vec<Bytes>, RedisError> {
        let start = i64::try_from(start).unwrap_or(i64::MAX);
        let stop = start.saturating_add(LOG_PAGE as i64 - 1);
        let entries: Vec<Value> = self.pool.lrange(Key::GameLogs(game).to_string(), start, stop).await?;
        Ok(log_entries(entries))
    }
}

fn parse_records(reply: Value) -> Result<GameRecords, RedisError> {
    let (path, error, fields, log_length, log): (Value, Value, Vec<Value>, usize, Vec<Value>) =
        reply.convert()?;
    let (path, error) = (lossy_text(&path), lossy_text(&error));
    let mut unreadable = (!error.is_empty()).then_some(error);
    let mut players = Vec::with_capacity(fields.len() / 3);
    for player in fields.chunks_exact(3) {
        match player[0].as_string() {
            Some(user_token) => {
                players.push(PlayerRecord {
                    user_token,
                    superhero_id: player[1].as_string(),
                    health: player[2].as_string(),
                });
            }
            None => unreadable = Some("a user token is not text".to_owned()),
        }
    }
    let part = Part::parse(&path);
    if part.is_none() && !path.is_empty() {
        unreadable = Some(format!("the planned file {} is not the name of one", printable(&path, 80)));
    }
    Ok(GameRecords { part, unreadable, players, log_length, log: log_entries(log) })
}

fn log_entries(values: Vec<Value>) -> Vec<Bytes> {
    values.into_iter().map(|entry| entry.into_bytes().unwrap_or_default()).collect()
}

/// Log entries that are read in one round trip.
const LOG_PAGE: usize = 1_000;
