//! How many sessions were committed on each day, by all workers: a hash that `commit.lua` keeps.

use fred::interfaces::HashesInterface;
use jiff::{SignedDuration, Timestamp};
use redis_core::{ErrorClass, Key, RedisError};

use super::client::Store;

/// The number of sessions that were committed on a day.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DayCount {
    /// The day (UTC), `YYYY-MM-DD`.
    pub day: String,
    /// The number.
    pub games: u64,
}

impl Store {
    /// The counts of the last `number` days, the oldest first.
    pub async fn days(&self, number: usize) -> Result<Vec<DayCount>, RedisError> {
        let now = Timestamp::now();
        let day = |ago: usize| {
            let hours = i64::try_from(24 * ago).unwrap_or(i64::MAX);
            now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(now).strftime("%F").to_string()
        };
        let days: Vec<String> = (0..number).rev().map(day).collect();
        let (key, fields) = (&self.key(Key::EtlDays), &days);
        let read = self.on_own(|client| async move { client.hmget(key, fields.clone()).await });
        let counts: Vec<Option<String>> = match read.await {
            // Somebody else's key of this name costs the plot, and nothing else.
            Err(error) if ErrorClass::of(&error).is_invalid() => Vec::new(),
            counts => counts?,
        };
        let count = |place: usize| counts.get(place)?.as_deref()?.parse().ok();
        let days = days.into_iter().enumerate();
        Ok(days.map(|(place, day)| DayCount { day, games: count(place).unwrap_or_default() }).collect())
    }
}
