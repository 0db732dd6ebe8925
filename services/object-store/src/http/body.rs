//! Receives the body of a PUT, within the transfer budget.

use actix_web::web::Payload;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::error::ApiError;
use crate::budget::{Claim, SMALL_MAX};
use crate::node::Node;
use crate::pace::Pace;
use crate::request::Refused;

/// Bytes that are claimed of the budget at a time.
const STEP: usize = 256 << 10;

/// Receives a body of at most `max` bytes, and claims what it has received. Without an announced length it may become as long
/// as any object.
pub(super) async fn receive(
    node: &Node,
    payload: &mut Payload,
    announced: Option<usize>,
    max: usize,
) -> Result<(Vec<u8>, Claim), ApiError> {
    let mut data = Vec::new();
    let mut most = announced.unwrap_or(SMALL_MAX.min(max));
    let mut claim = node.budget.claim(most);
    let mut pace = Pace::new(node.limits.stall_timeout, announced.unwrap_or(max));
    loop {
        let part = match timeout(pace.interval(), payload.next()).await {
            Ok(Some(part)) => part.map_err(|_| ApiError::UnreadableBody)?,
            Ok(None) => return Ok((data, claim)),
            Err(_) if pace.is_too_slow(claim.contended_for()) => return Err(ApiError::UnreadableBody),
            Err(_) => continue,
        };
        let length = data.len() + part.len();
        if length > max {
            return Err(ApiError::Refused(Refused::TooLarge));
        }
        pace.add(part.len());
        if pace.is_too_slow(claim.contended_for()) {
            return Err(ApiError::UnreadableBody);
        }
        if length > most {
            most = max;
            claim = node.budget.claim(most);
        }
        if length > data.len().next_multiple_of(STEP) {
            claim.grow(length.next_multiple_of(STEP)).await;
            pace.resume();
        }
        if length > SMALL_MAX && data.len() <= SMALL_MAX {
            data.reserve_exact(announced.unwrap_or(length) - data.len());
        }
        data.extend_from_slice(&part);
    }
}
