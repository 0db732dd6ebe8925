//! Objects that were read from Redis or from a file, and are being sent over HTTP, within the budget. All who get a content of
//! Redis at the same time share its bytes and one claim.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::budget::{Claim, TransferBudget};
use crate::object::Object;
use crate::request::{ContentLocation, RemoteObject};

/// The contents that are being sent, by the name of their upload.
pub(crate) struct SharedReads {
    budget: TransferBudget,
    by_upload: Mutex<HashMap<Arc<str>, Weak<OnceCell<Read>>>>,
}

/// An object, or none if it no longer exists, and what it has of the budget.
struct Read {
    object: Option<Object>,
    claim: Claim,
}

/// Keeps what an object has of the budget while it is being sent.
pub(crate) struct ReadClaim(Arc<OnceCell<Read>>);

impl SharedReads {
    pub(crate) fn new(budget: TransferBudget) -> Self {
        Self { budget, by_upload: Mutex::default() }
    }

    /// An object that is read with `read`, unless somebody else has just read its content.
    pub(crate) async fn get(
        &self,
        remote: &RemoteObject,
        read: impl Future<Output = Option<Object>>,
    ) -> (Option<Object>, ReadClaim) {
        let cell = match &remote.location {
            // The content of an upload never changes.
            ContentLocation::Chunks { upload, .. } => self.cell(upload),
            ContentLocation::Legacy(_) | ContentLocation::Spilled(_) => Arc::default(),
        };
        let length = usize::try_from(remote.length).unwrap_or(usize::MAX);
        let reading = async {
            let claim = self.budget.acquire(length).await;
            Read { object: read.await, claim }
        };
        let mut object = cell.get_or_init(|| reading).await.object.clone();
        if let (Some(object), ContentLocation::Chunks { metadata, .. }) = (&mut object, &remote.location) {
            object.metadata = metadata.clone();
        }
        (object, ReadClaim(cell))
    }

    fn cell(&self, upload: &Arc<str>) -> Arc<OnceCell<Read>> {
        let mut by_upload = self.by_upload.lock();
        if let Some(cell) = by_upload.get(upload).and_then(Weak::upgrade) {
            return cell;
        }
        by_upload.retain(|_, cell| cell.strong_count() > 0);
        let cell = Arc::default();
        by_upload.insert(Arc::clone(upload), Arc::downgrade(&cell));
        cell
    }
}

impl ReadClaim {
    /// For how long others have been waiting for memory, see [`Claim::contended_for`].
    pub(crate) fn contended_for(&self) -> Option<Duration> {
        self.0.get().and_then(|read| read.claim.contended_for())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[tokio::test]
    async fn all_who_get_a_content_share_one_read_and_one_claim_and_each_has_its_metadata() {
        let length = 2 << 20;
        let reads = SharedReads::new(TransferBudget::new(length + 1));
        let remote = |metadata| {
            let (upload, metadata) = ("0123456789abcdef".into(), Bytes::from_static(metadata));
            RemoteObject {
                length,
                location: ContentLocation::Chunks { partition: 0, upload, hash: [7; 32], metadata },
            }
        };
        let read = Object { data: Bytes::from_static(b"read"), metadata: Bytes::from_static(b"one") };
        let (first, kept) = reads.get(&remote(b"one"), async { Some(read.clone()) }).await;
        let (second, other) = reads.get(&remote(b"two"), async { unreachable!("it was read") }).await;
        assert_eq!(first.as_ref(), Some(&read));
        assert_eq!(second, Some(Object { metadata: Bytes::from_static(b"two"), ..read }));
        drop(kept);
        assert!(other.contended_for().is_none());
        let mut claim = reads.budget.claim(length as usize);
        let grown = tokio::time::timeout(Duration::from_millis(20), claim.grow(length as usize));
        assert!(grown.await.is_err(), "the budget is taken");
        drop((claim, other));
        let (again, _) = reads.get(&remote(b"one"), async { None }).await;
        assert_eq!(again, None, "nobody had it any more, so it was read again");
    }
}
