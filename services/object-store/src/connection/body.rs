//! A payload too large to be gathered with its header, on its way in.

use bytes::{BufMut, BytesMut};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::patience::PROGRESS;
use super::{End, read};
use crate::node::Node;
use crate::request::{Content, Hash};
use crate::stream::Stream;

/// What an announced payload may cost before any of it has come.
const FAITH: usize = 1 << 20;

/// Receives `length` bytes, the first of which are in `input`. The length is believed once a part of it has come.
///
/// # Errors
/// When the client goes away or stalls.
pub(super) async fn receive(
    node: &Node,
    stream: &mut Stream,
    input: &mut BytesMut,
    length: usize,
) -> Result<Content, End> {
    let mut first = BytesMut::with_capacity(length.min(FAITH));
    first.extend_from_slice(&input.split_to(input.len().min(length)));
    while first.len() < length.min(FAITH) {
        fill(node, stream, &mut first, length.min(FAITH)).await?;
    }
    let claim = Some(node.budget.claim(length).await);
    if first.len() == length {
        return Ok(Content { claim, ..Content::new(first.freeze()) });
    }
    let mut data = BytesMut::with_capacity(length);
    data.extend_from_slice(&first);
    drop(first);
    let hashing = Hashing::start();
    let mut left = length - data.len();
    while left > 0 {
        hashing.take(data.split());
        fill(node, stream, &mut data, left).await?;
        left -= data.len();
    }
    let (data, hash) = hashing.finish(data).await?;
    Ok(Content { data: data.freeze(), hash, claim })
}

/// Reads on until `data` has `until` bytes, or as many more as a client must send within the stall timeout.
async fn fill(node: &Node, stream: &mut Stream, data: &mut BytesMut, until: usize) -> Result<(), End> {
    let goal = until.min(data.len() + PROGRESS);
    let reading = async {
        while data.len() < goal {
            let left = goal - data.len();
            read(stream, &mut (&mut *data).limit(left)).await?;
        }
        Ok(())
    };
    timeout(node.limits.stall, reading).await.unwrap_or(Err(End::Stalled))
}

/// Hashes a content while the rest of it is still being received: both take as long.
struct Hashing {
    parts: mpsc::UnboundedSender<BytesMut>,
    hashed: oneshot::Receiver<(BytesMut, Hash)>,
}

impl Hashing {
    fn start() -> Self {
        let (parts, mut received) = mpsc::unbounded_channel::<BytesMut>();
        let (done, hashed) = oneshot::channel();
        // It ends with the parts: at once when the client goes.
        tokio::spawn(async move {
            let (mut hasher, mut data) = (blake3::Hasher::new(), BytesMut::new());
            while let Some(part) = received.recv().await {
                hasher.update(&part);
                // They lie one behind the other: nothing is copied.
                data.unsplit(part);
            }
            // Nobody waits for it when the client has gone.
            let _ = done.send((data, *hasher.finalize().as_bytes()));
        });
        Self { parts, hashed }
    }

    fn take(&self, part: BytesMut) {
        // The task takes parts as long as there are any.
        let _ = self.parts.send(part);
    }

    async fn finish(self, last: BytesMut) -> Result<(BytesMut, Hash), End> {
        self.take(last);
        drop(self.parts);
        // The task cannot have ended without an answer, unless the process is ending.
        self.hashed.await.map_err(|_| End::Stopped)
    }
}
