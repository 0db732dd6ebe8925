//! Values from the path and the query.

use actix_web::web::Path;
use redis_core::id::CustomerId;

use super::error::ApiError;
use crate::time::{EpochMicros, TimeError};

/// The customer that the path names.
pub(super) fn customer_id(path: Path<String>) -> Result<CustomerId, ApiError> {
    CustomerId::parse(path.into_inner())
        .map_err(|error| ApiError::unprocessable(format!("customer_id: {error}")))
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
