//! The fields of a message, after the policies for nulls and nested values.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::bad_message::BadMessage;
use super::change::Field;
use super::json::{self, JsonType, RawField};
use super::policy::{Nested, Nulls, Policy};

/// The fields that a message sets and unsets.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) set: Vec<RawField<'a>>,
    pub(super) unset: Vec<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    /// Applies the policies to the fields of a message.
    pub(super) fn resolve(policy: &Policy, raw_fields: Vec<RawField<'a>>) -> Result<Self, BadMessage> {
        let mut fields = Self { set: Vec::with_capacity(raw_fields.len()), unset: Vec::new() };
        for (name, value) in raw_fields {
            fields.add(policy, name, value, MAX_DEPTH)?;
        }
        Ok(fields)
    }

    /// Takes the fields to set, with their values as Redis stores them.
    pub(super) fn take_set(&mut self) -> Result<Vec<Field<'a>>, BadMessage> {
        self.set.drain(..).map(|(name, value)| Ok((name, json::redis_text(value)?))).collect()
    }

    /// `depth` is how many more levels may be flattened.
    fn add(
        &mut self,
        policy: &Policy,
        name: Cow<'a, str>,
        value: &'a RawValue,
        depth: u8,
    ) -> Result<(), BadMessage> {
        match json::json_type(value) {
            JsonType::Null if policy.nulls == Nulls::Skip => {}
            JsonType::Null if policy.nulls == Nulls::Delete => self.unset.push(name),
            JsonType::Object | JsonType::Array if policy.nested == Nested::Reject => {
                return Err(BadMessage::Nested(name.into_owned()));
            }
            JsonType::Object if policy.nested == Nested::Flatten => {
                let Some(depth) = depth.checked_sub(1) else {
                    return Err(BadMessage::Nested(name.into_owned()));
                };
                for (inner_name, value) in json::parse_object(value.get())? {
                    self.add(policy, Cow::Owned(format!("{name}.{inner_name}")), value, depth)?;
                }
            }
            _ => self.set.push((name, value)),
        }
        Ok(())
    }
}

/// How many levels of objects are flattened.
const MAX_DEPTH: u8 = 32;
