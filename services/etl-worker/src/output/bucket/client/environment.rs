//! What the variables of a provider's tools say, as far as they are no settings of ours.

use std::env;
use std::str::FromStr;

use object_store::{Error, Result};

use crate::config::is_endpoint;

/// The options that the variables with this prefix set. An empty variable is none, as everywhere in the settings.
pub(super) fn options<K: FromStr>(prefix: &str) -> impl Iterator<Item = (K, String)> {
    env::vars_os().filter_map(move |(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let key = Some(name).filter(|name| name.starts_with(prefix) && !value.is_empty())?;
        Some((key.to_ascii_lowercase().parse().ok()?, value))
    })
}

/// Refuses an address that is none, by the name of its variable: the storage's client panics at some of them.
pub(super) fn check_endpoint(store: &'static str, name: &str, address: Option<&str>) -> Result<()> {
    match address {
        Some(address) if !is_endpoint(address) => {
            Err(refused(store, format!("{name} must be http://HOST[:PORT] or https://HOST[:PORT]")))
        }
        _ => Ok(()),
    }
}

/// The error of settings that cannot be used.
pub(super) fn refused(store: &'static str, problem: impl Into<String>) -> Error {
    Error::Generic { store, source: problem.into().into() }
}
