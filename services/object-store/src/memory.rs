//! The memory backend: one map of ids, one of contents, behind one lock that is held for a few lookups at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::id::ObjectId;
use crate::request::{Answer, Asker, Content, Hash, Object, Refused, Request, Totals, Wait, Woken};
use crate::waits::Waits;

/// Objects in this process's memory.
pub(crate) struct Memory {
    state: Mutex<State>,
    max_bytes: u64,
}

#[derive(Default)]
struct State {
    ids: HashMap<ObjectId, Link>,
    contents: HashMap<Hash, Shared>,
    bytes: u64,
    /// As the original counts: every id with its metadata and its length field, shared or not.
    size: u64,
    waits: Waits<Wait>,
}

struct Link {
    hash: Hash,
    metadata: Option<Box<[u8]>>,
}

struct Shared {
    data: Bytes,
    ids: usize,
}

/// What is to be done once the lock is released: answers, and the freeing of memory, which takes its time.
#[derive(Default)]
struct After {
    answers: Vec<(Asker, Answer)>,
    freed: Vec<Bytes>,
}

impl After {
    fn run(self) -> Woken {
        let mut woken = Woken::new();
        for (asker, answer) in self.answers {
            if let Some(session) = asker.session()
                && woken.last().is_none_or(|last| last.key != session.key)
            {
                woken.push(Arc::clone(session));
            }
            asker.answer(answer);
        }
        woken
    }
}

