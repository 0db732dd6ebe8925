//! The TOML configuration file, with the sections of the original's. Each key stands for a variable.

use std::path::Path;

use chassis::SettingError;
use toml::{Table, Value};

const SECTION: &str = "object_storage_server";

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

/// Reads the file as variables. Sections of other programs are ignored.
///
/// # Errors
/// When the file cannot be read, is not TOML, or has a key that `is_variable` does not know.
pub(crate) fn read(
    path: &Path,
    is_variable: impl Fn(&str) -> bool,
) -> Result<Vec<(String, String)>, SettingError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| SettingError::new(&file, format!("cannot be read: {error}")))?;
    parse(&file, &text, is_variable)
}

fn parse(
    file: &str,
    text: &str,
    is_variable: impl Fn(&str) -> bool,
) -> Result<Vec<(String, String)>, SettingError> {
    let table: Table = text.parse().map_err(|error| SettingError::new(file, one_line(&error)))?;
    let empty = Table::new();
    let section = match table.get(SECTION) {
        Some(Value::Table(section)) => section,
        Some(_) => return Err(SettingError::new(file, format!("must have [{SECTION}] as a section"))),
        None => &empty,
    };
    let mut vars = Vec::new();
    for (key, value) in section {
        match value {
            Value::Table(redis) if key == "redis" => {
                for (key, value) in redis {
                    vars.push(variable(file, &format!("redis.{key}"), value, &is_variable)?);
                }
            }
            _ if IGNORED.contains(&key.as_str()) => {}
            value => vars.push(variable(file, key, value, &is_variable)?),
        }
    }
    Ok(vars)
}

fn variable(
    file: &str,
    key: &str,
    value: &Value,
    is_variable: impl Fn(&str) -> bool,
) -> Result<(String, String), SettingError> {
    let fail = |problem: &str| SettingError::new(file, format!("has {SECTION}.{key}, {problem}"));
    let own = || format!("OBJECT_STORE_{}", key.trim_start_matches("redis.").to_uppercase());
    let name = NAMES.iter().find(|(known, _)| *known == key).map_or_else(own, |(_, name)| (*name).to_owned());
    if !is_variable(&name) {
        return Err(fail("which is not a setting"));
    }
    match value {
        Value::String(text) => Ok((name, text.clone())),
        Value::Integer(number) => Ok((name, number.to_string())),
        Value::Boolean(yes) => Ok((name, yes.to_string())),
        _ => Err(fail("which must be a string, an integer or a boolean")),
    }
}

fn one_line(error: &toml::de::Error) -> String {
    format!("is not TOML: {}", error.message().replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(text: &str) -> Result<Vec<(String, String)>, String> {
        parse("f.toml", text, |name| name != "OBJECT_STORE_COLOUR").map_err(|invalid| invalid.to_string())
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
        assert_eq!(vars(text).unwrap(), expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        let renamed = "[object_storage_server]\nbind_address = 'tcp://h:1'";
        assert_eq!(vars(renamed).unwrap()[0].0, "OBJECT_STORE_ADDRESS");
    }

    #[test]
    fn an_error_names_what_cannot_be_used() {
        let bad = |text: &str| vars(text).unwrap_err();
        assert_eq!(
            bad("[object_storage_server]\ncolour = 1"),
            "f.toml has object_storage_server.colour, which is not a setting"
        );
        assert!(
            bad("[object_storage_server]\nidentity = [1]")
                .contains("object_storage_server.identity, which must be")
        );
        assert!(bad("object_storage_server = 1").contains("as a section"));
        assert!(bad("[").starts_with("f.toml is not TOML: "));
    }
}
