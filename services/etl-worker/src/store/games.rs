//! Games: their records, the files they are planned for, their commit.

use std::collections::BTreeSet;

use fred::error::Error;
use fred::interfaces::{HashesInterface, ListInterface, SetsInterface};
use fred::types::Value;
use redis_core::Key;
use redis_core::id::GameToken;

use super::{Job, Store};
use crate::game::Record;
use crate::part::Part;

/// The records of a game as they are now.
#[derive(Debug)]
pub struct Records {
    /// The file that the game is to be in, once that is decided.
    pub part: Option<Part>,
    /// What could not be read at all.
    pub unreadable: Option<String>,
    /// The players.
    pub players: Vec<Record>,
    /// How many entries the log has.
    pub log_length: usize,
    /// The first of them, [`LOG_WINDOW`] at most.
    pub log: Vec<Value>,
}

/// How games are let go after the commit.
#[derive(Debug, Clone, Copy)]
pub struct Cleaning {
    /// Whether they are at all.
    pub enabled: bool,
    /// Seconds after which their records expire.
    pub expiry_s: u32,
}

impl Store {
    /// The records of games, in one round trip. Those of planned games only when asked for.
    pub async fn read(&self, games: &[&GameToken], planned_too: bool) -> Result<Vec<Records>, Error> {
        let keys =
            games.iter().flat_map(|game| [Key::EtlGame(game).to_string(), Key::Game(game).to_string()]);
        let args = vec![LOG_WINDOW.to_string(), u8::from(planned_too).to_string()];
        let answers: Vec<Value> = self.run(&self.scripts.read, keys.collect(), args).await?;
        answers.into_iter().map(records).collect()
    }

    /// Entries of a game's log from `start` on, [`LOG_WINDOW`] at most.
    pub async fn log(&self, game: &GameToken, start: usize) -> Result<Vec<Value>, Error> {
        let start = i64::try_from(start).unwrap_or(i64::MAX);
        let stop = start.saturating_add(LOG_WINDOW as i64 - 1);
        self.pool.lrange(Key::GameLogs(game).to_string(), start, stop).await
    }

    /// Decides which part each job's game will be in. True where this worker's plan holds.
    pub async fn plan(&self, plan: &[(&Job, &Part)]) -> Result<Vec<bool>, Error> {
        let of_game =
            plan.iter().flat_map(|(job, part)| [Key::EtlGame(&job.game), Key::EtlPart(part.as_str())]);
        let keys =
            [Key::EtlJobs, Key::EtlOpenParts].into_iter().chain(of_game).map(|key| key.to_string()).collect();
        let args = self.named().chain(plan.iter().flat_map(|(job, part)| tagged(job, part))).collect();
        let held: Vec<u8> = self.run(&self.scripts.plan, keys, args).await?;
        Ok(held.into_iter().map(|held| held == 1).collect())
    }

    /// The games that a part holds and that are not committed.
    pub async fn games_of(&self, part: &Part) -> Result<Vec<GameToken>, Error> {
        let games: Vec<String> = self.pool.hkeys(Key::EtlPart(part.as_str()).to_string()).await?;
        Ok(games.into_iter().filter_map(|game| GameToken::parse(game).ok()).collect())
    }

    /// The parts that hold a game that is not committed.
    pub async fn open_parts(&self) -> Result<BTreeSet<String>, Error> {
        let parts: Vec<String> = self.pool.smembers(Key::EtlOpenParts.to_string()).await?;
        Ok(parts.into_iter().collect())
    }

    /// Marks games done whose parts are published, and lets their records go. True where the job was still ours.
    pub async fn commit(&self, done: &[(&Job, &Part)], cleaning: Cleaning) -> Result<Vec<bool>, Error> {
        let of_game = done.iter().flat_map(|(job, part)| {
            [Key::EtlGame(&job.game), Key::EtlPart(part.as_str()), Key::Game(&job.game)]
        });
        let keys = [Key::EtlJobs, Key::EtlOpenParts, Key::GamesParticipants].into_iter().chain(of_game);
        let Cleaning { enabled, expiry_s } = cleaning;
        let settings =
            [u8::from(enabled).to_string(), expiry_s.to_string(), (expiry_s + REMEMBERED_S).to_string()];
        let lists = LISTS.map(|list| list.to_string().trim_end_matches('0').to_owned());
        let games = done.iter().flat_map(|(job, part)| tagged(job, part));
        let args = self.named().chain(settings).chain(lists).chain(games).collect();
        let committed: Vec<u8> =
            self.run(&self.scripts.commit, keys.map(|key| key.to_string()).collect(), args).await?;
        Ok(committed.into_iter().map(|committed| committed == 1).collect())
    }
}

fn tagged(job: &Job, part: &Part) -> [String; 3] {
    [job.game.to_string(), job.entry.clone(), part.to_string()]
}

fn records(answer: Value) -> Result<Records, Error> {
    let (part, error, players, log_length, log): (String, Value, Vec<Value>, usize, Vec<Value>) =
        answer.convert()?;
    let error = error.as_bytes().map(|error| String::from_utf8_lossy(error).into_owned()).unwrap_or_default();
    let mut unreadable = (!error.is_empty()).then_some(error);
    let mut read = Vec::with_capacity(players.len() / 3);
    for player in players.chunks_exact(3) {
        match player[0].as_string() {
            Some(user_token) => {
                read.push(Record {
                    user_token,
                    superhero_id: player[1].as_string(),
                    health: player[2].as_string(),
                });
            }
            None => unreadable = Some("a user token is no text".to_owned()),
        }
    }
    Ok(Records { part: Part::parse(&part), unreadable, players: read, log_length, log })
}

/// Entries of a log that are read at a time.
const LOG_WINDOW: usize = 1_000;
/// Lists of games by their number of players, which a key's name ends with.
const LISTS: [Key<'static>; 2] = [Key::GamesOfPlayers(0), Key::GamesOfParticipants(0)];
/// How long a game whose records were let go is remembered, in seconds.
const REMEMBERED_S: u32 = 86_400;
