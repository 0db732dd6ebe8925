use std::time::Duration;

use redis_core::id::GameToken;
use redis_core::{ErrorClass, RedisError};

use super::batch::{Reply, are_over, send_for_each};
use crate::dataset::{KeyPattern, LostSessions};
use crate::store::client::Store;
use crate::store::job::Enqueued;
use crate::store::reconcile::Settled;

impl Store {
    /// As [`enqueue`](Self::enqueue). What a session has is looked for before its job is created, and kept from expiring after
    /// that: only one of the workers does, and the removal comes much later.
    pub(in crate::store) async fn enqueue_on_cluster(
        &self,
        games: &[GameToken],
    ) -> Result<Vec<Enqueued>, RedisError> {
        let found = self.find_records(games).await;
        let with = |presence: Presence| {
            let games = games.iter().zip(&found).filter(move |(_, found)| **found == presence);
            games.map(|(game, _)| game.clone()).collect::<Vec<_>>()
        };
        let (present, absent) = (with(Presence::Found), with(Presence::Absent));
        let mut of_present = self.create_jobs(&present, &[], &None).await?;
        let queued = present.into_iter().zip(&of_present).filter(|(_, result)| **result == Enqueued::Queued);
        let queued: Vec<GameToken> = queued.map(|(game, _)| game).collect();
        self.keep(&queued).await;
        let unknown = self.without_job(absent).await?;
        let mut of_present = of_present.drain(..);
        let result = |(game, presence): (&GameToken, &Presence)| match presence {
            Presence::Found => of_present.next().unwrap_or(Enqueued::Away),
            Presence::Absent if unknown.contains(game) => Enqueued::Unknown,
            Presence::Absent => Enqueued::Known,
            Presence::Away => Enqueued::Away,
        };
        Ok(games.iter().zip(&found).map(result).collect())
    }

    /// As [`enqueue_settled`](Self::enqueue_settled).
    pub(in crate::store) async fn enqueue_settled_on_cluster(
        &self,
        games: &[GameToken],
        lost: &LostSessions,
        settle: Duration,
    ) -> Result<Settled, RedisError> {
        let entries = &self.dataset.keys.entries;
        let replies = send_for_each(&self.redis, games, |game, batch| {
            batch.add("GET", &lost.key.of(game.as_str()), []);
            if let Some(pattern) = entries {
                batch.add("LLEN", &pattern.of(game.as_str()), []);
            }
        });
        let ended = games.iter().zip(replies.await).filter_map(|(game, replies)| {
            let status = replies.first()?.as_ref().ok()?.as_str()?;
            (*status == *lost.is).then(|| Some((game.clone(), length(replies.get(1))?)))?
        });
        let (ended, lengths): (Vec<GameToken>, Vec<String>) = ended.unzip();
        if ended.is_empty() {
            return Ok(Settled::default());
        }
        let options = ["0".to_owned(), settle.as_millis().to_string(), ended.len().to_string()];
        let args = options.into_iter().chain(self.session_args(&ended)).chain(lengths).collect();
        let keys = self.session_keys(&ended, &[], &None);
        let (queued, unreadable): (Vec<usize>, Vec<String>) =
            self.run(&self.scripts.enqueue_ended, keys, args).await?;
        let kept: Vec<GameToken> = queued.iter().filter_map(|place| ended.get(*place).cloned()).collect();
        self.keep(&kept).await;
        Ok(Settled::new(queued.len() as u64, unreadable))
    }

    /// Whether Redis has any record of these games. Most have the first.
    async fn find_records(&self, games: &[GameToken]) -> Vec<Presence> {
        let records = self.records();
        let (first, others) = records.split_at(records.len().min(1));
        let mut found = self.look_for(games, first).await;
        let places: Vec<usize> = (0..games.len()).filter(|place| found[*place] != Presence::Found).collect();
        let rest: Vec<GameToken> = places.iter().map(|place| games[*place].clone()).collect();
        for (place, of_others) in places.into_iter().zip(self.look_for(&rest, others).await) {
            found[place] = match (found[place], of_others) {
                (Presence::Away, Presence::Absent) => Presence::Away,
                (_, of_others) => of_others,
            };
        }
        found
    }

    async fn look_for(&self, games: &[GameToken], records: &[&KeyPattern]) -> Vec<Presence> {
        let replies = send_for_each(&self.redis, games, |game, batch| {
            records.iter().for_each(|pattern| batch.add("EXISTS", &pattern.of(game.as_str()), []));
        });
        replies.await.iter().map(|replies| Presence::of(replies)).collect()
    }

    /// Keeps the records of games from expiring. What could not be reached expires if somebody else said so: nobody but
    /// etl-worker should.
    async fn keep(&self, games: &[GameToken]) {
        let (records, keys) = (self.records(), &self.dataset.keys);
        let members = keys.members.as_ref().filter(|_| keys.member.is_some());
        let replies = send_for_each(&self.redis, games, |game, batch| {
            if let Some(members) = members {
                batch.add("SMEMBERS", &members.of(game.as_str()), []);
            }
            records.iter().for_each(|pattern| batch.add("PERSIST", &pattern.of(game.as_str()), []));
        });
        if members.is_none() {
            replies.await;
            return;
        }
        let names = replies.await.into_iter().map(|replies| {
            let names =
                replies.into_iter().next().and_then(|reply| reply.ok()?.convert::<Vec<String>>().ok());
            names.unwrap_or_default()
        });
        let sessions: Vec<(&GameToken, Vec<String>)> = games.iter().zip(names).collect();
        send_for_each(&self.redis, &sessions, |(game, names), batch| {
            let [before, after] = self.around_member(game);
            names.iter().for_each(|name| batch.add("PERSIST", &format!("{before}{name}{after}"), []));
        })
        .await;
    }
}

/// Whether a session has records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Found,
    Absent,
    /// A shard that may have some does not answer.
    Away,
}

impl Presence {
    fn of(replies: &[Reply]) -> Self {
        let exists = |reply: &Reply| reply.as_ref().is_ok_and(|count| count.as_u64() == Some(1));
        match (replies.iter().any(exists), are_over(replies)) {
            (true, _) => Self::Found,
            (false, true) => Self::Absent,
            (false, false) => Self::Away,
        }
    }
}

/// The number of a session's entries, as in its settling mark; `None` if the shard does not answer.
fn length(reply: Option<&Reply>) -> Option<String> {
    match reply {
        None => Some("0".to_owned()),
        Some(Ok(length)) => length.as_string(),
        Some(Err(error)) => ErrorClass::of(error).is_invalid().then(|| "unreadable".to_owned()),
    }
}
