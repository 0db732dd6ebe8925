//! Receives the body of a PUT, within the transfer budget.

use actix_web::web::Payload;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::error::ApiError;
use crate::budget::BudgetPermit;
use crate::node::Node;
use crate::request::Refused;

/// Bytes that are received before any of the budget is claimed, and that a body of unknown length claims at a time.
const STEP: usize = 1 << 20;
/// Bytes that a slow client has to send within the stall timeout.
const MIN_PROGRESS: usize = 256 << 10;

/// Receives a body of at most `max` bytes. Only a client that has sent some of it claims a part of the budget: for the length
/// that it announced, or else for what it has sent.
pub(super) async fn receive(
    node: &Node,
    mut payload: Payload,
    announced: Option<usize>,
    max: usize,
) -> Result<(Vec<u8>, Vec<BudgetPermit>), ApiError> {
    let (mut data, mut permits, mut turn) = (Vec::new(), Vec::new(), None);
    // Bytes that may be received before more is claimed.
    let mut allowed = STEP;
    let next_deadline = || Instant::now() + node.limits.stall_timeout;
    let (mut deadline, mut goal) = (next_deadline(), MIN_PROGRESS);
    while let Some(part) = timeout_at(deadline, payload.next()).await.map_err(|_| ApiError::UnreadableBody)? {
        let part = part.map_err(|_| ApiError::UnreadableBody)?;
        if part.len() > max - data.len() {
            return Err(ApiError::Refused(Refused::TooLarge));
        }
        while data.len() + part.len() > allowed {
            if let Some(length) = announced {
                permits.push(node.budget.acquire(length).await);
                allowed = max;
            } else {
                if turn.is_none() {
                    turn = Some(node.budget.turn_to_grow().await);
                }
                permits.push(node.budget.acquire(STEP).await);
                allowed += STEP;
            }
            deadline = next_deadline();
        }
        data.extend_from_slice(&part);
        if data.len() >= goal {
            (deadline, goal) = (next_deadline(), data.len() + MIN_PROGRESS);
        }
    }
    Ok((data, permits))
}
