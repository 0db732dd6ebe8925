//! Avro by a schema, as JSON text.
//!
//! apache-avro parses schemas. Its reader of values is not used: a few kilobytes of a schema that holds itself overflow its
//! stack, which ends the process, and making its values alone takes more than twice as long as this reader needs for the text.

mod decimal;
mod plan;
mod reader;
mod time;

use super::input::Input;
use crate::message::bad_message::BadMessage;
use plan::Plan;

/// An Avro schema, ready to decode with.
#[derive(Debug)]
pub struct AvroSchema {
    text: String,
    plan: Plan,
}

impl AvroSchema {
    /// `references` are the names and texts of the schemas that it names.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str, references: &[(String, String)]) -> Result<Self, String> {
        let texts = references.iter().map(|(_, text)| text.as_str());
        let parsed = apache_avro::Schema::parse_str_with_list(text, texts);
        let (schema, named) = parsed.map_err(|error| error.to_string())?;
        Ok(Self { text: text.to_owned(), plan: Plan::new(&schema, &named)? })
    }

    /// The JSON text of a message.
    pub(super) fn to_json(&self, bytes: &[u8]) -> Result<Vec<u8>, BadMessage> {
        let (mut input, mut out) = (Input(bytes), Vec::with_capacity(bytes.len() * 4));
        let read = reader::push_value(&self.plan, &mut input, &mut out).and_then(|()| input.finish());
        read.map_err(BadMessage::NotAvro)?;
        Ok(out)
    }
}

impl PartialEq for AvroSchema {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for AvroSchema {}
