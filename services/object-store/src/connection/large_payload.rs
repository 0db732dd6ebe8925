//! Receives a payload that is too large to be read together with its header.

use bytes::{BufMut, BytesMut};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::close_reason::CloseReason;
use super::leave::has_ended;
use super::socket::read;
use crate::budget::Claim;
use crate::node::Node;
use crate::object::{Content, Hash};
use crate::pace::Pace;
use crate::stream::Stream;

/// Bytes that are allocated for an announced payload before any of it has arrived.
const MAX_PREALLOCATION: usize = 1 << 20;
/// Bytes that are claimed of the budget and received at a time.
const STEP: usize = 256 << 10;

/// Receives `length` bytes, the first of which are in `input`. The whole length is allocated only after the first
/// [`MAX_PREALLOCATION`] bytes have arrived.
///
/// # Errors
/// When the client disconnects, is too slow, or continues on another connection.
pub(super) async fn receive(
    node: &Node,
    stream: &mut Stream,
    input: &mut BytesMut,
    length: usize,
    replaced: &CancellationToken,
) -> Result<Content, CloseReason> {
    let claim = node.budget.claim(length);
    let mut receiver =
        Receiver { stream, replaced, claim, pace: Pace::new(node.limits.stall_timeout, length), received: 0 };
    let part = length.min(MAX_PREALLOCATION);
    receiver.claim(STEP).await?;
    let mut first = BytesMut::with_capacity(part);
    first.extend_from_slice(&input.split_to(input.len().min(length)));
    receiver.received = first.len();
    while first.len() < part {
        receiver.fill(&mut first, part).await?;
    }
    if first.len() == length {
        let permit = Some(receiver.claim);
        return Ok(Content { permit, ..Content::new(first.freeze()) });
    }
    let mut data = BytesMut::with_capacity(length);
    data.extend_from_slice(&first);
    drop(first);
    let hasher = BackgroundHasher::start();
    let mut remaining = length - data.len();
    while remaining > 0 {
        hasher.push(data.split());
        receiver.fill(&mut data, remaining).await?;
        remaining -= data.len();
    }
    let (data, hash) = hasher.finish(data).await?;
    Ok(Content { data: data.freeze(), hash, permit: Some(receiver.claim), room: None })
}

struct Receiver<'a> {
    stream: &'a mut Stream,
    replaced: &'a CancellationToken,
    claim: Claim,
    pace: Pace,
    received: usize,
}

impl Receiver<'_> {
    /// Waits until `bytes` bytes may be in memory.
    async fn claim(&mut self, bytes: usize) -> Result<(), CloseReason> {
        tokio::select! {
            biased;
            () = self.claim.grow(bytes) => {}
            () = self.replaced.cancelled() => return Err(CloseReason::Replaced),
        }
        self.pace.resume();
        Ok(())
    }

    /// Reads until `data` has `until` bytes, or [`STEP`] more.
    async fn fill(&mut self, data: &mut BytesMut, until: usize) -> Result<(), CloseReason> {
        let goal = until.min(data.len() + STEP);
        self.claim(self.received + STEP).await?;
        while data.len() < goal {
            let missing = goal - data.len();
            let mut into = (&mut *data).limit(missing);
            let count = tokio::select! {
                biased;
                count = read(self.stream, &mut into) => count?,
                () = has_ended(self.replaced) => return Err(CloseReason::Replaced),
                () = tokio::time::sleep(self.pace.interval()) => 0,
            };
            self.received += count;
            self.pace.add(count);
            if data.len() < goal && self.pace.is_too_slow(self.claim.contended_for()) {
                return Err(CloseReason::Stalled);
            }
        }
        Ok(())
    }
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
