//! Removes what `commit.lua` removes on one Redis.

use std::collections::BTreeSet;
use std::time::Duration;

use fred::types::Value;
use redis_core::id::GameToken;
use redis_core::{Key, RedisError};

use super::batch::{Batch, Reply, are_over, send_for_each};
use crate::dataset::KeyPattern;
use crate::store::client::Store;
use crate::store::parts::Cleanup;

impl Store {
    /// Committed sessions whose records are to be removed now. Unless they are within `lease`, they are given out again, to
    /// whomever.
    pub async fn take_uncleaned(&self, lease: Duration) -> Result<Vec<GameToken>, RedisError> {
        let args = [lease.as_millis().to_string(), MAX_SESSIONS.to_string()];
        let keys = vec![self.key(Key::EtlCleaning)];
        let tokens: Vec<String> = self.run(&self.scripts.take_uncleaned, keys, args.to_vec()).await?;
        Ok(tokens.into_iter().filter_map(|token| GameToken::parse(token).ok()).collect())
    }

    /// Removes the records of committed sessions, key by key; it can be repeated wherever it was cut off. Returns of how many
    /// sessions all are removed: not of those of which a shard is away.
    pub async fn clean_up(&self, games: Vec<GameToken>, cleanup: Cleanup) -> Result<usize, RedisError> {
        let (sessions, expiry_s) = (self.find_removed(games).await, cleanup.expiry_s.to_string());
        let lists_and_members = |session: &Session, batch: &mut Batch| {
            self.ask_lists(session, batch);
            self.ask_members(session, &expiry_s, batch);
        };
        // These first: which they are is in the records.
        let sessions = self.send_to(sessions, lists_and_members).await;
        let sessions =
            self.send_to(sessions, |session, batch| self.ask_records(session, &expiry_s, batch)).await;
        if sessions.is_empty() {
            return Ok(0);
        }
        let states = sessions.iter().map(|session| self.key(Key::EtlGame(&session.game)));
        let keys = [self.key(Key::EtlCleaning)].into_iter().chain(states).collect();
        let tokens = sessions.iter().map(|session| session.game.to_string());
        let args = [cleanup.state_expiry_s().to_string()].into_iter().chain(tokens).collect();
        self.run(&self.scripts.cleaned, keys, args).await
    }

    /// What must be known of sessions before their records go.
    async fn find_removed(&self, games: Vec<GameToken>) -> Vec<Session> {
        let replies = send_for_each(&self.redis, &games, |game, batch| {
            if let Some(members) = &self.dataset.keys.members {
                batch.add("SMEMBERS", &members.of(game.as_str()), []);
            }
            if let Some(count) = &self.dataset.cleanup.count {
                batch.add("GET", &count.of(game.as_str()), []);
            }
            if let Some(lost) = &self.dataset.lost {
                batch.add("ZSCORE", &lost.index, [game.as_str()]);
            }
        });
        let replies = replies.await;
        let found = games.into_iter().zip(replies).filter(|(_, replies)| are_over(replies));
        found.map(|(game, replies)| self.session(game, replies)).collect()
    }

    fn session(&self, game: GameToken, replies: Vec<Reply>) -> Session {
        // A key of another type tells nothing.
        let mut values = replies.into_iter().map(|reply| reply.unwrap_or(Value::Null));
        let mut session = Session { game, members: Vec::new(), counts: BTreeSet::new() };
        if self.dataset.keys.members.is_some() {
            session.members = values.next().and_then(|names| names.convert().ok()).unwrap_or_default();
            session.counts.insert(session.members.len().to_string());
        }
        let counts = values.filter_map(|value| value.as_string());
        session
            .counts
            .extend(counts.filter(|count| !count.is_empty() && count.bytes().all(|c| c.is_ascii_digit())));
        session
    }

    /// Those of the sessions for which all commands are over.
    async fn send_to(
        &self,
        sessions: Vec<Session>,
        add_commands: impl Fn(&Session, &mut Batch),
    ) -> Vec<Session> {
        let replies = send_for_each(&self.redis, &sessions, add_commands).await;
        let over = sessions.into_iter().zip(replies).filter(|(_, replies)| are_over(replies));
        over.map(|(session, _)| session).collect()
    }

    fn ask_lists(&self, session: &Session, batch: &mut Batch) {
        let mut take_out = |list: &str| batch.add("LREM", list, ["1", session.game.as_str()]);
        for list in &self.dataset.cleanup.lists {
            match list.around_count() {
                None => take_out(list.as_str()),
                Some((before, after)) => {
                    session.counts.iter().for_each(|count| take_out(&format!("{before}{count}{after}")));
                }
            }
        }
    }

    fn ask_members(&self, session: &Session, expiry_s: &str, batch: &mut Batch) {
        for pattern in self.dataset.cleanup.expire.iter().filter(|pattern| self.is_of_member(pattern)) {
            let (before, after) = pattern.around_member(session.game.as_str());
            for member in &session.members {
                batch.add("EXPIRE", &format!("{before}{member}{after}"), [expiry_s]);
            }
        }
    }

    fn is_of_member(&self, pattern: &KeyPattern) -> bool {
        Some(pattern) == self.dataset.keys.member.as_ref()
    }

    fn ask_records(&self, session: &Session, expiry_s: &str, batch: &mut Batch) {
        let (dataset, game) = (&self.dataset, session.game.as_str());
        if let Some(lost) = &dataset.lost {
            batch.add("ZREM", &lost.index, [game]);
        }
        for pattern in dataset.cleanup.expire.iter().filter(|pattern| !self.is_of_member(pattern)) {
            batch.add("EXPIRE", &pattern.of(game), [expiry_s]);
        }
        for pattern in &dataset.cleanup.delete {
            batch.add("DEL", &pattern.of(game), []);
        }
    }
}

/// A session whose records are removed.
struct Session {
    game: GameToken,
    members: Vec<String>,
    /// The numbers of members that it may be listed under.
    counts: BTreeSet<String>,
}

/// Sessions that are cleaned up in one go.
const MAX_SESSIONS: usize = 250;
