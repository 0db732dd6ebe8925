//! The TOML configuration file, with the sections of the original's. Each key stands for a variable.

use std::path::Path;

use chassis::SettingError;
use chassis::settings::FileValue;
use toml::de::{DeTable, DeValue};

const SECTION: &str = "object_storage_server";
const PREFIX: &str = "OBJECT_STORE_";

/// Keys whose variable is not just `OBJECT_STORE_` and the key in upper case. `redis.` is the section inside the section.
const NAMES: [(&str, &str); 7] = [
    ("object_storage_address", "OBJECT_STORE_ADDRESS"),
    ("bind_address", "OBJECT_STORE_ADDRESS"),
    ("logging_level", "LOG_LEVEL"),
    ("listen_addr", "LISTEN_ADDR"),
    ("redis.url", "REDIS_URL"),
    ("redis.connection_pool_size", "REDIS_POOL_SIZE"),
    ("redis.max_object_size_mb", "OBJECT_STORE_MAX_OBJECT_SIZE_MB"),
];
/// Where the original writes its log. This service logs to standard error.
const IGNORED: [&str; 2] = ["logging_paths", "logging_config_file"];

/// The key that stands for a variable, if it may be in the file.
pub(crate) fn key_of(variable: &str) -> Option<String> {
    let other = NAMES.iter().find(|(_, name)| *name == variable).map(|(key, _)| (*key).to_owned());
    other.or_else(|| Some(variable.strip_prefix(PREFIX)?.to_lowercase()))
}

/// Reads the file as values of variables. Sections of other programs are ignored.
///
/// # Errors
/// When the file cannot be read, is not TOML, or has a key that `is_variable` does not know.
pub(crate) fn read(path: &Path, is_variable: impl Fn(&str) -> bool) -> Result<Vec<FileValue>, SettingError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| SettingError::new(&name, format!("cannot be read: {error}")))?;
    TomlFile { name: &name, text: &text }.values(is_variable)
}

struct TomlFile<'a> {
    name: &'a str,
    text: &'a str,
}

impl TomlFile<'_> {
    fn values(&self, is_variable: impl Fn(&str) -> bool) -> Result<Vec<FileValue>, SettingError> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let place = error.span().map_or_else(|| self.name.to_owned(), |span| self.place(span.start));
            SettingError::new(place, format!("is not TOML: {}", error.message().replace('\n', " ")))
        })?;
        let Some((key, section)) = table.get_ref().get_key_value(SECTION) else { return Ok(Vec::new()) };
        let DeValue::Table(section) = section.get_ref() else {
            let place = self.place(key.span().start);
            return Err(SettingError::new(place, format!("must have [{SECTION}] as a section")));
        };
        let mut values = Vec::new();
        for (key, value) in section {
            match value.get_ref() {
                DeValue::Table(redis) if key.get_ref() == "redis" => {
                    for (key, value) in redis {
                        let name = format!("redis.{}", key.get_ref());
                        values.push(self.value(&name, key.span().start, value.get_ref(), &is_variable)?);
                    }
                }
                _ if IGNORED.contains(&key.get_ref().as_ref()) => {}
                value => values.push(self.value(key.get_ref(), key.span().start, value, &is_variable)?),
            }
        }
        Ok(values)
    }

    fn value(
        &self,
        key: &str,
        at: usize,
        value: &DeValue<'_>,
        is_variable: impl Fn(&str) -> bool,
    ) -> Result<FileValue, SettingError> {
        let place = format!("{SECTION}.{key} in {}", self.place(at));
        let own = || format!("{PREFIX}{}", key.trim_start_matches("redis.").to_uppercase());
        let known = NAMES.iter().find(|(known, _)| *known == key);
        let variable = known.map_or_else(own, |(_, name)| (*name).to_owned());
        if !is_variable(&variable) {
            return Err(SettingError::new(place, "is not a setting"));
        }
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(yes) => yes.to_string(),
            _ => return Err(SettingError::new(place, "must be a string, an integer or a boolean")),
        };
        Ok(FileValue { variable, text, place })
    }

    /// The line of a position in the text, which is in bytes.
    fn place(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or(self.text);
        format!("line {} of {}", before.matches('\n').count() + 1, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Result<Vec<FileValue>, String> {
        let file = TomlFile { name: "f.toml", text };
        file.values(|name| name != "OBJECT_STORE_COLOUR").map_err(|invalid| invalid.to_string())
    }

    fn vars(text: &str) -> Vec<(String, String)> {
        values(text).unwrap().into_iter().map(|value| (value.variable, value.text)).collect()
    }

    #[test]
    fn the_file_of_the_contract_is_read() {
        let text = r#"
            [object_storage_server]
            object_storage_address = "tcp://127.0.0.1:2346"
            identity = "ObjectStorageServer"
            backend = "redis"
            [object_storage_server.redis]
            url = "redis://localhost:6379/0"
            max_object_size_mb = 100
            key_prefix = "scaler:obj:"
            connection_pool_size = 10
            [scheduler]
            anything = [1, 2]
        "#;
        let expected = [
            ("OBJECT_STORE_ADDRESS", "tcp://127.0.0.1:2346"),
            ("OBJECT_STORE_IDENTITY", "ObjectStorageServer"),
            ("OBJECT_STORE_BACKEND", "redis"),
            ("REDIS_URL", "redis://localhost:6379/0"),
            ("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "100"),
            ("OBJECT_STORE_KEY_PREFIX", "scaler:obj:"),
            ("REDIS_POOL_SIZE", "10"),
        ];
        assert_eq!(vars(text), expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        let renamed = "[object_storage_server]\nbind_address = 'tcp://h:1'";
        assert_eq!(vars(renamed)[0].0, "OBJECT_STORE_ADDRESS");
        let place = "object_storage_server.bind_address in line 2 of f.toml";
        assert_eq!(values(renamed).unwrap()[0].place, place);
    }

    #[test]
    fn an_error_names_what_cannot_be_used() {
        let bad = |text: &str| values(text).unwrap_err();
        assert_eq!(
            bad("[object_storage_server]\n\ncolour = 1"),
            "object_storage_server.colour in line 3 of f.toml is not a setting"
        );
        assert_eq!(
            bad("[object_storage_server.redis]\nurl = [1]"),
            "object_storage_server.redis.url in line 2 of f.toml must be a string, an integer or a boolean"
        );
        assert!(bad("\nobject_storage_server = 1").starts_with("line 2 of f.toml must have"));
        assert!(bad("a = 1\n[").starts_with("line 2 of f.toml is not TOML: "));
    }

    #[test]
    fn each_variable_has_a_key_that_is_read_as_that_variable() {
        for variable in ["OBJECT_STORE_ADDRESS", "OBJECT_STORE_CACHE_SIZE", "REDIS_URL", "LOG_LEVEL"] {
            let key = key_of(variable).unwrap();
            assert_eq!(vars(&format!("[object_storage_server]\n{key} = 'x'"))[0].0, variable);
        }
        assert_eq!(key_of("RUST_LOG"), None);
    }
}
