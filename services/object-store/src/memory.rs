//! The memory backend: ids and contents behind one lock, which is held for a few lookups at a time.

mod chunked_vec;
mod content_table;
mod hash_index;
mod id_table;
mod large;
mod packed;
mod spilling;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tracing::warn;

use crate::id::ObjectId;
use crate::object::{Content, Object, ObjectStat};
use crate::refused_ids::RefusedIds;
use crate::reply_to::{ReplyTo, Waiter, Woken};
use crate::request::{ContentLocation, Places, Refused, RemoteObject, Request, Response, Totals};
use crate::response_batch::ResponseBatch;
use crate::room::Reservations;
use crate::spill::{SpillFolder, Spilled};
use crate::wait_queue::{Awaited, WaitQueue};
use content_table::ContentTable;
use id_table::{IdKey, IdTable};
use large::{Freed, Location};
pub(crate) use packed::PACKED_MAX;

/// A store in this process's memory.
pub(crate) struct MemoryBackend {
    state: Mutex<State>,
    max_bytes: u64,
    /// Where contents go that memory has no room for.
    spill: Option<Arc<SpillFolder>>,
    reservations: Reservations,
    /// Held while memory is freed.
    freeing: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    ids: IdTable,
    contents: ContentTable,
    /// Metadata of the ids that have any. Only objects of the library and HTTP do.
    metadata: HashMap<IdKey, Box<[u8]>>,
    /// Bytes as the original counts them: each id with its metadata and a length field, shared content or not.
    size: u64,
    waiting: WaitQueue<Waiter>,
    refused: RefusedIds,
}

/// An object, and where its content is.
#[derive(Clone)]
enum Found {
    Object(Object),
    Remote(RemoteObject),
    Lost,
}

impl Found {
    fn into_response(self) -> Response {
        match self {
            Self::Object(object) => Response::Object(object),
            Self::Remote(remote) => Response::Remote(remote),
            Self::Lost => Response::Refused(Refused::Lost),
        }
    }
}

/// Work to do after the lock is released: sending responses, and freeing memory, which takes time.
#[derive(Default)]
struct Deferred {
    responses: Vec<(ReplyTo, Response)>,
    freed: Vec<Freed>,
    /// Contents that were stored already.
    known: Vec<Content>,
}

impl Deferred {
    fn run(self) -> Woken {
        let (mut woken, mut responses) = (Woken::default(), ResponseBatch::default());
        for (reply_to, response) in self.responses {
            woken.add(&reply_to);
            responses.add(reply_to, response);
        }
        responses.send();
        woken
    }
}

impl MemoryBackend {
    /// At most `max_bytes` of contents are in memory. Without a folder for the others, they are refused.
    pub(crate) fn new(max_bytes: u64, spill: Option<Arc<SpillFolder>>) -> Self {
        Self {
            state: Mutex::default(),
            max_bytes,
            spill,
            reservations: Reservations::default(),
            freeing: Arc::default(),
        }
    }

    /// True if contents are written to files when memory is full.
    pub(crate) fn spills(&self) -> bool {
        self.spill.is_some()
    }

    /// Why a set is refused that memory has no room for.
    fn why_full(&self) -> Refused {
        let has_failed = self.spill.as_ref().is_some_and(|folder| folder.has_failed());
        if has_failed { Refused::SpillFailed } else { Refused::Full }
    }

