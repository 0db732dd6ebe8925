//! Payloads: JSON with placeholders, `{"id":{id},"at":"{x}/{y}"}`.

use std::str::FromStr;
use std::sync::Arc;

use redis_core::id::CustomerId;
use serde::de::IgnoredAny;

use super::field::Field;
use crate::event::CustomerStep;
use crate::scenario::{Step, StepKind};
use crate::time::EpochMicros;

/// JSON in which `{name}` stands for a field: as a value of its type, or within a text as text.
#[derive(Debug, Clone)]
pub(crate) struct PayloadTemplate {
    prefix: String,
    /// Each placeholder with the text after it.
    parts: Vec<(Placeholder, String)>,
}

#[derive(Debug, Clone, Copy)]
struct Placeholder {
    field: Field,
    is_in_text: bool,
}

impl PayloadTemplate {
    /// The payload of a step.
    pub(crate) fn render(&self, step: &CustomerStep) -> Vec<u8> {
        let mut payload = self.prefix.clone();
        for (Placeholder { field, is_in_text }, after) in &self.parts {
            if field.is_number() {
                // Writing to a text cannot fail.
                let _ = field.write(step, &mut payload);
            } else {
                let mut text = String::new();
                let _ = field.write(step, &mut text);
                let json = serde_json::to_string(&text).unwrap_or_default();
                payload.push_str(if *is_in_text { &json[1..json.len() - 1] } else { &json });
            }
            payload.push_str(after);
        }
        payload.into_bytes()
    }

    /// The text after the last placeholder, or the prefix if there is none yet.
    fn last_text(&mut self) -> &mut String {
        self.parts.last_mut().map_or(&mut self.prefix, |(_, after)| after)
    }
}

impl FromStr for PayloadTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut template = Self { prefix: String::new(), parts: Vec::new() };
        let (mut is_in_text, mut rest) = (false, text);
        while let Some(next) = rest.chars().next() {
            if let Some((name, after)) = placeholder(rest) {
                let found = Placeholder { field: Field::parse(name)?, is_in_text };
                template.parts.push((found, String::new()));
                rest = after;
                continue;
            }
            let escaped = is_in_text && next == '\\';
            is_in_text ^= next == '"';
            let taken = rest.char_indices().nth(1 + usize::from(escaped)).map_or(rest.len(), |(at, _)| at);
            template.last_text().push_str(&rest[..taken]);
            rest = &rest[taken..];
        }
        match serde_json::from_slice::<IgnoredAny>(&template.render(&example()?)) {
            Ok(_) => Ok(template),
            Err(error) => Err(format!("must be JSON, such as {{\"id\":{{id}},\"ts\":{{ts}}}}: {error}")),
        }
    }
}

/// The name at the beginning of the text, if it is one in braces, and what follows. JSON has no name after a brace.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some((name, after))
}

/// A step, to try a template with.
fn example() -> Result<CustomerStep, String> {
    let customer = CustomerId::parse("\"").map_err(|error| error.to_string())?;
    let step = Step { time: EpochMicros::default(), x: 0, y: 0, kind: StepKind::Move };
    Ok(CustomerStep { customer: Arc::new(customer), step })
}
