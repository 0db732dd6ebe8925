//! Creating jobs, from messages and for sessions that ended without one.

use std::time::Duration;

use redis_core::id::GameToken;
use redis_core::{Key, RedisError};

use super::client::Store;
use super::job::Enqueued;
use super::reconcile::Settled;
use super::sessions::optional_key;
use crate::dataset::KeyPattern;

impl Store {
    /// Creates a job for each of the games that has none. The results are in the order of the games.
    pub async fn enqueue(&self, games: &[GameToken]) -> Result<Vec<Enqueued>, RedisError> {
        if self.is_on_cluster() {
            return self.enqueue_on_cluster(games).await;
        }
        self.create_jobs(games, &self.records(), &self.dataset.keys.members).await
    }

    /// Creates jobs. A game without any of these records gets none; those that it has are kept from expiring.
    pub(super) async fn create_jobs(
        &self,
        games: &[GameToken],
        records: &[&KeyPattern],
        members: &Option<KeyPattern>,
    ) -> Result<Vec<Enqueued>, RedisError> {
        let keys = self.session_keys(games, records, members);
        let args = [records.len().to_string()].into_iter().chain(self.session_args(games)).collect();
        let results: Vec<String> = self.run_confirmed(&self.scripts.enqueue, keys, args).await?;
        let parse = |result: String| match result.as_str() {
            "queued" => Enqueued::Queued,
            "known" => Enqueued::Known,
            "unreadable" => Enqueued::Unreadable,
            _ => Enqueued::Unknown,
        };
        Ok(results.into_iter().map(parse).collect())
    }

    /// Those of the games that have no job, were not written, and are no dead letters.
    pub async fn without_job(&self, games: Vec<GameToken>) -> Result<Vec<GameToken>, RedisError> {
        if games.is_empty() {
            return Ok(games);
        }
        let states = games.iter().map(|game| self.key(Key::EtlGame(game))).collect();
        let places: Vec<usize> = self.run(&self.scripts.without_job, states, Vec::new()).await?;
        Ok(places.into_iter().filter_map(|place| games.get(place).cloned()).collect())
    }

    /// Creates jobs for those of the games that ended and have not changed for `settle`.
    pub async fn enqueue_settled(
        &self,
        games: &[GameToken],
        settle: Duration,
    ) -> Result<Settled, RedisError> {
        let Some(lost) = &self.dataset.lost else { return Ok(Settled::default()) };
        if self.is_on_cluster() {
            return self.enqueue_settled_on_cluster(games, lost, settle).await;
        }
        let ends = |game: &GameToken| {
            let key = lost.key.of(game.as_str());
            let entries = optional_key(&self.dataset.keys.entries, game, &key);
            [key, entries]
        };
        let records = self.records();
        let mut keys = self.session_keys(games, &records, &self.dataset.keys.members);
        keys.extend(games.iter().flat_map(ends));
        let (settle_ms, count) = (settle.as_millis().to_string(), games.len().to_string());
        let options = [records.len().to_string(), settle_ms, lost.is.clone(), count];
        let args = options.into_iter().chain(self.session_args(games)).collect();
        let (queued, unreadable): (u64, Vec<String>) =
            self.run(&self.scripts.enqueue_settled, keys, args).await?;
        Ok(Settled::new(queued, unreadable))
    }

    /// The patterns of all keys that a session has, without the hashes of its members.
    pub(super) fn records(&self) -> Vec<&KeyPattern> {
        let (keys, cleanup) = (&self.dataset.keys, &self.dataset.cleanup);
        let read = [&keys.members, &keys.session, &keys.entries, &cleanup.count].into_iter().flatten();
        let lost = self.dataset.lost.iter().map(|lost| &lost.key);
        let removed = cleanup.expire.iter().chain(&cleanup.delete);
        let mut records = Vec::new();
        for pattern in read.chain(lost).chain(removed) {
            if !records.contains(&pattern) && Some(pattern) != keys.member.as_ref() {
                records.push(pattern);
            }
        }
        records
    }

    /// The keys of the scripts that use `records.lua`: the jobs, then those of each session.
    pub(super) fn session_keys(
        &self,
        games: &[GameToken],
        records: &[&KeyPattern],
        members: &Option<KeyPattern>,
    ) -> Vec<String> {
        let of_session = |game: &GameToken| {
            let state = self.key(Key::EtlGame(game));
            let members = optional_key(members, game, &state);
            let mut keys = vec![state, self.key(Key::EtlSettling(game)), members];
            keys.extend(records.iter().map(|pattern| pattern.of(game.as_str())));
            keys
        };
        [self.jobs_key()].into_iter().chain(games.iter().flat_map(of_session)).collect()
    }

    /// Their last arguments: the token of each session, and what is around the names of its members.
    pub(super) fn session_args(&self, games: &[GameToken]) -> impl Iterator<Item = String> {
        games.iter().flat_map(|game| {
            let [before, after] = self.around_member(game);
            [game.to_string(), before, after]
        })
    }
}
