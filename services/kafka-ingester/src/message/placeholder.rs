//! Names of the parts of a message: `actor.login`, `key.id`, `header.region`, `timestamp`.

use std::str::FromStr;

use super::path::Path;

/// What stands for a part of a message, such as `actor.login`, `header.region` or `timestamp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    pub(super) name: String,
    pub(super) source: Source,
}

/// Where the text of a placeholder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// `actor.login` or `value.actor.login`: a field of the value.
    Field(Path),
    /// `key`: the Kafka key.
    Key,
    /// `key.id`: a field of the Kafka key, which is JSON.
    KeyField(Path),
    /// `header.NAME`.
    Header(String),
    /// `topic`.
    Topic,
    /// `partition`.
    Partition,
    /// `timestamp`, in ms since 1970.
    Timestamp,
}

impl Placeholder {
    /// True if it is a header.
    pub(super) fn is_header(&self) -> bool {
        matches!(self.source, Source::Header(_))
    }

    /// True if it is the Kafka key or a field of it.
    pub(super) fn is_key(&self) -> bool {
        matches!(self.source, Source::Key | Source::KeyField(_))
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        match &self.source {
            Source::Field(_) => format!("the field {}", self.name.trim_start_matches("value.")),
            Source::Key => "the Kafka key".to_owned(),
            Source::KeyField(_) => format!("the field {} of the Kafka key", &self.name["key.".len()..]),
            Source::Header(name) => format!("the header {name}"),
            Source::Topic | Source::Partition | Source::Timestamp => format!("the {}", self.name),
        }
    }
}

impl FromStr for Placeholder {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let source = match name {
            "key" => Source::Key,
            "topic" => Source::Topic,
            "partition" => Source::Partition,
            "timestamp" => Source::Timestamp,
            _ => match name.split_once('.') {
                Some(("key", path)) => Source::KeyField(path.parse()?),
                Some(("value", path)) => Source::Field(path.parse()?),
                Some(("header", header)) if !header.is_empty() => Source::Header(header.to_owned()),
                _ => Source::Field(name.parse()?),
            },
        };
        Ok(Self { name: name.to_owned(), source })
    }
}
