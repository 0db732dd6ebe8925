//! Receives a payload that is too large to be read together with its header.

use bytes::{BufMut, BytesMut};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::close_reason::CloseReason;
use super::socket::read;
use super::timeouts::MIN_PROGRESS;
use crate::node::Node;
use crate::object::{Content, Hash};
use crate::stream::Stream;

/// Bytes that are allocated for an announced payload before any of it has arrived.
const MAX_PREALLOCATION: usize = 1 << 20;

/// Receives `length` bytes, the first of which are in `input`. The whole length is allocated only after the first
/// [`MAX_PREALLOCATION`] bytes have arrived.
///
/// # Errors
/// When the client disconnects or stalls.
pub(super) async fn receive(
    node: &Node,
    stream: &mut Stream,
    input: &mut BytesMut,
    length: usize,
) -> Result<Content, CloseReason> {
    let mut first = BytesMut::with_capacity(length.min(MAX_PREALLOCATION));
    first.extend_from_slice(&input.split_to(input.len().min(length)));
    while first.len() < length.min(MAX_PREALLOCATION) {
        fill(node, stream, &mut first, length.min(MAX_PREALLOCATION)).await?;
    }
    let permit = Some(node.budget.acquire(length).await);
    if first.len() == length {
        return Ok(Content { permit, ..Content::new(first.freeze()) });
    }
    let mut data = BytesMut::with_capacity(length);
    data.extend_from_slice(&first);
    drop(first);
    let hasher = BackgroundHasher::start();
    let mut remaining = length - data.len();
    while remaining > 0 {
        hasher.push(data.split());
        fill(node, stream, &mut data, remaining).await?;
        remaining -= data.len();
    }
    let (data, hash) = hasher.finish(data).await?;
    Ok(Content { data: data.freeze(), hash, permit })
}

/// Reads until `data` has `until` bytes, or as many more as a client has to send within the stall timeout.
async fn fill(
    node: &Node,
    stream: &mut Stream,
    data: &mut BytesMut,
    until: usize,
) -> Result<(), CloseReason> {
    let goal = until.min(data.len() + MIN_PROGRESS);
    let reading = async {
        while data.len() < goal {
            let missing = goal - data.len();
            read(stream, &mut (&mut *data).limit(missing)).await?;
        }
        Ok(())
    };
    timeout(node.limits.stall_timeout, reading).await.unwrap_or(Err(CloseReason::Stalled))
}

/// Hashes a content in another task while the rest of it is received. Both take about as long.
struct BackgroundHasher {
    parts: mpsc::UnboundedSender<BytesMut>,
    hashed: oneshot::Receiver<(BytesMut, Hash)>,
}

impl BackgroundHasher {
    fn start() -> Self {
        let (parts, mut received) = mpsc::unbounded_channel::<BytesMut>();
        let (done, hashed) = oneshot::channel();
        // The task ends when the sender is dropped, also when the client disconnects.
        tokio::spawn(async move {
            let (mut hasher, mut data) = (blake3::Hasher::new(), BytesMut::new());
            while let Some(part) = received.recv().await {
                hasher.update(&part);
                // The parts are adjacent in memory, so nothing is copied.
                data.unsplit(part);
            }
            // Nobody receives it if the client has disconnected.
            let _ = done.send((data, *hasher.finalize().as_bytes()));
        });
        Self { parts, hashed }
    }

    fn push(&self, part: BytesMut) {
        // The task receives until the sender is dropped.
        let _ = self.parts.send(part);
    }

    async fn finish(self, last: BytesMut) -> Result<(BytesMut, Hash), CloseReason> {
        self.push(last);
        drop(self.parts);
        // The task ends without a result only when the process is ending.
        self.hashed.await.map_err(|_| CloseReason::Stopped)
    }
}
