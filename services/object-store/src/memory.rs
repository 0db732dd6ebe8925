//! The memory backend: ids and contents behind one lock, which is held for a few lookups at a time.

mod chunked;
mod contents;
mod ids;
mod index;
mod packed;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::id::ObjectId;
use crate::request::{Answer, Asker, Content, Object, Refused, Request, Totals, Wait, Woken};
use crate::waits::Waits;
use contents::Contents;
use ids::{Ids, Key};
pub(crate) use packed::PACKED_MAX;

/// Objects in this process's memory.
pub(crate) struct Memory {
    state: Mutex<State>,
    max_bytes: u64,
}

#[derive(Default)]
struct State {
    ids: Ids,
    contents: Contents,
    /// Of the ids that have some: only those of the library do.
    metadata: HashMap<Key, Box<[u8]>>,
    /// As the original counts: every id with its metadata and its length field, shared or not.
    size: u64,
    waits: Waits<Wait>,
}

/// What is to be done once the lock is released: answers, and the freeing of memory, which takes its time.
#[derive(Default)]
struct After {
    answers: Vec<(Asker, Answer)>,
    freed: Vec<Content>,
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
                let known = state.contents.find(&content);
                let has_room = known.is_some() || state.has_room(&id, &content, self.max_bytes);
                if !has_room || state.ids.is_full() {
                    Answer::Refused(Refused::Full)
                } else {
                    state.store(&id, known, content, &metadata, &mut after);
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
            Request::Duplicate { .. } if state.ids.is_full() => Answer::Refused(Refused::Full),
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
        let key = Key::from(id);
        let data = self.contents.data(self.ids.get(&key)?);
        Some(Object { data, metadata: Bytes::copy_from_slice(self.metadata(&key)) })
    }

    fn metadata(&self, key: &Key) -> &[u8] {
        // Asked first: most stores have none.
        if self.metadata.is_empty() { &[] } else { self.metadata.get(key).map_or(&[], |metadata| metadata) }
    }

    /// Whether a new content may be stored as `id`.
    fn has_room(&self, id: &ObjectId, content: &Content, max_bytes: u64) -> bool {
        let replaced = self.ids.get(&Key::from(id)).filter(|&old| !self.contents.is_shared(old));
        let freed = replaced.map_or(0, |old| self.contents.length(old));
        self.contents.bytes() - freed + content.data.len() as u64 <= max_bytes
    }

    /// Stores a content as `id`, whose number is `known` if it is there already.
    fn store(
        &mut self,
        id: &ObjectId,
        known: Option<u32>,
        content: Content,
        metadata: &[u8],
        after: &mut After,
    ) {
        let number = match known {
            Some(number) => {
                self.contents.gain(number);
                after.freed.push(content);
                number
            }
            None => self.contents.add(content),
        };
        self.put(id, number, metadata, after);
        self.resolve(id, after);
    }

    /// Gives `id` what `original` has; false if there is no original.
    fn link(&mut self, id: &ObjectId, original: &ObjectId, after: &mut After) -> bool {
        let key = Key::from(original);
        let Some(number) = self.ids.get(&key) else { return false };
        let metadata: Box<[u8]> = self.metadata(&key).into();
        self.contents.gain(number);
        self.put(id, number, &metadata, after);
        true
    }

    /// The content has been counted before the old one is let go, so that storing the same again frees nothing.
    fn put(&mut self, id: &ObjectId, number: u32, metadata: &[u8], after: &mut After) {
        self.unlink(id, after);
        let key = Key::from(id);
        self.size += 4 + metadata.len() as u64 + self.contents.length(number);
        self.ids.insert(key, number);
        if !metadata.is_empty() {
            self.metadata.insert(key, metadata.into());
        }
    }

    fn unlink(&mut self, id: &ObjectId, after: &mut After) -> bool {
        let key = Key::from(id);
        let Some(number) = self.ids.remove(&key) else { return false };
        self.size -= 4 + self.metadata(&key).len() as u64 + self.contents.length(number);
        self.metadata.remove(&key);
        after.freed.extend(self.contents.lose(number));
        true
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
            bytes: self.contents.bytes(),
            waiting: self.waits.totals(),
        }
    }
}
