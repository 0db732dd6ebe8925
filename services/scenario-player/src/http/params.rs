//! Values from the path and the query.

use actix_web::web::Path;
use redis_core::id::CustomerId;

use super::error::ApiError;
use super::wire::{MAX_RATE, RATE_RANGE};
use crate::playback::Speed;
use crate::time::{EpochMicros, TimeError};

/// The customer that the path names.
pub(super) fn customer_id(path: Path<String>) -> Result<CustomerId, ApiError> {
    CustomerId::parse(path.into_inner())
        .map_err(|error| ApiError::unprocessable(format!("customer_id: {error}")))
}

/// The most entries of a list that a client wants: 50 unless it says otherwise.
pub(super) fn limit(text: Option<&str>) -> Result<usize, ApiError> {
    let limit = text.map_or(Some(50), |text| text.parse().ok());
    limit
        .filter(|limit| (1..=1000).contains(limit))
        .ok_or_else(|| ApiError::unprocessable("limit: must be a whole number from 1 to 1000"))
}

/// A speed: a factor, or `max`.
pub(super) fn speed(text: &str) -> Result<Speed, ApiError> {
    let speed = if text == MAX_RATE { Some(Speed::MAX) } else { text.parse().ok().and_then(Speed::new) };
    speed.ok_or_else(|| ApiError::unprocessable(format!("speed: {RATE_RANGE}")))
}

/// A time: ISO 8601, or a number since the epoch. A `+` in a query that is not percent-encoded arrives as a space.
pub(super) fn parse_time(text: &str) -> Result<EpochMicros, TimeError> {
    match text.parse::<f64>() {
        Ok(number) => EpochMicros::from_number(number),
        Err(_) => EpochMicros::parse(text).or_else(|error| match text.rsplit_once(' ') {
            Some((time, zone)) => EpochMicros::parse(&format!("{time}+{zone}")),
            None => Err(error),
        }),
    }
}
