//! From the records of one game to its rows: who dealt what, who fell when, who won.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

/// A player as Redis has it: texts that may be missing or wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The member of `games:{game}`.
    pub user_token: String,
    /// The superhero's `id`.
    pub superhero_id: Option<String>,
    /// The superhero's `health`: what is left.
    pub health: Option<String>,
}

/// One player of a finished game: a row of each table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The player.
    pub user_token: String,
    /// The superhero that the player played.
    pub superhero_id: u16,
    /// 1 is best; players with the same standing share a rank.
    pub rank: u8,
    /// The player's attacks.
    pub rounds: u16,
    /// Damage of all attacks on the player.
    pub damage_received: u64,
    /// Damage of all the player's attacks.
    pub damage_sent: u64,
}

/// Why a game's records make no rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadGame {
    /// `games:{game}` is empty or gone.
    #[error("the game has no players")]
    NoPlayers,
    /// More than a rank can count.
    #[error("the game has {0} players, which is more than 255")]
    TooManyPlayers(usize),
    /// A player's superhero is missing or not what it must be.
    #[error("player {user_token}: {field} must be {must_be}")]
    Player {
        /// Whose.
        user_token: String,
        /// The field of the hash.
        field: &'static str,
        /// What the field must hold.
        must_be: &'static str,
    },
    /// A log entry that is broken or contradicts the game.
    #[error("log entry {number}: {problem}")]
    Entry {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// More rounds or damage than their columns can hold.
    #[error("player {user_token}: more {what} than the column can hold")]
    Overflow {
        /// Whose.
        user_token: String,
        /// Rounds or damage.
        what: &'static str,
    },
    /// A record cannot be read at all, such as a key of another type.
    #[error("{0}")]
    Unreadable(String),
}

/// Adds up a game, entry by entry, so that a long game needs no more memory than a short one.
pub struct Tally<'a> {
    game_token: &'a str,
    players: Vec<Player>,
    places: HashMap<String, usize>,
    entries: usize,
}

struct Player {
    row: Row,
    health: i64,
    fell_at: Option<usize>,
}

impl<'a> Tally<'a> {
    /// Starts with the game's players.
    ///
    /// # Errors
    /// When there are none or too many, or a superhero is not what it must be.
    pub fn new(game_token: &'a str, records: Vec<Record>) -> Result<Self, BadGame> {
        match records.len() {
            0 => return Err(BadGame::NoPlayers),
            count if count > usize::from(u8::MAX) => return Err(BadGame::TooManyPlayers(count)),
            _ => {}
        }
        let players = records.into_iter().map(Player::new).collect::<Result<Vec<_>, _>>()?;
        let places = players
            .iter()
            .enumerate()
            .map(|(place, player)| (player.row.user_token.clone(), place))
            .collect();
        Ok(Self { game_token, players, places, entries: 0 })
    }

    /// Adds the next entry of the log.
    ///
    /// # Errors
    /// When the entry is broken or contradicts itself or the game.
    pub fn add(&mut self, entry: &[u8]) -> Result<(), BadGame> {
        self.entries += 1;
        let number = self.entries;
        let bad = |problem: String| BadGame::Entry { number, problem };
        // At once, which is much faster than string by string.
        let entry = str::from_utf8(entry).map_err(|error| bad(error.to_string()))?;
        if !entry.trim_ascii_start().starts_with('{') {
            return Err(bad("is no JSON object".to_owned()));
        }
        let entry: Entry = serde_json::from_str(entry).map_err(|error| bad(error.to_string()))?;
        let (details, sender) = (&entry.status.details, entry.payload.user_token);
        if entry.payload.game_token != self.game_token {
            return Err(bad(format!("is of game {}", entry.payload.game_token)));
        }
        if entry.status.action != "ATTACK" {
            return Err(bad(format!("the action {} is not ATTACK", entry.status.action)));
        }
        if details.health_post > details.health_prior {
            let (prior, post) = (details.health_prior, details.health_post);
            return Err(bad(format!("an attack raised the health from {prior} to {post}")));
        }
        let place = |token: &str| self.places.get(token).copied();
        let from = place(&sender).ok_or_else(|| bad(format!("{sender} is not a player")))?;
        let to = place(&details.enemy_token)
            .ok_or_else(|| bad(format!("{} is not a player", details.enemy_token)))?;

        let attacker = &mut self.players[from].row;
        attacker.rounds = attacker.rounds.checked_add(1).ok_or_else(|| attacker.overflow("rounds"))?;
        attacker.damage_sent = attacker
            .damage_sent
            .checked_add(details.damage)
            .ok_or_else(|| attacker.overflow("damage sent"))?;
        let enemy = &mut self.players[to];
        let received = enemy.row.damage_received.checked_add(details.damage);
        enemy.row.damage_received = received.ok_or_else(|| enemy.row.overflow("damage received"))?;
        if details.health_post <= 0 {
            enemy.fell_at.get_or_insert(number);
        }
        Ok(())
    }

