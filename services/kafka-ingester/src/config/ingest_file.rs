//! The file of `INGEST_CONFIG`: what is done with the messages of each topic.

use std::collections::HashSet;
use std::path::Path;

use chassis::settings::{self, FileValue, SettingError};
use clap::{Args, Command};
use toml::de::{DeTable, DeValue};

use super::mapping::MappingConfig;
use crate::mappings::Mappings;
use crate::topic_selector::TopicSelector;

/// A table `[[topic]]`: the topic's name, and the settings of messages.
#[derive(Args)]
struct TopicTable {
    #[arg(long, env = "NAME")]
    name: TopicSelector,
    #[command(flatten)]
    mapping: MappingConfig,
}

/// Reads the file.
///
/// # Errors
/// Names the line of what cannot be used.
pub(super) fn read(path: &Path) -> Result<Mappings, SettingError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| SettingError::new("INGEST_CONFIG", format!("must be a file: {name}: {error}")))?;
    parse(&name, &text)
}

/// Reads the text of a file with this name.
///
/// # Errors
/// Names the line of what cannot be used.
pub(super) fn parse(name: &str, text: &str) -> Result<Mappings, SettingError> {
    IngestFile { name, text }.mappings()
}

struct IngestFile<'a> {
    name: &'a str,
    text: &'a str,
}

impl IngestFile<'_> {
    fn mappings(&self) -> Result<Mappings, SettingError> {
        let file = DeTable::parse(self.text).map_err(|error| {
            let place = self.place(error.span().map_or(0, |span| span.start));
            SettingError::new(place, format!("is not TOML: {}", error.message().replace('\n', " ")))
        })?;
        if let Some((key, _)) = file.get_ref().iter().find(|(key, _)| key.get_ref() != TOPIC) {
            return Err(SettingError::new(self.place(key.span().start), MUST_BE_TABLES));
        }
        let tables = file.get_ref().get(TOPIC);
        let Some(DeValue::Array(tables)) = tables.map(toml::Spanned::get_ref) else {
            return Err(SettingError::new(
                self.place(tables.map_or(0, |value| value.span().start)),
                MUST_BE_TABLES,
            ));
        };
        let (mut mappings, mut names) = (Vec::new(), HashSet::new());
        for table in tables {
            let place = self.place(table.span().start);
            let DeValue::Table(entries) = table.get_ref() else {
                return Err(SettingError::new(place, MUST_BE_TABLES));
            };
            let convert = |table: TopicTable| Ok((table.name, table.mapping.policy()?));
            let (topic, policy) = settings::section_from_file(self.values(entries)?, &place, convert)?;
            if !names.insert(topic.to_string()) {
                return Err(SettingError::new(place, format!("must not have {topic} a second time")));
            }
            mappings.push((topic, policy));
        }
        Ok(Mappings::of_each(mappings))
    }

    /// The keys of a table, as the variables that they stand for.
    fn values(&self, table: &DeTable<'_>) -> Result<Vec<FileValue>, SettingError> {
        let known = TopicTable::augment_args(Command::new(TOPIC));
        let value = |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &toml::Spanned<DeValue<'_>>)| {
            let place = format!("{} in {}", key.get_ref(), self.place(key.span().start));
            let variable = key.get_ref().to_uppercase();
            let is_lowercase = !key.get_ref().contains(|c: char| c.is_ascii_uppercase());
            if !is_lowercase || !known.get_arguments().any(|arg| arg.get_env() == Some(variable.as_ref())) {
                return Err(SettingError::new(place, "is no setting of a topic"));
            }
            match value.get_ref() {
                DeValue::String(text) => Ok(FileValue { variable, text: text.to_string(), place }),
                DeValue::Integer(number) => Ok(FileValue { variable, text: number.to_string(), place }),
                _ => Err(SettingError::new(place, "must be a string or an integer")),
            }
        };
        table.iter().map(value).collect()
    }

    /// The line of a position in the text, which is in bytes.
    fn place(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or(self.text);
        format!("line {} of {}", before.matches('\n').count() + 1, self.name)
    }
}

const TOPIC: &str = "topic";
const MUST_BE_TABLES: &str = "must be [[topic]], a table for each topic or pattern";

#[cfg(test)]
mod tests {
    use super::*;

    fn mappings(text: &str) -> Result<Mappings, String> {
        parse("f.toml", text).map_err(|error| error.to_string())
    }

    #[test]
    fn each_topic_has_its_own_settings() {
        let text = r#"
            [[topic]]
            name = '^sensors\..*'
            key_template = "sensor:{topic}"
            [[topic]]
            name = "sensors.hot"
            id_set = "none"
            key_ttl = "1h"
            stream_max = 7
        "#;
        let mappings = mappings(text).unwrap();
        let template = |topic| mappings.policy_of(topic).map(|policy| policy.key_template.key("x"));
        assert_eq!(template("sensors.cold"), Some("sensor:x".to_owned()));
        // The name goes before the pattern.
        assert_eq!(template("sensors.hot"), Some("battery:x:data".to_owned()));
        for other in ["my.sensors.cold", "sensors", "__sensors."] {
            assert_eq!(template(other), None);
        }
        assert_eq!((mappings.names(), mappings.has_patterns()), (vec!["sensors.hot".to_owned()], true));
        let hot = mappings.policy_of("sensors.hot").unwrap();
        assert_eq!((&hot.id_set, hot.stream_max), (&None, 7));
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        let topic = "[[topic]]\nname = 't'\n";
        for (text, reason) in [
            ("[[topic", "line 1 of f.toml is not TOML: "),
            ("", "line 1 of f.toml must be [[topic]]"),
            ("\n[topics]\nx = 1", "line 2 of f.toml must be [[topic]]"),
            ("[topic]\nname = 't'", "line 1 of f.toml must be [[topic]]"),
            ("[[topic]]\nkey_ttl = '1h'", "line 1 of f.toml (NAME) must be set"),
            ("[[topic]]\nname = 'a b'", "name in line 2 of f.toml (NAME) must be 1 to 249 of "),
            ("[[topic]]\nname = '^('", "name in line 2 of f.toml (NAME) must be a regular expression: ^("),
            (&format!("{topic}colour = 1"), "colour in line 3 of f.toml is no setting of a topic"),
            (&format!("{topic}KEY_TTL = '1h'"), "KEY_TTL in line 3 of f.toml is no setting of a topic"),
            (&format!("{topic}nested = [1]"), "nested in line 3 of f.toml must be a string or an integer"),
            (
                &format!("{topic}nested = 'x'"),
                "nested in line 3 of f.toml (NESTED) must be one of json, flatten, reject",
            ),
            (
                &format!("{topic}store_as = 'json'\nnulls = 'delete'"),
                "nulls in line 4 of f.toml (NULLS) must be store",
            ),
            (&format!("{topic}{topic}"), "line 3 of f.toml must not have t a second time"),
        ] {
            let error = mappings(text).unwrap_err();
            assert!(error.starts_with(reason), "{text}: {error}");
        }
    }
}
