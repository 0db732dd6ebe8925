//! A change of one Redis key.

use std::borrow::Cow;

/// What one message changes in Redis.
#[derive(Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The id, as text. The key template makes a key of it.
    pub id: Cow<'a, str>,
    /// What to do with the key.
    pub action: Action<'a>,
    /// The text to publish, if it differs from message to message.
    pub notification: Option<String>,
}

/// What to do with a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Set and unset fields. With `StoreAs::Json` there is one field, whose name is empty.
    Write {
        /// Fields to set, in the message's order.
        set: Vec<Field<'a>>,
        /// Fields to delete.
        unset: Vec<Cow<'a, str>>,
    },
    /// Delete the key.
    Delete,
}

/// A field's name and its value as Redis stores it.
pub type Field<'a> = (Cow<'a, str>, Cow<'a, str>);
