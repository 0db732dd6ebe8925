//! One entry of a game's log: an attack, as the game server writes it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::number;

/// An attack of one player on another.
pub struct LogEntry<'a> {
    /// The game in which it took place.
    pub game_token: Cow<'a, str>,
    /// Always `ATTACK` in a valid entry.
    pub action: Cow<'a, str>,
    /// The player who attacked.
    pub attacker: Cow<'a, str>,
    /// The player who was attacked.
    pub enemy: Cow<'a, str>,
    /// The damage that was dealt.
    pub damage: u64,
    /// The enemy's health before the attack.
    pub health_before: i64,
    /// The enemy's health after the attack.
    pub health_after: i64,
}

impl<'a> LogEntry<'a> {
    /// Parses an entry and checks it against itself and against the game whose log it is in.
    ///
    /// # Errors
    /// Says what is wrong with the entry.
    pub fn parse(bytes: &'a [u8], game_token: &str) -> Result<Self, String> {
        // Checking the whole text at once is much faster than string by string, which serde does with bytes.
        let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
        if !text.trim_ascii_start().starts_with('{') {
            return Err("is not a JSON object".to_owned());
        }
        let entry: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Details { enemy_token, damage, health_prior, health_post } = entry.status.details;
        let entry = Self {
            game_token: entry.payload.game_token,
            action: entry.status.action,
            attacker: entry.payload.user_token,
            enemy: enemy_token,
            damage,
            health_before: health_prior,
            health_after: health_post,
        };
        entry.check(game_token).map(|()| entry)
    }

    fn check(&self, game_token: &str) -> Result<(), String> {
        if self.game_token != game_token {
            return Err(format!("belongs to game {}", self.game_token));
        }
        if self.action != "ATTACK" {
            return Err(format!("the action {} is not ATTACK", self.action));
        }
        if self.health_after > self.health_before {
            let (before, after) = (self.health_before, self.health_after);
            return Err(format!("an attack raised the health from {before} to {after}"));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Json<'a> {
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
    #[serde(rename = "ENEMY_DAMAGE", deserialize_with = "number::deserialize")]
    damage: u64,
    #[serde(rename = "ENEMY_HEALTH_PRIOR", deserialize_with = "number::deserialize")]
    health_prior: i64,
    #[serde(rename = "ENEMY_HEALTH_POST", deserialize_with = "number::deserialize")]
    health_post: i64,
}