    /// The rows, in the order of their ranks.
    ///
    /// Players with health left stand above all others, by that health. The fallen follow, the last to fall first. That a
    /// player fell is what the health left says; when it fell is the first entry that left it none (servers that share
    /// Redis without locks may log later ones), and without one, before all others.
    pub fn rows(self) -> Vec<Row> {
        let standings: Vec<Standing> = self.players.iter().map(Player::standing).collect();
        let ranked = self.players.into_iter().zip(&standings).map(|(player, standing)| {
            let better = standings.iter().filter(|other| *other > standing).count();
            // At most 255 players, so at most 254 are better.
            Row { rank: u8::try_from(better + 1).unwrap_or(u8::MAX), ..player.row }
        });
        let mut rows: Vec<Row> = ranked.collect();
        rows.sort_by(|a, b| a.rank.cmp(&b.rank).then_with(|| a.user_token.cmp(&b.user_token)));
        rows
    }
}

/// Better is greater.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Fell(Option<usize>),
    Stands(i64),
}

impl Player {
    fn new(record: Record) -> Result<Self, BadGame> {
        let Record { user_token, superhero_id, health } = record;
        let bad = |field, must_be| BadGame::Player { user_token: user_token.clone(), field, must_be };
        let superhero_id = parsed(superhero_id).ok_or_else(|| bad("id", "a number from 0 to 65535"))?;
        let health = parsed(health).ok_or_else(|| bad("health", "a whole number"))?;
        let row = Row { user_token, superhero_id, rank: 0, rounds: 0, damage_received: 0, damage_sent: 0 };
        Ok(Self { row, health, fell_at: None })
    }

    fn standing(&self) -> Standing {
        if self.health > 0 { Standing::Stands(self.health) } else { Standing::Fell(self.fell_at) }
    }
}

impl Row {
    fn overflow(&self, what: &'static str) -> BadGame {
        BadGame::Overflow { user_token: self.user_token.clone(), what }
    }
}

fn parsed<T: std::str::FromStr>(text: Option<String>) -> Option<T> {
    text?.parse().ok()
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "PAYLOAD", borrow)]
    payload: Payload<'a>,
    #[serde(rename = "STATUS", borrow)]
    status: Status<'a>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(rename = "GAME_TOKEN", borrow)]
    game_token: Cow<'a, str>,
    #[serde(rename = "USER_TOKEN", borrow)]
    user_token: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(rename = "ACTION", borrow)]
    action: Cow<'a, str>,
    #[serde(rename = "DETAILS", borrow)]
    details: Details<'a>,
}

#[derive(Deserialize)]
struct Details<'a> {
    #[serde(rename = "ENEMY_TOKEN", borrow)]
    enemy_token: Cow<'a, str>,
    #[serde(rename = "ENEMY_DAMAGE")]
    damage: u64,
    #[serde(rename = "ENEMY_HEALTH_PRIOR")]
    health_prior: i64,
    #[serde(rename = "ENEMY_HEALTH_POST")]
    health_post: i64,
}

#[cfg(test)]
mod tests;
