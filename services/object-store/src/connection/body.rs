//! A payload too large to be gathered with its header, on its way in.

use bytes::{BufMut, BytesMut};
use tokio::time::timeout;

use super::patience::PROGRESS;
use super::{End, read};
use crate::node::Node;
use crate::request::Content;
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
    let mut body = Body { data: Vec::with_capacity(length.min(FAITH)), hasher: blake3::Hasher::new() };
    body.data.extend_from_slice(&input.split_to(input.len().min(length)));
    body.hasher.update(&body.data);
    body.receive(node, stream, length.min(FAITH)).await?;
    let claim = node.budget.claim(length).await;
    body.data.reserve_exact(length - body.data.len());
    body.receive(node, stream, length).await?;
    Ok(Content { data: body.data.into(), hash: *body.hasher.finalize().as_bytes(), claim: Some(claim) })
}

struct Body {
    data: Vec<u8>,
    hasher: blake3::Hasher,
}

impl Body {
    async fn receive(&mut self, node: &Node, stream: &mut Stream, until: usize) -> Result<(), End> {
        while self.data.len() < until {
            let start = self.data.len();
            let goal = until.min(start + PROGRESS);
            let reading = async {
                while self.data.len() < goal {
                    let left = goal - self.data.len();
                    read(stream, &mut (&mut self.data).limit(left)).await?;
                }
                Ok(())
            };
            timeout(node.limits.stall, reading).await.unwrap_or(Err(End::Stalled))?;
            // Hashed here, where it is still in the processor's cache.
            self.hasher.update(&self.data[start..]);
        }
        Ok(())
    }
}
