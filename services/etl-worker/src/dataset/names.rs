use serde::Deserialize;

/// What the things of a dataset are called in reasons and logs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Words {
    /// A session, such as `game`.
    pub session: String,
    /// A member, such as `player`.
    pub member: String,
    /// An entry of the list, such as `log entry`.
    pub entry: String,
}

impl Default for Words {
    fn default() -> Self {
        let [session, member, entry] = ["session", "member", "entry"].map(str::to_owned);
        Self { session, member, entry }
    }
}

/// Where a value that has a name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The token of the session.
    Token,
    /// The member.
    Member,
    /// The number of the entry, from 1.
    Number,
    /// A value of the entry.
    OfEntry(usize),
    /// A value of the member.
    OfMember(usize),
    /// A value of the session.
    OfSession(usize),
}

/// What there is a row for, and what a name can mean there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scope {
    /// One for the session.
    Session,
    /// One for each member.
    Member,
    /// One for each entry.
    Entry,
}