impl Memory {
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self { state: Mutex::default(), max_bytes }
    }

    /// Answers at once, unless the request waits: then `asker` is kept and answered later. What waited for the object is
    /// answered before this returns.
    pub(crate) fn execute(&self, request: Request, asker: impl FnOnce() -> Asker) -> Option<(Answer, Woken)> {
        let mut after = After::default();
        let mut state = self.lock();
        let answer = match request {
            Request::Set { id, content, metadata } => {
                if state.bytes_with(&id, &content) > self.max_bytes {
                    Answer::Refused(Refused::Full)
                } else {
                    let metadata = (!metadata.is_empty()).then(|| metadata.as_ref().into());
                    state.store(&id, content, metadata, &mut after);
                    Answer::Done
                }
            }
            Request::Get { id, or_wait, .. } => match state.object(&id) {
                Some(object) => Answer::Object(object),
                None if or_wait => {
                    state.wait(id, asker(), Wait::Get);
                    return None;
                }
                None => Answer::Absent,
            },
            Request::Stat { id } => match state.object(&id) {
                Some(object) => Answer::Stat { length: object.data.len() as u64, metadata: object.metadata },
                None => Answer::Absent,
            },
            Request::Delete { id } => match state.unlink(&id, &mut after) {
                true => Answer::Done,
                false => Answer::Absent,
            },
            Request::Duplicate { id, original } => {
                if !state.link(&id, &original, &mut after) {
                    state.wait(original, asker(), |asker| Wait::Duplicate { id, asker });
                    return None;
                }
                state.resolve(&id, &mut after);
                Answer::Done
            }
            Request::Totals => Answer::Totals(state.totals()),
            Request::Nothing => Answer::Absent,
        };
        drop(state);
        Some((answer, after.run()))
    }

    pub(crate) fn forget(&self, owner: u64) {
        let forgotten = self.lock().waits.forget(owner);
        drop(forgotten);
    }

    pub(crate) fn waits_of(&self, owner: u64) -> usize {
        self.lock().waits.of(owner)
    }

    pub(crate) fn size(&self) -> u64 {
        self.lock().size
    }

    /// Removes every object; requests that wait go on waiting.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        let waits = std::mem::take(&mut state.waits);
        let old = std::mem::replace(&mut *state, State { waits, ..State::default() });
        drop(state);
        drop(old);
    }

    /// The state is whole after every call, even one that panicked: nothing in them panics half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn object(&self, id: &ObjectId) -> Option<Object> {
        let link = self.ids.get(id)?;
        let data = self.contents.get(&link.hash)?.data.clone();
        Some(Object {
            data,
            metadata: link.metadata.as_deref().map(Bytes::copy_from_slice).unwrap_or_default(),
        })
    }

    /// Bytes of all contents if `content` were stored as `id`.
    fn bytes_with(&self, id: &ObjectId, content: &Content) -> u64 {
        if self.contents.contains_key(&content.hash) {
            return self.bytes;
        }
        let replaced = self.ids.get(id).and_then(|link| self.contents.get(&link.hash));
        let freed = replaced.filter(|shared| shared.ids == 1).map_or(0, |shared| shared.data.len());
        self.bytes - freed as u64 + content.data.len() as u64
    }

    fn store(&mut self, id: &ObjectId, content: Content, metadata: Option<Box<[u8]>>, after: &mut After) {
        let Content { data, hash, .. } = content;
        let length = data.len() as u64;
        let shared = self.contents.entry(hash).or_insert_with(|| {
            self.bytes += length;
            Shared { data, ids: 0 }
        });
        shared.ids += 1;
        self.put(id, length, Link { hash, metadata }, after);
        self.resolve(id, after);
    }

    /// Gives `id` what `original` has; false if there is no original.
    fn link(&mut self, id: &ObjectId, original: &ObjectId, after: &mut After) -> bool {
        let Some(link) = self.ids.get(original) else { return false };
        let link = Link { hash: link.hash, metadata: link.metadata.clone() };
        let Some(shared) = self.contents.get_mut(&link.hash) else { return false };
        shared.ids += 1;
        let length = shared.data.len() as u64;
        self.put(id, length, link, after);
        true
    }

    /// The new content has been counted before the old one is let go, so that storing the same again frees nothing.
    fn put(&mut self, id: &ObjectId, length: u64, link: Link, after: &mut After) {
        self.unlink(id, after);
        self.size += size(&link, length);
        self.ids.insert(id.clone(), link);
    }

    fn unlink(&mut self, id: &ObjectId, after: &mut After) -> bool {
        let Some(link) = self.ids.remove(id) else { return false };
        if let Some(shared) = self.contents.get_mut(&link.hash) {
            shared.ids -= 1;
            self.size -= size(&link, shared.data.len() as u64);
            if shared.ids == 0
                && let Some(shared) = self.contents.remove(&link.hash)
            {
                self.bytes -= shared.data.len() as u64;
                after.freed.push(shared.data);
            }
        }
        self.shrink();
        true
    }

    /// Gives the maps' memory back when most of what they held has gone.
    fn shrink(&mut self) {
        if self.ids.capacity() > 4096 && self.ids.len() < self.ids.capacity() / 4 {
            self.ids.shrink_to(self.ids.len() * 2);
        }
        if self.contents.capacity() > 4096 && self.contents.len() < self.contents.capacity() / 4 {
            self.contents.shrink_to(self.contents.len() * 2);
        }
    }

    fn wait(&mut self, id: ObjectId, mut asker: Asker, wait: impl FnOnce(Asker) -> Wait) {
        asker.waits();
        self.waits.add(id, asker.owner(), wait(asker));
    }

    /// Answers what waits for `id`, and for the duplicates that thereby come to be, each right after its original.
    fn resolve(&mut self, id: &ObjectId, after: &mut After) {
        let Some(object) = self.waits.has(id).then(|| self.object(id)).flatten() else { return };
        let mut waiting = VecDeque::from(self.waits.take(id));
        while let Some(wait) = waiting.pop_front() {
            match wait {
                Wait::Get(asker) => after.answers.push((asker, Answer::Object(object.clone()))),
                Wait::Duplicate { id: copy, asker } => {
                    self.link(&copy, id, after);
                    after.answers.push((asker, Answer::Done));
                    self.waits.take(&copy).into_iter().rev().for_each(|wait| waiting.push_front(wait));
                }
            }
        }
    }

    fn totals(&self) -> Totals {
        Totals {
            ids: self.ids.len() as u64,
            contents: self.contents.len() as u64,
            bytes: self.bytes,
            waiting: self.waits.totals(),
        }
    }
}

fn size(link: &Link, length: u64) -> u64 {
    4 + link.metadata.as_ref().map_or(0, |metadata| metadata.len() as u64) + length
}
