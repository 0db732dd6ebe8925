//! What the replies of Redis mean for those that asked.

use bytes::Bytes;

use super::batch::Batches;
use super::operation::{Then, parse_tickets, text};
use super::record::{Found, Record};
use crate::id::ObjectId;
use crate::request::{Answer, Asker, Place, Remote, Totals, Wait};

impl Batches {
    /// Does what is to be done with the reply to an operation.
    pub(super) async fn settle(&mut self, then: Then, reply: &[Bytes]) {
        let (ended, rest) =
            reply.split_first().map_or((b"".as_slice(), reply), |(ended, rest)| (ended.as_ref(), rest));
        match (then, ended) {
            (Then::Store { id, content, metadata, at: Some(at), asker }, b"absent") => {
                tokio::spawn(self.redis.clone().upload(at, id, content, metadata, asker));
            }
            (Then::Store { content, metadata, at, asker, .. }, _) => {
                if at.is_some() {
                    self.redis.0.contents.keep(content.hash, &content.data);
                }
                if !rest.is_empty() {
                    let record = Record::new(&content.hash, at.as_deref(), content.data.len(), &metadata);
                    self.resolve(&tickets(rest), &Found { record, data: Some(content.data) }).await;
                }
                asker.answer(Answer::Done);
            }
            (Then::Get { known: Some(found), asker, .. }, b"same") => asker.answer(found.answer()),
            (Then::Get { id, asker, .. }, b"foreign") => asker.answer(foreign(id, rest)),
            (Then::Get { id, asker, .. }, b"object") => {
                let found = Found::parse(rest);
                if let Some(found) = &found {
                    self.redis.0.contents.remember(id, found);
                }
                asker.answer(found.map_or(Answer::Absent, |found| found.answer()));
            }
            (Then::Get { id, ticket: Some(ticket), asker, .. }, _) => self.wait(ticket, id, asker, Wait::Get),
            (Then::Get { asker, .. }, _) => asker.answer(Answer::Absent),
            (Then::Duplicate { asker, .. }, b"ok") => {
                if let Some(found) = Found::parse(rest.get(1..).unwrap_or_default()) {
                    self.resolve(&tickets(rest), &found).await;
                }
                asker.answer(Answer::Done);
            }
            (Then::Duplicate { id, original, asker, .. }, b"foreign") => {
                tokio::spawn(self.redis.clone().duplicate_foreign(id, original, number(rest), asker));
            }
            (Then::Duplicate { id, original, ticket, asker }, _) => {
                self.wait(ticket, original, asker, |asker| Wait::Duplicate { id, asker });
            }
            (Then::Poll { ticket }, ended) if ended != b"absent" => {
                if let Some(then) = self.no_longer_waits(ticket) {
                    Box::pin(self.settle(then, reply)).await;
                }
            }
            (Then::Poll { .. } | Then::Forget, _) => {}
            (Then::Mail, _) => self.read_mail(rest).await,
            (Then::Nothing { asker }, _) => asker.answer(Answer::Absent),
            (Then::Stat { id, asker }, b"foreign") => {
                tokio::spawn(self.redis.clone().stat_foreign(id, number(rest), asker));
            }
            (Then::Stat { asker, .. }, b"stat") => {
                let record = rest.first().and_then(Record::parse);
                asker.answer(record.map_or(Answer::Absent, |record| Answer::Stat {
                    length: record.length(),
                    metadata: record.metadata(),
                }));
            }
            (Then::Stat { asker, .. }, _) => asker.answer(Answer::Absent),
            (Then::Delete { asker }, b"ok") => asker.answer(Answer::Done),
            (Then::Delete { asker }, _) => asker.answer(Answer::Absent),
            (Then::Totals { asker }, _) => asker.answer(Answer::Totals(self.totals(rest))),
        }
    }

    fn wait(&self, ticket: u64, id: ObjectId, mut asker: Asker, wait: impl FnOnce(Asker) -> Wait) {
        asker.waits();
        let owner = asker.owner();
        let mut waits = self.redis.waits();
        // Asked with the waits locked: a client that goes after this has them forgotten after this.
        if !asker.is_gone() {
            waits.add_as(ticket, id, owner, wait(asker));
        }
    }

    fn totals(&self, fields: &[Bytes]) -> Totals {
        let waiting = self.redis.waits().totals();
        let at = |place: usize| number(fields.get(place..).unwrap_or_default());
        Totals { ids: at(0), contents: at(1), bytes: at(2), waiting }
    }

    /// A poll found that what waits need not wait any more: what is to be done with its reply.
    fn no_longer_waits(&self, ticket: u64) -> Option<Then> {
        let (of, wait) = self.redis.waits().take_one(ticket)?;
        Some(match wait {
            Wait::Get(asker) => Then::Get { id: of, ticket: Some(ticket), known: None, asker },
            Wait::Duplicate { id, asker } => Then::Duplicate { id, original: of, ticket, asker },
        })
    }
}

/// Answers what waited for an object that was found.
pub(super) fn answer(happened: Vec<(u64, ObjectId, Wait)>, found: &Found) {
    for (_, _, wait) in happened {
        match wait {
            Wait::Get(asker) => asker.answer(found.answer()),
            Wait::Duplicate { asker, .. } => asker.answer(Answer::Done),
        }
    }
}

fn foreign(id: ObjectId, reply: &[Bytes]) -> Answer {
    Answer::Remote(Remote { length: number(reply), place: Place::Foreign(id) })
}

fn number(fields: &[Bytes]) -> u64 {
    fields.first().and_then(text).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn tickets(fields: &[Bytes]) -> Vec<u64> {
    fields.first().map(parse_tickets).unwrap_or_default()
}
