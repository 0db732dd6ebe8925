//! The settings of a program without a command line of ours.

use std::ffi::OsString;

use super::RedisConfig;
use super::error::ConfigError;

impl RedisConfig {
    /// Reads the variables `REDIS_URL`, `REDIS_HOST` and so on of the environment: the same as a service's, with the same
    /// defaults. An empty variable counts as not set.
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
            if !value.is_empty() {
                // Alone, it can be named: every other setting has a default.
                envy::from_iter::<_, Self>([(name.to_owned(), value.clone())]).map_err(|error| {
                    let text = error.to_string();
                    let text = text.split(" while parsing value").next().unwrap_or_default();
                    ConfigError::new(format!("{name}: {text}"))
                })?;
                settings.push((name.to_owned(), value));
            }
        }
        let config: Self = envy::from_iter(settings).map_err(|error| ConfigError::new(error.to_string()))?;
        config.to_fred().map(|_| config)
    }
}
