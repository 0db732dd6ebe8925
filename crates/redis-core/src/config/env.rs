//! The settings of a program without a command line of ours.

use std::ffi::OsString;

use super::RedisConfig;
use super::error::ConfigError;

impl RedisConfig {
    /// Reads the variables `REDIS_URL`, `REDIS_HOST` and so on of the environment: the same as a service's, with the same
    /// defaults. An empty variable counts as not set. `REDIS_URL_FILE` and `REDIS_PASSWORD_FILE` name files with the secret.
    ///
    /// # Errors
    /// The first variable that cannot be used, by its name. A password is never in the message.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(std::env::vars_os())
    }

    pub(super) fn from_vars(vars: impl Iterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let mut settings = Vec::new();
        for (name, value) in vars {
            let Some(name) = name.to_str().filter(|name| name.starts_with("REDIS_")) else { continue };
            let value = value.into_string();
            let value = value.map_err(|_| ConfigError::new(format!("{name}: must be text in UTF-8")))?;
            if value.is_empty() {
                continue;
            }
            let (name, value) = match name.strip_suffix("_FILE") {
                Some(secret) if SECRETS.contains(&secret) => (secret, read_secret(name, &value)?),
                _ => (name, value),
            };
            if settings.iter().any(|(known, _)| known == name) {
                return Err(ConfigError::new(format!("{name} and {name}_FILE must not both be set")));
            }
            // Alone, it can be named: every other setting has a default.
            envy::from_iter::<_, Self>([(name.to_owned(), value.clone())]).map_err(|error| {
                let text = error.to_string();
                let text = text.split(" while parsing value").next().unwrap_or_default();
                ConfigError::new(format!("{name}: {text}"))
            })?;
            settings.push((name.to_owned(), value));
        }
        let config: Self = envy::from_iter(settings).map_err(|error| ConfigError::new(error.to_string()))?;
        config.to_fred().map(|_| config)
    }
}

/// The variables that may come from a file, as a service's: `REDIS_PASSWORD_FILE` names it.
const SECRETS: [&str; 3] = ["REDIS_URL", "REDIS_PASSWORD", "REDIS_PASS"];

fn read_secret(name: &str, path: &str) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| ConfigError::new(format!("{name}: read {path}: {error}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
