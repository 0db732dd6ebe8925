//! What the variables of a provider's tools say, as far as they are no settings of ours.

use std::env;
use std::error::Error as StdError;
use std::str::FromStr;

use object_store::{Error, Result};

use crate::config::is_endpoint;

/// The variables that are not empty: an empty variable is none, as everywhere in the settings.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    let texts = env::vars_os().map(|(name, value)| (name.into_string(), value.into_string()));
    texts.filter_map(|text| match text {
        (Ok(name), Ok(value)) if !value.is_empty() => Some((name, value)),
        _ => None,
    })
}

/// The options that the variables with this prefix set.
pub(super) fn options<K: FromStr>(prefix: &str) -> impl Iterator<Item = (K, String)> {
    let named = variables().filter(move |(name, _)| name.starts_with(prefix));
    named.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)))
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

/// An error and what caused it, each said once.
pub(super) fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
