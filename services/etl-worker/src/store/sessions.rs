//! Reading the records of sessions.

use bytes::Bytes;
use fred::interfaces::ListInterface;
use fred::types::Value;
use redis_core::id::GameToken;
use redis_core::{Key, RedisError};

use super::client::{Store, lossy_text};
use crate::dataset::{Dataset, KeyPattern, Keys, MemberRecord};
use crate::part::Part;
use crate::text::printable;

/// The records of a session as they are now.
#[derive(Debug)]
pub struct SessionRecords {
    /// The part that the session was planned for, if it was.
    pub part: Option<Part>,
    /// Why a record cannot be read at all, if one cannot.
    pub unreadable: Option<String>,
    /// Whether a shard with records does not answer, so that they are not known now. On one Redis that is an error.
    pub is_away: bool,
    /// The fields of the session's hash.
    pub fields: Vec<Option<String>>,
    /// The members.
    pub members: Vec<MemberRecord>,
    /// The number of entries.
    pub entry_count: usize,
    /// The first entries, at most [`ENTRIES_PAGE`].
    pub entries: Vec<Bytes>,
}

impl Store {
    /// Reads the records of sessions, on one Redis in one round trip. Those of planned ones are only read with `read_planned`.
    pub async fn read(
        &self,
        tokens: &[&GameToken],
        read_planned: bool,
    ) -> Result<Vec<SessionRecords>, RedisError> {
        if !self.is_on_cluster() {
            let Dataset { keys, member_fields, session_fields, .. } = &*self.dataset;
            return self.read_by_script(tokens, read_planned, keys, [member_fields, session_fields]).await;
        }
        let mut all = self.read_by_script(tokens, read_planned, &Keys::default(), [&[], &[]]).await?;
        let is_read = |records: &SessionRecords| {
            records.unreadable.is_none() && (records.part.is_none() || read_planned)
        };
        let to_read = tokens.iter().copied().zip(&mut all).filter(|(_, records)| is_read(records)).collect();
        self.add_records(to_read).await?;
        Ok(all)
    }

    /// Reads these fields and keys of sessions, and whether they are planned.
    async fn read_by_script(
        &self,
        tokens: &[&GameToken],
        read_planned: bool,
        keys: &Keys,
        [member_fields, session_fields]: [&[String]; 2],
    ) -> Result<Vec<SessionRecords>, RedisError> {
        let of_session = |token: &&GameToken| {
            let state = self.key(Key::EtlGame(token));
            let [members, session, entries] = [&keys.members, &keys.session, &keys.entries]
                .map(|pattern| optional_key(pattern, token, &state));
            [state, members, session, entries]
        };
        let options = [
            ENTRIES_PAGE.to_string(),
            u8::from(read_planned).to_string(),
            member_fields.len().to_string(),
            session_fields.len().to_string(),
        ];
        let args = options
            .into_iter()
            .chain(member_fields.iter().chain(session_fields).cloned())
            .chain(tokens.iter().flat_map(|token| self.around_member(token)));
        let script = &self.scripts.read;
        let replies: Vec<Value> =
            self.run(script, tokens.iter().flat_map(of_session).collect(), args.collect()).await?;
        replies.into_iter().map(|reply| parse_records(reply, member_fields.len())).collect()
    }

    /// Reads the entries of a session from `start` on, at most [`ENTRIES_PAGE`].
    pub async fn read_entries(&self, token: &GameToken, start: usize) -> Result<Vec<Bytes>, RedisError> {
        let start = i64::try_from(start).unwrap_or(i64::MAX);
        let stop = start.saturating_add(ENTRIES_PAGE as i64 - 1);
        let key = optional_key(&self.dataset.keys.entries, token, "");
        let key = key.as_str();
        let read = self.redis.run(key, |client| async move { client.lrange(key, start, stop).await });
        Ok(to_bytes(read.await?))
    }

    /// The prefix and the suffix of the hashes of a session's members. Empty if there are none.
    pub(super) fn around_member(&self, token: &GameToken) -> [String; 2] {
        let around = self.dataset.keys.member.as_ref().map(|pattern| pattern.around_member(token.as_str()));
        around.map(<[String; 2]>::from).unwrap_or_default()
    }
}

/// The key of a session. If the dataset has none, the one that stands in its place in scripts.
pub(super) fn optional_key(pattern: &Option<KeyPattern>, token: &GameToken, otherwise: &str) -> String {
    pattern.as_ref().map_or_else(|| otherwise.to_owned(), |pattern| pattern.of(token.as_str()))
}

type Reply = (Value, Value, Vec<Value>, Vec<Value>, usize, Vec<Value>);

fn parse_records(reply: Value, field_count: usize) -> Result<SessionRecords, RedisError> {
    let (path, error, fields, members, entry_count, entries): Reply = reply.convert()?;
    let (path, error) = (lossy_text(&path), lossy_text(&error));
    let mut unreadable = (!error.is_empty()).then_some(error);
    let text = |value: &Value| value.as_string();
    let parse_member = |values: &[Value]| {
        Some(MemberRecord { name: text(&values[0])?, fields: values[1..].iter().map(text).collect() })
    };
    let count = members.len() / (1 + field_count);
    let members: Vec<MemberRecord> = members.chunks_exact(1 + field_count).filter_map(parse_member).collect();
    if members.len() < count {
        unreadable = Some(MEMBER_IS_NOT_TEXT.to_owned());
    }
    let part = Part::parse(&path);
    if part.is_none() && !path.is_empty() {
        unreadable = Some(format!("the planned file {} is not the name of one", printable(&path, 80)));
    }
    let fields = fields.iter().map(text).collect();
    let entries = to_bytes(entries);
    Ok(SessionRecords { part, unreadable, is_away: false, fields, members, entry_count, entries })
}

pub(super) fn to_bytes(values: Vec<Value>) -> Vec<Bytes> {
    values.into_iter().map(|entry| entry.into_bytes().unwrap_or_default()).collect()
}

/// Entries that are read in one round trip.
pub(super) const ENTRIES_PAGE: usize = 1_000;
pub(super) const MEMBER_IS_NOT_TEXT: &str = "the name of a member is not text";