    /// Executes a request and returns the response. `None` if the request waits: then the response is sent to `reply_to`
    /// later. Requests that waited for the object are answered before this returns.
    pub(crate) fn execute(
        &self,
        request: Request,
        reply_to: impl FnOnce() -> ReplyTo,
    ) -> Option<(Response, Woken)> {
        let mut deferred = Deferred::default();
        let mut state = self.state.lock();
        let response = match request {
            Request::Set { id, content, metadata } => {
                let known = state.contents.find(&content);
                let max_bytes = self.max_bytes.saturating_sub(self.reservations.bytes());
                let has_room =
                    known.is_some() || content.room.is_some() || state.has_room(&id, &content, max_bytes);
                if !has_room || state.ids.is_full() {
                    state.refuse(id, &mut deferred);
                    Response::Refused(self.why_full())
                } else {
                    state.store(&id, known, content, &metadata, &mut deferred);
                    Response::Done
                }
            }
            Request::Get { id, or_wait, .. } => match state.find(&id) {
                Some(Found::Lost) => {
                    state.lose(id, &mut deferred);
                    Response::Refused(Refused::Lost)
                }
                Some(found) => found.into_response(),
                None if or_wait && state.refused.contains(&id) => Response::Refused(Refused::SetRefused),
                None if or_wait => {
                    state.wait(id, reply_to(), Waiter::Get);
                    return None;
                }
                None => Response::Absent,
            },
            Request::Stat { id } => state.stat(&id).map_or(Response::Absent, Response::Stat),
            Request::Delete { id, older_than } => {
                let age = || state.ids.age(&IdKey::from(&id));
                let is_due = older_than.is_none_or(|least| age().is_some_and(|age| age >= least));
                match is_due && state.unlink(&id, &mut deferred) {
                    true => Response::Done,
                    false => Response::Absent,
                }
            }
            Request::Duplicate { id, .. } if state.ids.is_full() => {
                state.refuse(id, &mut deferred);
                Response::Refused(Refused::Full)
            }
            Request::Duplicate { id, original } if state.is_refused(&original, &mut deferred) => {
                state.refuse(id, &mut deferred);
                Response::Refused(Refused::SetRefused)
            }
            Request::Duplicate { id, original } => {
                if !state.duplicate(&id, &original, &mut deferred) {
                    state.wait(original, reply_to(), |reply_to| Waiter::Duplicate { id, reply_to });
                    return None;
                }
                state.wake_waiters(&id, &mut deferred);
                Response::Done
            }
            Request::Totals => Response::Totals(Totals { places: self.places(&state), ..state.totals() }),
            Request::Refuse { id } => {
                state.refuse(id, &mut deferred);
                Response::Absent
            }
            Request::Reject => Response::Absent,
        };
        drop(state);
        Some((response, deferred.run()))
    }

    fn places(&self, state: &State) -> Places {
        let [spilled_contents, spilled_bytes, spill_reads] =
            self.spill.as_ref().map(|folder| folder.totals()).unwrap_or_default();
        let memory_bytes = state.contents.memory_bytes();
        Places { memory_bytes, spilled_contents, spilled_bytes, spill_reads }
    }

    /// Cancels the waiting requests of an owner.
    pub(crate) fn cancel_waiting(&self, owner: u64) {
        let cancelled = self.state.lock().waiting.take_owner(owner);
        drop(cancelled);
    }

    /// Number of waiting requests of an owner.
    pub(crate) fn waiting_count(&self, owner: u64) -> usize {
        self.state.lock().waiting.count_of(owner)
    }

    /// See [`Backend::scan`](crate::backend::Backend::scan).
    pub(crate) fn scan(&self, after: Option<u64>, prefix: &str, max: usize) -> (Vec<ObjectId>, Option<u64>) {
        self.state.lock().ids.page(after, max, |id| id.begins_with(prefix))
    }

    /// See [`WaitQueue::awaited`].
    pub(crate) fn awaited(&self, after: u64, max: usize) -> (Vec<Awaited>, Option<u64>) {
        self.state.lock().waiting.awaited(after, max)
    }

    pub(crate) fn size(&self) -> u64 {
        self.state.lock().size
    }

    /// Removes every object. Waiting requests continue to wait.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock();
        let waiting = std::mem::take(&mut state.waiting);
        let old = std::mem::replace(&mut *state, State { waiting, ..State::default() });
        drop(state);
        drop(old);
    }
}

impl State {
    fn find(&mut self, id: &ObjectId) -> Option<Found> {
        let key = IdKey::from(id);
        let number = self.ids.get(&key)?;
        let location = self.contents.get(number);
        let metadata = Bytes::copy_from_slice(self.metadata(&key));
        Some(match location {
            Location::Memory(data) => Found::Object(Object { data, metadata }),
            Location::File(file) => Found::Remote(RemoteObject {
                length: file.length(),
                location: ContentLocation::Spilled(Spilled { number, file, metadata }),
            }),
            Location::Lost => Found::Lost,
        })
    }

    /// The content of an object is lost: the object goes too, and who asks for it is told.
    fn lose(&mut self, id: ObjectId, deferred: &mut Deferred) {
        warn!(object = %id, "object {id} is lost and was removed: its file cannot be read");
        self.unlink(&id, deferred);
        self.refuse(id, deferred);
    }

    fn stat(&self, id: &ObjectId) -> Option<ObjectStat> {
        let key = IdKey::from(id);
        let length = self.contents.length(self.ids.get(&key)?);
        let metadata = Bytes::copy_from_slice(self.metadata(&key));
        Some(ObjectStat { length, metadata, age: self.ids.age(&key) })
    }

    fn metadata(&self, key: &IdKey) -> &[u8] {
        // Most stores have no metadata at all: the check spares a lookup.
        if self.metadata.is_empty() { &[] } else { self.metadata.get(key).map_or(&[], |metadata| metadata) }
    }

