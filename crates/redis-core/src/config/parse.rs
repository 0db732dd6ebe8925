//! Reads single settings, for clap and for serde.

use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::url as redis_url;
use super::url::RedisUrl;

pub(super) fn url<'de, D: Deserializer<'de>>(value: D) -> Result<Option<RedisUrl>, D::Error> {
    redis_url::parse(&String::deserialize(value)?).map(Some).map_err(D::Error::custom)
}

pub(super) fn file<'de, D: Deserializer<'de>>(value: D) -> Result<Option<PathBuf>, D::Error> {
    tls_client::parse_file(&String::deserialize(value)?).map(Some).map_err(D::Error::custom)
}

pub(super) fn number<'de, D: Deserializer<'de>, const MIN: u8, const MAX: u8>(
    value: D,
) -> Result<u8, D::Error> {
    parse_number::<MIN, MAX>(&String::deserialize(value)?).map_err(D::Error::custom)
}

/// A number in this range.
pub(super) fn parse_number<const MIN: u8, const MAX: u8>(text: &str) -> Result<u8, String> {
    let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
    number.ok_or_else(|| format!("must be a number from {MIN} to {MAX}"))
}
