//! A change of one Redis key.

use std::borrow::Cow;

/// What one message changes in Redis.
#[derive(Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The id, as text. The key template makes a key of it.
    pub id: Cow<'a, str>,
    /// A change of a version below one that the key has had is ignored.
    pub version: Option<u64>,
    /// What to do with the key.
    pub action: Action<'a>,
    /// The text to publish, if it differs from message to message.
    pub notification: Option<String>,
}

/// What to do with a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Set and unset fields. With `StoreAs::Json` there is one field, whose name is empty; with
    /// `StoreAs::SortedSet` there is one, whose name is the score and whose value is the member.
    Write {
        /// Fields to set, in the message's order.
        set: Vec<Field<'a>>,
        /// Fields to delete.
        unset: Vec<Cow<'a, str>>,
        /// When the key expires, if the message says it.
        expiry: Option<Expiry>,
    },
    /// Remove a member from the sorted set.
    Remove {
        /// The member.
        member: String,
    },
    /// Delete the key.
    Delete,
}

impl Change<'_> {
    /// The same, with all texts copied.
    pub(super) fn into_owned(self) -> Change<'static> {
        Change {
            id: owned(self.id),
            version: self.version,
            action: self.action.into_owned(),
            notification: self.notification,
        }
    }
}

impl Action<'_> {
    fn into_owned(self) -> Action<'static> {
        match self {
            Self::Write { set, unset, expiry } => Action::Write {
                set: set.into_iter().map(|(name, value)| (owned(name), owned(value))).collect(),
                unset: unset.into_iter().map(owned).collect(),
                expiry,
            },
            Self::Remove { member } => Action::Remove { member },
            Self::Delete => Action::Delete,
        }
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

/// When a key expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// In so many ms from now.
    AfterMs(i64),
    /// At this time, in ms since 1970.
    AtMs(i64),
}

/// A field's name and its value as Redis stores it.
pub type Field<'a> = (Cow<'a, str>, Cow<'a, str>);
