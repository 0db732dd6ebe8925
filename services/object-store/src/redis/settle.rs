//! What the reply of the script to an operation means. It only decides: [`ReplyHandler`](super::reply_handler) does it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::fields::{number, text, tickets};
use super::operation::OnReply;
use super::record::{LoadedObject, Record};
use crate::id::ObjectId;
use crate::object::{Content, Hash, ObjectStat};
use crate::reply_to::{ReplyTo, Waiter};
use crate::request::{ContentLocation, Refused, RemoteObject, Response, Totals};

/// What follows from a reply, in the order in which it is done.
pub(super) struct Settled {
    pub(super) learned: Option<Learned>,
    pub(super) woken: Option<Woken>,
    pub(super) next: Next,
}

/// What this node now knows to be in Redis.
pub(super) enum Learned {
    Content(Hash, Bytes),
    Object(ObjectId, LoadedObject),
}

/// Requests of this node that need not wait any more, by their tickets, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Woken {
    pub(super) tickets: Vec<u64>,
    pub(super) outcome: Outcome,
}

/// What became of an object that requests waited for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored(LoadedObject),
    /// Its set was refused.
    Refused,
}

/// What becomes of the request.
pub(super) enum Next {
    Respond(ReplyTo, Response),
    /// Respond with these counts, and with those of the requests that wait.
    RespondTotals(ReplyTo, Totals),
    /// It waits for this object.
    Wait {
        ticket: u64,
        id: ObjectId,
        waiter: Waiter,
    },
    /// Redis has not got the content: upload it, then store the object again.
    Upload {
        upload: Arc<str>,
        id: ObjectId,
        content: Content,
        metadata: Bytes,
        reply_to: ReplyTo,
    },
    /// The original server stored the object: read it, and store it as one of ours.
    CopyLegacy {
        id: ObjectId,
        original: ObjectId,
        length: u64,
        reply_to: ReplyTo,
    },
    /// The id is in another partition than the original: copy it there.
    Copy {
        id: ObjectId,
        original: ObjectId,
        ticket: u64,
        object: LoadedObject,
        reply_to: ReplyTo,
    },
    /// The object was removed, because Redis no longer has its content.
    Lost(ObjectId, ReplyTo),
    /// What Redis has in the place of the object is not what this service stored there.
    Damaged(ObjectId, &'static str, ReplyTo),
    ReadNotifications(Vec<Bytes>),
    Nothing,
}

impl From<Next> for Settled {
    fn from(next: Next) -> Self {
        Self { learned: None, woken: None, next }
    }
}

/// Decides what follows from a reply of this partition: a word, and fields that depend on it.
pub(super) fn settle(partition: u16, on_reply: OnReply, reply: &[Bytes]) -> Settled {
    let (word, rest) = split_word(reply);
    match on_reply {
        OnReply::Store { id, content, metadata, upload, reply_to } => match (upload, word) {
            (Some(upload), b"absent") => Next::Upload { upload, id, content, metadata, reply_to }.into(),
            (upload, _) => stored(&content, &metadata, upload.as_deref(), rest, reply_to),
        },
        OnReply::Get { id, ticket, cached, reply_to } => match (word, cached) {
            (b"unchanged", Some(object)) => Next::Respond(reply_to, object.response(partition)).into(),
            (b"object", _) => match LoadedObject::parse(rest) {
                Some(object) => {
                    let next = Next::Respond(reply_to, object.response(partition));
                    Settled { learned: Some(Learned::Object(id, object)), ..next.into() }
                }
                None => Next::Damaged(id, "its content is damaged", reply_to).into(),
            },
            (b"legacy", _) => Next::Respond(reply_to, legacy(id, rest)).into(),
            (word, _) => unavailable(word, id.clone(), reply_to)
                .unwrap_or_else(|reply_to| match ticket {
                    Some(ticket) => Next::Wait { ticket, id, waiter: Waiter::Get(reply_to) },
                    None => Next::Respond(reply_to, Response::Absent),
                })
                .into(),
        },
        OnReply::Duplicate { id, original, ticket, reply_to } => match word {
            b"ok" => {
                let object = LoadedObject::parse(rest.get(1..).unwrap_or_default());
                let woken =
                    object.map(|object| Woken { tickets: tickets(rest), outcome: Outcome::Stored(object) });
                Settled { woken, ..Next::Respond(reply_to, Response::Done).into() }
            }
            b"held" => match LoadedObject::parse(rest) {
                Some(object) => Next::Copy { id, original, ticket, object, reply_to }.into(),
                None => Next::Damaged(original, "its content is damaged", reply_to).into(),
            },
            b"legacy" => Next::CopyLegacy { id, original, length: number(rest), reply_to }.into(),
            word => unavailable(word, original.clone(), reply_to)
                .unwrap_or_else(|reply_to| {
                    let waiter = Waiter::Duplicate { id, reply_to };
                    Next::Wait { ticket, id: original, waiter }
                })
                .into(),
        },
        OnReply::Reject { reply_to } => refused(rest, reply_to, Response::Absent),
        OnReply::Refuse { reason, reply_to } => refused(rest, reply_to, Response::Refused(reason)),
        OnReply::Stat { id, reply_to } => match word {
            b"damaged" => Next::Damaged(id, SOMETHING_ELSE, reply_to),
            b"stat" => Next::Respond(reply_to, stat(rest).map_or(Response::Absent, Response::Stat)),
            _ => Next::Respond(reply_to, Response::Absent),
        }
        .into(),
        OnReply::Delete { reply_to } => {
            Next::Respond(reply_to, if word == b"ok" { Response::Done } else { Response::Absent }).into()
        }
        OnReply::Totals { reply_to } => Next::RespondTotals(reply_to, totals(rest)).into(),
        OnReply::Notifications => Next::ReadNotifications(rest.to_vec()).into(),
        OnReply::Recheck { .. } | OnReply::Ignore => Next::Nothing.into(),
    }
}

/// True if the reply says that there is no such object, yet.
pub(super) fn is_absent(reply: &[Bytes]) -> bool {
    split_word(reply).0 == b"absent"
}

/// True if the reply says that there is no such object, and will be none.
pub(super) fn is_refusal(reply: &[Bytes]) -> bool {
    matches!(split_word(reply).0, b"refused" | b"lost" | b"damaged")
}

const SOMETHING_ELSE: &str = "redis has something else in its place";

fn split_word(reply: &[Bytes]) -> (&[u8], &[Bytes]) {
    reply.split_first().map_or((b"".as_slice(), reply), |(word, rest)| (word.as_ref(), rest))
}

/// An object was stored. Those who waited for it are answered before the one who stored it.
fn stored(
    content: &Content,
    metadata: &[u8],
    upload: Option<&str>,
    woken: &[Bytes],
    reply_to: ReplyTo,
) -> Settled {
    let woken = (!woken.is_empty()).then(|| {
        let record = Record::new(&content.hash, upload, content.data.len(), metadata);
        let object = LoadedObject { record, data: Some(content.data.clone()) };
        Woken { tickets: tickets(woken), outcome: Outcome::Stored(object) }
    });
    let learned = upload.map(|_| Learned::Content(content.hash, content.data.clone()));
    Settled { learned, woken, next: Next::Respond(reply_to, Response::Done) }
}

/// A request was refused, and with it those that waited for the object that it would have created.
fn refused(woken: &[Bytes], reply_to: ReplyTo, response: Response) -> Settled {
    let woken = Woken { tickets: tickets(woken), outcome: Outcome::Refused };
    Settled { woken: Some(woken), ..Next::Respond(reply_to, response).into() }
}

/// An object that cannot be had, for a reason other than that it does not exist yet.
fn unavailable(word: &[u8], id: ObjectId, reply_to: ReplyTo) -> Result<Next, ReplyTo> {
    match word {
        b"refused" => Ok(Next::Respond(reply_to, Response::Refused(Refused::SetRefused))),
        b"lost" => Ok(Next::Lost(id, reply_to)),
        b"damaged" => Ok(Next::Damaged(id, SOMETHING_ELSE, reply_to)),
        _ => Err(reply_to),
    }
}

/// Length, metadata and age; the age is empty if it is not known.
fn stat(fields: &[Bytes]) -> Option<ObjectStat> {
    let [length, metadata, age] = fields else { return None };
    let age = text(age).and_then(|age| age.parse().ok()).map(Duration::from_secs);
    Some(ObjectStat { length: text(length)?.parse().ok()?, metadata: metadata.clone(), age })
}

fn legacy(id: ObjectId, fields: &[Bytes]) -> Response {
    Response::Remote(RemoteObject { length: number(fields), location: ContentLocation::Legacy(id) })
}

fn totals(fields: &[Bytes]) -> Totals {
    let field = |index: usize| number(fields.get(index..).unwrap_or_default());
    Totals { ids: field(0), contents: field(1), bytes: field(2), ..Totals::default() }
}

#[cfg(test)]
mod tests;
