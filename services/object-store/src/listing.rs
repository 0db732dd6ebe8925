//! Lists the objects of a store page by page, with what requests on this node wait for, and removes what a filter matches.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde::Serialize;

use crate::id::ObjectId;
use crate::request::Refused;
use crate::store::{ObjectStore, StoreError};
use crate::wait_queue::Awaited;

/// A page ends after this time, full or not.
const PAGE_TIME: Duration = Duration::from_secs(1);
/// Objects that are removed at a time.
const REMOVED_AT_A_TIME: usize = 1000;

/// Which objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Hex digits with which their ids begin.
    pub(crate) prefix: String,
    /// They were stored, or have been waited for, at least this long ago.
    pub(crate) older_than: Option<Duration>,
}

/// One line of a listing. Without a size, the object does not exist: requests wait for it. Or it cannot be read: then none do.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    id: String,
    /// Bytes.
    size: Option<u64>,
    /// Since it was stored, or since the oldest request began to wait.
    age_seconds: Option<u64>,
    /// Requests on this node that wait for it.
    waiting: u64,
}

/// A part of a listing, and where the next one begins; `None` if this is the last.
#[derive(Serialize)]
pub(crate) struct Page {
    objects: Vec<Listed>,
    next: Option<Position>,
}

/// Where a page begins. What is waited for comes first, then what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// After this ticket.
    Awaited(u64),
    /// At this position of the backend; `None` for its first.
    Stored(Option<u64>),
}

impl Position {
    pub(crate) const START: Self = Self::Awaited(0);

    /// The position in text, as a page names it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once('-') {
            Some(("waiting", ticket)) => ticket.parse().ok().map(Self::Awaited),
            Some(("stored", "")) => Some(Self::Stored(None)),
            Some(("stored", position)) => position.parse().ok().map(|position| Self::Stored(Some(position))),
            _ => None,
        }
    }
}

impl Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Awaited(ticket) => serializer.collect_str(&format_args!("waiting-{ticket}")),
            Self::Stored(None) => serializer.serialize_str("stored-"),
            Self::Stored(Some(position)) => serializer.collect_str(&format_args!("stored-{position}")),
        }
    }
}

impl ObjectStore {
    /// A page of about `limit` lines, fewer if they take long to find. In no order: an object that exists all the time is
    /// listed, perhaps twice. `only_waiting` ends the listing before what is stored.
    pub(crate) async fn list(
        &self,
        filter: &Filter,
        from: Position,
        limit: usize,
        only_waiting: bool,
    ) -> Result<Page, StoreError> {
        let (mut objects, mut next, began) = (Vec::new(), Some(from), Instant::now());
        while let Some(position) = next.filter(|_| objects.len() < limit && began.elapsed() < PAGE_TIME) {
            let missing = limit - objects.len();
            next = match position {
                Position::Awaited(ticket) => {
                    let (awaited, next) = self.backend.awaited(ticket, missing);
                    objects.extend(awaited.into_iter().filter_map(|one| filter.awaited(one)));
                    let stored = (!only_waiting).then_some(Position::Stored(None));
                    next.map(Position::Awaited).or(stored)
                }
                Position::Stored(position) => {
                    let (ids, next) = self.backend.scan(position, &filter.prefix, missing).await?;
                    let listed = try_join_all(ids.into_iter().map(|id| self.listed(id, filter))).await?;
                    objects.extend(listed.into_iter().flatten());
                    next.map(|next| Position::Stored(Some(next)))
                }
            };
        }
        Ok(Page { objects, next })
    }

    /// Removes the objects that the filter matches, and returns how many they were.
    pub(crate) async fn remove(&self, filter: &Filter) -> Result<u64, StoreError> {
        let (mut removed, mut position) = (0, None);
        loop {
            let (ids, next) = self.backend.scan(position, &filter.prefix, REMOVED_AT_A_TIME).await?;
            let removing = ids.iter().map(|id| self.delete_if_older(id, filter.older_than));
            removed +=
                try_join_all(removing).await?.into_iter().filter(|was_there| *was_there).count() as u64;
            position = next;
            if position.is_none() {
                return Ok(removed);
            }
        }
    }

    async fn listed(&self, id: ObjectId, filter: &Filter) -> Result<Option<Listed>, StoreError> {
        let (size, age) = match self.stat(&id).await {
            Ok(Some(stat)) => (Some(stat.length), stat.age),
            Ok(None) => return Ok(None),
            Err(StoreError::Refused(Refused::Damaged)) => (None, None),
            Err(error) => return Err(error),
        };
        let age_seconds = age.map(|age| age.as_secs());
        let listed = Listed { id: id.to_string(), size, age_seconds, waiting: 0 };
        Ok(filter.older_than.is_none_or(|least| age.is_some_and(|age| age >= least)).then_some(listed))
    }
}

impl Filter {
    fn awaited(&self, Awaited { ticket: _, id, requests, since }: Awaited) -> Option<Listed> {
        let is_wanted = id.begins_with(&self.prefix) && self.older_than.is_none_or(|least| since >= least);
        is_wanted.then(|| Listed {
            id: id.to_string(),
            size: None,
            age_seconds: Some(since.as_secs()),
            waiting: requests,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written() {
        for position in [Position::START, Position::Stored(None), Position::Stored(Some(7))] {
            let text = serde_json::to_value(position).unwrap();
            assert_eq!(Position::parse(text.as_str().unwrap()), Some(position));
        }
        for bad in ["", "7", "stored", "waiting-", "stored-x"] {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
    }
}
