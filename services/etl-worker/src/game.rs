//! Computes the rows of one game from its records: damage and rounds per player, and who won.

use std::collections::HashMap;

use crate::log_entry::LogEntry;
use crate::number;

/// A player as Redis has it. Fields may be missing or invalid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlayerRecord {
    /// The member of `games:{game}`.
    pub user_token: String,
    /// The superhero's `id`.
    pub superhero_id: Option<String>,
    /// The superhero's `health`: what is left of it.
    pub health: Option<String>,
}

/// One player of a finished game: a row in each table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The player.
    pub user_token: String,
    /// The superhero that the player played.
    pub superhero_id: u16,
    /// 1 is best. Players who did equally well share a rank.
    pub rank: u8,
    /// The player's attacks.
    pub rounds: u16,
    /// Damage of all attacks on the player.
    pub damage_received: u64,
    /// Damage of all the player's attacks.
    pub damage_sent: u64,
}

/// Why no rows can be computed from a game's records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGame {
    /// `games:{game}` is empty or does not exist.
    #[error("the game has no players")]
    NoPlayers,
    /// A rank cannot count that far.
    #[error("the game has {0} players, which is more than 255")]
    TooManyPlayers(usize),
    /// A field of a player's superhero is missing or invalid.
    #[error("player {user_token}: {field} must be {must_be}")]
    Player {
        /// The player.
        user_token: String,
        /// The field of the hash.
        field: &'static str,
        /// What the field must be.
        must_be: &'static str,
    },
    /// A log entry is broken, or contradicts itself or the game.
    #[error("log entry {number}: {problem}")]
    LogEntry {
        /// Its position in the list, from 1.
        number: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A player's rounds or damage do not fit the column.
    #[error("player {user_token}: more {what} than the column can hold")]
    Overflow {
        /// The player.
        user_token: String,
        /// `rounds`, `damage sent` or `damage received`.
        what: &'static str,
    },
    /// A record cannot be read, for example because the key has another type.
    #[error("{0}")]
    Unreadable(String),
}

/// Adds up a game's log entry by entry, so that a long game needs no more memory than a short one.
pub struct GameAggregator<'a> {
    game_token: &'a str,
    players: Vec<Player>,
    /// Index in `players` by user token.
    index: HashMap<String, usize>,
    entries: usize,
}

struct Player {
    row: Row,
    health: i64,
    /// Number of the first log entry that left the player no health.
    fell_at: Option<usize>,
}

impl<'a> GameAggregator<'a> {
    /// Starts with the game's players.
    ///
    /// # Errors
    /// When there are no players or too many, or a superhero is invalid.
    pub fn new(game_token: &'a str, records: Vec<PlayerRecord>) -> Result<Self, InvalidGame> {
        match records.len() {
            0 => return Err(InvalidGame::NoPlayers),
            count if count > usize::from(u8::MAX) => return Err(InvalidGame::TooManyPlayers(count)),
            _ => {}
        }
        let players = records.into_iter().map(Player::new).collect::<Result<Vec<_>, _>>()?;
        let tokens = players.iter().map(|player| player.row.user_token.clone());
        let index = tokens.zip(0..).collect();
        Ok(Self { game_token, players, index, entries: 0 })
    }

    /// Adds the next entry of the log.
    ///
    /// # Errors
    /// When the entry is broken, or contradicts itself or the game.
    pub fn add(&mut self, entry: &[u8]) -> Result<(), InvalidGame> {
        self.entries += 1;
        let number = self.entries;
        let invalid = |problem: String| InvalidGame::LogEntry { number, problem };
        let entry = LogEntry::parse(entry, self.game_token).map_err(invalid)?;
        let index_of = |token: &str| {
            self.index.get(token).copied().ok_or_else(|| invalid(format!("{token} is not a player")))
        };
        let (attacker, enemy) = (index_of(&entry.attacker)?, index_of(&entry.enemy)?);

        let attacker = &mut self.players[attacker].row;
        let rounds = attacker.rounds.checked_add(1);
        attacker.rounds = rounds.ok_or_else(|| attacker.overflow("rounds"))?;
        let sent = attacker.damage_sent.checked_add(entry.damage);
        attacker.damage_sent = sent.ok_or_else(|| attacker.overflow("damage sent"))?;
        let enemy = &mut self.players[enemy];
        let received = enemy.row.damage_received.checked_add(entry.damage);
        enemy.row.damage_received = received.ok_or_else(|| enemy.row.overflow("damage received"))?;
        if entry.health_after <= 0 {
            enemy.fell_at.get_or_insert(number);
        }
        Ok(())
    }

    /// The rows in the order of their ranks.
    ///
    /// Players with health left rank first, by that health. The fallen follow, the last to fall first. The health left
    /// decides whether a player fell; the first entry that left the player none decides when. Servers that share Redis
    /// without locks may log later entries with health again. A player without health and without such an entry ranks
    /// as the first to fall.
    pub fn into_rows(self) -> Vec<Row> {
        let standings: Vec<Standing> = self.players.iter().map(Player::standing).collect();
        let ranked = self.players.into_iter().zip(&standings).map(|(player, standing)| {
            let better = standings.iter().filter(|other| *other > standing).count();
            // There are at most 255 players, so at most 254 are better.
            Row { rank: u8::try_from(better + 1).unwrap_or(u8::MAX), ..player.row }
        });
        let mut rows: Vec<Row> = ranked.collect();
        rows.sort_by(|a, b| a.rank.cmp(&b.rank).then_with(|| a.user_token.cmp(&b.user_token)));
        rows
    }
}

/// How a player did. A better standing compares as greater.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// The log entry at which the player fell, if there is one.
    Fallen(Option<usize>),
    /// The health left.
    Alive(i64),
}

impl Player {
    fn new(record: PlayerRecord) -> Result<Self, InvalidGame> {
        let PlayerRecord { user_token, superhero_id, health } = record;
        let invalid = |field, must_be| InvalidGame::Player { user_token: user_token.clone(), field, must_be };
        let superhero_id = superhero_id.as_deref().and_then(number::parse);
        let superhero_id = superhero_id.ok_or_else(|| invalid("id", "a number from 0 to 65535"))?;
        let health = health.as_deref().and_then(number::parse);
        let health = health.ok_or_else(|| invalid("health", "a whole number"))?;
        let row = Row { user_token, superhero_id, rank: 0, rounds: 0, damage_received: 0, damage_sent: 0 };
        Ok(Self { row, health, fell_at: None })
    }

    fn standing(&self) -> Standing {
        if self.health > 0 { Standing::Alive(self.health) } else { Standing::Fallen(self.fell_at) }
    }
}

impl Row {
    fn overflow(&self, what: &'static str) -> InvalidGame {
        InvalidGame::Overflow { user_token: self.user_token.clone(), what }
    }
}

#[cfg(test)]
mod tests;
