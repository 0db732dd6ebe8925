//! Makes room in memory by writing contents to files, and brings them back.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::MemoryBackend;
use crate::object::{Content, Object};
use crate::room::Room;
use crate::spill::{SpillFolder, Spilled};

/// The part of the memory (1 / 64) that is freed at a time, if less is needed.
const FREED_PART: u64 = 64;

impl MemoryBackend {
    /// Makes room for a content that is to be stored, if contents are spilled and it is not known. `None` if there is no room,
    /// or none is needed.
    pub(crate) async fn make_room_for(self: &Arc<Self>, content: &Content) -> Option<Room> {
        let folder = self.spill.as_ref()?;
        let is_known = self.state.lock().contents.find(content).is_some();
        if is_known { None } else { self.make_room(folder, content.data.len() as u64).await }
    }

    /// Frees memory until there is room. `None` if there cannot be. Whoever stores waits for the disk, so memory does not grow
    /// meanwhile.
    async fn make_room(self: &Arc<Self>, folder: &Arc<SpillFolder>, bytes: u64) -> Option<Room> {
        loop {
            if let Some(room) = self.reserve(bytes) {
                return Some(room);
            }
            let turn = Arc::clone(&self.freeing).lock_owned().await;
            if let Some(room) = self.reserve(bytes) {
                return Some(room);
            }
            let (backend, folder) = (Arc::clone(self), Arc::clone(folder));
            // In a task of its own: what was begun is finished, also if the client goes.
            let freeing = spawn_blocking(move || {
                let _turn = turn;
                backend.free(&folder, bytes.max(backend.max_bytes / FREED_PART))
            });
            if !freeing.await.unwrap_or(false) {
                return self.reserve(bytes);
            }
        }
    }

    fn reserve(&self, bytes: u64) -> Option<Room> {
        let state = self.state.lock();
        let needed = state.contents.memory_bytes() + self.reservations.bytes() + bytes;
        (needed <= self.max_bytes).then(|| self.reservations.reserve(bytes))
    }

    /// Frees memory of contents that were not used for longest. False if none could be freed.
    fn free(&self, folder: &SpillFolder, bytes: u64) -> bool {
        let (victims, freed) = self.state.lock().contents.large.take_victims(bytes);
        let mut has_freed = !freed.is_empty();
        drop(freed);
        for victim in victims {
            // After a failure only the folder itself tries again.
            let file = if folder.has_failed() { None } else { folder.write(&victim.data, victim.hash).ok() };
            has_freed |= file.is_some();
            let unused = self.state.lock().contents.large.finish(victim, file);
            drop(unused);
        }
        has_freed
    }

    /// Reads an object whose content is in a file, which comes back to memory if there is room. `None` if it is lost, or no
    /// longer what the object has.
    pub(crate) async fn fetch(self: &Arc<Self>, spilled: &Spilled) -> Option<Object> {
        let Spilled { number, file, metadata } = spilled;
        let object = |data: Bytes| Object { data, metadata: metadata.clone() };
        let _turn = file.reading.lock().await;
        if let Some(data) = self.state.lock().contents.large.restored(*number, file) {
            return Some(object(data));
        }
        let folder = self.spill.as_ref()?;
        let room = self.make_room(folder, file.length()).await;
        let reading = Arc::clone(file);
        match spawn_blocking(move || reading.read()).await.ok()? {
            Ok(data) => {
                if room.is_some() {
                    self.state.lock().contents.large.restore(*number, file, &data);
                }
                Some(object(data))
            }
            Err(error) => {
                warn!("a spilled content of {} bytes is lost: {error}", file.length());
                self.state.lock().contents.large.lose(*number, file);
                None
            }
        }
    }
}