    /// True if a new content may be stored as `id`.
    fn has_room(&self, id: &ObjectId, content: &Content, max_bytes: u64) -> bool {
        let replaced = self.ids.get(&IdKey::from(id)).filter(|&old| !self.contents.is_shared(old));
        let freed = replaced.map_or(0, |old| self.contents.memory_length(old));
        self.contents.memory_bytes() - freed + content.data.len() as u64 <= max_bytes
    }

    /// Stores a content as `id`. `known` is its number if the content is in the table already.
    fn store(
        &mut self,
        id: &ObjectId,
        known: Option<u32>,
        content: Content,
        metadata: &[u8],
        deferred: &mut Deferred,
    ) {
        let number = match known {
            Some(number) => {
                self.contents.incr_ref(number);
                deferred.known.push(content);
                number
            }
            None => self.contents.add(content),
        };
        self.link(id, number, metadata, deferred);
        self.wake_waiters(id, deferred);
    }

    /// Gives `id` the content and metadata of `original`. False if there is no original.
    fn duplicate(&mut self, id: &ObjectId, original: &ObjectId, deferred: &mut Deferred) -> bool {
        let key = IdKey::from(original);
        let Some(number) = self.ids.get(&key) else { return false };
        let metadata: Box<[u8]> = self.metadata(&key).into();
        self.contents.incr_ref(number);
        self.link(id, number, &metadata, deferred);
        true
    }

    /// Gives `id` a content whose references already include this one. The old content is released after that, so storing
    /// the same content again frees nothing.
    fn link(&mut self, id: &ObjectId, number: u32, metadata: &[u8], deferred: &mut Deferred) {
        self.unlink(id, deferred);
        self.refused.remove(id);
        let key = IdKey::from(id);
        self.size += 4 + metadata.len() as u64 + self.contents.length(number);
        self.ids.insert(id, number);
        if !metadata.is_empty() {
            self.metadata.insert(key, metadata.into());
        }
    }

    /// Removes an id. False if there is none.
    fn unlink(&mut self, id: &ObjectId, deferred: &mut Deferred) -> bool {
        let key = IdKey::from(id);
        let Some(number) = self.ids.remove(&key) else { return false };
        self.size -= 4 + self.metadata(&key).len() as u64 + self.contents.length(number);
        self.metadata.remove(&key);
        deferred.freed.extend(self.contents.decr_ref(number));
        true
    }

    /// True if there is no such object, since its set was refused, or its content was lost.
    fn is_refused(&mut self, id: &ObjectId, deferred: &mut Deferred) -> bool {
        if self.ids.get(&IdKey::from(id)).is_some_and(|number| self.contents.large.is_lost(number)) {
            self.lose(id.clone(), deferred);
        }
        self.refused.contains(id) && self.ids.get(&IdKey::from(id)).is_none()
    }

    /// The set of an id was refused. Unless the id exists, whoever waits for it, or for its duplicates, is told so.
    fn refuse(&mut self, id: ObjectId, deferred: &mut Deferred) {
        let mut ids = vec![id];
        while let Some(id) = ids.pop() {
            if self.ids.get(&IdKey::from(&id)).is_some() {
                continue;
            }
            for waiter in self.waiting.take(&id) {
                ids.extend(waiter.duplicate_id().cloned());
                deferred.responses.push((waiter.into_reply_to(), Response::Refused(Refused::SetRefused)));
            }
            self.refused.add(id);
        }
    }

    fn wait(&mut self, id: ObjectId, mut reply_to: ReplyTo, waiter: impl FnOnce(ReplyTo) -> Waiter) {
        reply_to.mark_waiting();
        self.waiting.add(id, reply_to.owner(), waiter(reply_to));
    }

    /// Answers the requests that wait for `id`, and those that wait for the duplicates that this creates, each right after
    /// its original.
    fn wake_waiters(&mut self, id: &ObjectId, deferred: &mut Deferred) {
        let Some(found) = self.waiting.contains(id).then(|| self.find(id)).flatten() else { return };
        let mut waiters = VecDeque::from(self.waiting.take(id));
        while let Some(waiter) = waiters.pop_front() {
            match waiter {
                Waiter::Get(reply_to) => {
                    deferred.responses.push((reply_to, found.clone().into_response()));
                }
                Waiter::Duplicate { id: duplicate, reply_to } => {
                    self.duplicate(&duplicate, id, deferred);
                    deferred.responses.push((reply_to, Response::Done));
                    let next = self.waiting.take(&duplicate);
                    next.into_iter().rev().for_each(|waiter| waiters.push_front(waiter));
                }
            }
        }
    }

    fn totals(&self) -> Totals {
        Totals {
            ids: self.ids.len() as u64,
            contents: self.contents.len() as u64,
            bytes: self.contents.bytes(),
            waiting: self.waiting.totals(),
            places: Places::default(),
        }
    }
}
