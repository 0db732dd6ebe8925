//! Reading from a client's socket.

use std::io;

use bytes::BufMut;
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite;

use super::close_reason::CloseReason;
use crate::stream::Stream;

/// Size of the read buffer: at first, and after a read has filled it.
pub(super) const READ_MIN: usize = 4 << 10;
pub(super) const READ_MAX: usize = 64 << 10;

/// Reads what is available, at least one byte.
pub(super) async fn read(stream: &mut Stream, into: &mut impl BufMut) -> Result<usize, CloseReason> {
    match stream.read_buf(into).await {
        Ok(0) => Err(CloseReason::Closed),
        Ok(count) => Ok(count),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(CloseReason::Closed),
        Err(error) if error.get_ref().is_some_and(|inner| inner.is::<tungstenite::Error>()) => {
            Err(CloseReason::WebSocket)
        }
        Err(_) => Err(CloseReason::Reset),
    }
}
