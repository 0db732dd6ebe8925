//! Reads what `read.lua` reads.

use std::vec::IntoIter;

use fred::types::{FromValue, Value};
use redis_core::id::GameToken;
use redis_core::{ErrorClass, RedisError};

use super::batch::{Batch, Reply, send_for_each};
use crate::dataset::{Dataset, KeyPattern, MemberRecord};
use crate::store::client::Store;
use crate::store::sessions::{ENTRIES_PAGE, MEMBER_IS_NOT_TEXT, SessionRecords, to_bytes};

impl Store {
    /// Adds the records to what is known of the jobs of sessions. A session of which a shard is away is marked as such.
    ///
    /// # Errors
    /// When that is so of all sessions.
    pub(in crate::store) async fn add_records(
        &self,
        sessions: Vec<(&GameToken, &mut SessionRecords)>,
    ) -> Result<(), RedisError> {
        let reader = Reader(&self.dataset);
        let (tokens, mut all): (Vec<_>, Vec<_>) = sessions.into_iter().unzip();
        let replies = send_for_each(&self.redis, &tokens, |token, batch| reader.ask(token, batch)).await;
        let found = replies.into_iter().zip(&mut all);
        let names: Vec<_> =
            found.map(|(replies, records)| reader.parse(replies.into_iter(), records)).collect();
        let with_names: Vec<_> = tokens.iter().zip(&names).collect();
        let ask = |(token, names): &(&&GameToken, &Result<Vec<String>, Missing>), batch: &mut Batch| {
            reader.ask_members(token, names.as_deref().unwrap_or_default(), batch);
        };
        let hashes = send_for_each(&self.redis, &with_names, ask).await;
        let (mut errors, count) = (Vec::new(), all.len());
        for ((records, names), hashes) in all.into_iter().zip(names).zip(hashes) {
            match names.and_then(|names| parse_members(names, hashes)) {
                Ok(members) => records.members = members,
                Err(Missing::Unreadable(reason)) => records.unreadable = Some(reason),
                Err(Missing::Away(error)) => {
                    records.is_away = true;
                    errors.push(error);
                }
            }
        }
        let all_are_away = errors.len() == count;
        errors.pop().filter(|_| all_are_away).map_or(Ok(()), Err)
    }
}

/// Why the records of a session are not known.
enum Missing {
    /// A key has another type, or another content than it should.
    Unreadable(String),
    /// A shard does not answer.
    Away(RedisError),
}

struct Reader<'a>(&'a Dataset);

impl Reader<'_> {
    /// All but the hashes of the members.
    fn ask(&self, token: &GameToken, batch: &mut Batch) {
        let keys = &self.0.keys;
        if let Some(pattern) = self.session() {
            batch.add("HMGET", &pattern.of(token.as_str()), fields(&self.0.session_fields));
        }
        if let Some(pattern) = &keys.members {
            batch.add("SMEMBERS", &pattern.of(token.as_str()), []);
        }
        if let Some(pattern) = &keys.entries {
            let key = pattern.of(token.as_str());
            batch.add("LLEN", &key, []);
            batch.add("LRANGE", &key, ["0", &(ENTRIES_PAGE - 1).to_string()]);
        }
    }

    /// Returns the names of the members.
    fn parse(
        &self,
        mut replies: IntoIter<Reply>,
        records: &mut SessionRecords,
    ) -> Result<Vec<String>, Missing> {
        let keys = &self.0.keys;
        if self.session().is_some() {
            records.fields = texts(value(replies.next(), "the hash of the session cannot be read")?);
        }
        let mut names = Some(Vec::new());
        if keys.members.is_some() {
            let members = texts(value(replies.next(), "the members cannot be read")?);
            names = members.into_iter().collect();
        }
        if keys.entries.is_some() {
            records.entry_count = value(replies.next(), "the list cannot be read")?;
            records.entries = to_bytes(value(replies.next(), "the list cannot be read")?);
        }
        names.ok_or_else(|| Missing::Unreadable(MEMBER_IS_NOT_TEXT.to_owned()))
    }

    fn ask_members(&self, token: &GameToken, names: &[String], batch: &mut Batch) {
        let Some(pattern) = &self.0.keys.member else { return };
        if self.0.member_fields.is_empty() {
            return;
        }
        let (before, after) = pattern.around_member(token.as_str());
        for name in names {
            batch.add("HMGET", &format!("{before}{name}{after}"), fields(&self.0.member_fields));
        }
    }

    fn session(&self) -> Option<&KeyPattern> {
        self.0.keys.session.as_ref().filter(|_| !self.0.session_fields.is_empty())
    }
}

fn parse_members(names: Vec<String>, hashes: Vec<Reply>) -> Result<Vec<MemberRecord>, Missing> {
    let mut hashes = hashes.into_iter();
    let member = |name: String| {
        let fields = match hashes.next() {
            None => Vec::new(),
            hash => texts(value(hash, &format!("{name}: the hash cannot be read"))?),
        };
        Ok(MemberRecord { name, fields })
    };
    names.into_iter().map(member).collect()
}

fn value<T: FromValue>(reply: Option<Reply>, what: &str) -> Result<T, Missing> {
    let value = reply.unwrap_or(Ok(Value::Null)).and_then(Value::convert);
    value.map_err(|error| match ErrorClass::of(&error).is_invalid() {
        true => Missing::Unreadable(format!("{what}: {}", error.details())),
        false => Missing::Away(error),
    })
}

fn texts(values: Vec<Value>) -> Vec<Option<String>> {
    values.iter().map(Value::as_string).collect()
}

fn fields(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().map(String::as_str)
}
