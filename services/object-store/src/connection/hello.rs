//! The beginning of a connection: the client says who it is.

use std::time::Duration;

use bytes::BytesMut;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::close_reason::CloseReason;
use super::socket::{READ_MIN, read};
use super::stop::LEAVE_TIMEOUT;
use crate::limits::Limits;
use crate::stream::Stream;
use crate::ymq::Hello;

/// Time in which the hello has to come.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// Receives the hello. What came behind it stays in `buffer`.
///
/// # Errors
/// When it does not come in time, or is none, or when the node stops.
pub(super) async fn receive(
    stream: &mut Stream,
    buffer: &mut BytesMut,
    limits: &Limits,
    stopping: &CancellationToken,
) -> Result<Hello, CloseReason> {
    let receiving = async {
        loop {
            if let Some(hello) = Hello::decode(buffer)? {
                return Ok(hello);
            }
            buffer.reserve(READ_MIN);
            read(stream, buffer).await?;
        }
    };
    let stop_due = async {
        stopping.cancelled().await;
        tokio::time::sleep(LEAVE_TIMEOUT).await;
    };
    tokio::select! {
        biased;
        received = timeout(limits.stall_timeout.min(HELLO_TIMEOUT), receiving) => {
            received.unwrap_or(Err(CloseReason::Stalled))
        }
        () = stop_due => Err(CloseReason::Stopped),
    }
}
