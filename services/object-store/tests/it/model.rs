//! A model of the store as the contract describes it, and random requests for it.

use std::collections::{BTreeMap, VecDeque};

use object_store::header::{RequestKind, encode_id};

use crate::client::{Client, DELETED, DUPLICATED, GOT, NOT_EXISTS, Response, SET, id};

/// Random numbers that are the same in every run (xorshift).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Set(u64, Vec<u8>),
    Get(u64),
    Delete(u64),
    Duplicate(u64, u64),
}

/// A random content: mostly a small one, sometimes of a size near a limit (inline, one chunk, many chunks).
fn random_content(rng: &mut Rng) -> Vec<u8> {
    let length = match rng.below(40) {
        0 => [8 << 10, 16 << 10, 64 << 10][rng.below(3) as usize] + rng.below(3) - 1,
        1 => (1 << 20) + rng.below(3) - 1,
        2 => 0,
        _ => rng.below(200),
    };
    vec![rng.below(5) as u8; length as usize]
}

pub(crate) fn random_op(rng: &mut Rng, ids: std::ops::Range<u64>) -> Op {
    let mut random_id = || ids.start + rng.below(ids.end - ids.start);
    let (one, two) = (random_id(), random_id());
    match rng.below(10) {
        0..3 => Op::Set(one, random_content(rng)),
        3..6 => Op::Get(one),
        6..8 => Op::Delete(one),
        _ => Op::Duplicate(one, two),
    }
}

/// The store as the contract describes it. Clients are numbered, and each numbers its requests.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) objects: BTreeMap<u64, Vec<u8>>,
    pub(crate) waiting: Vec<(u64, Waiter)>,
}

#[derive(Clone)]
pub(crate) struct Waiter {
    pub(crate) client: usize,
    request_id: u64,
    /// The id that a duplicate creates.
    duplicate: Option<u64>,
}

/// Responses, and the clients that receive them.
pub(crate) type Responses = Vec<(usize, Response)>;

impl Model {
    pub(crate) fn execute(&mut self, client: usize, request_id: u64, op: Op) -> Responses {
        let mut responses = Responses::new();
        let kind = match op {
            Op::Set(id, data) => {
                self.objects.insert(id, data);
                self.wake_waiters(id, &mut responses);
                SET
            }
            Op::Get(id) => {
                match self.objects.get(&id) {
                    Some(data) => {
                        responses.push((client, Response { request_id, kind: GOT, payload: data.clone() }))
                    }
                    None => self.waiting.push((id, Waiter { client, request_id, duplicate: None })),
                }
                return responses;
            }
            Op::Delete(id) => match self.objects.remove(&id) {
                Some(_) => DELETED,
                None => NOT_EXISTS,
            },
            Op::Duplicate(id, original) => {
                let Some(data) = self.objects.get(&original).cloned() else {
                    self.waiting.push((original, Waiter { client, request_id, duplicate: Some(id) }));
                    return responses;
                };
                self.objects.insert(id, data);
                self.wake_waiters(id, &mut responses);
                DUPLICATED
            }
        };
        responses.push((client, Response { request_id, kind, payload: Vec::new() }));
        responses
    }

    /// Answers the requests that wait for an object.
    fn wake_waiters(&mut self, id: u64, responses: &mut Responses) {
        let data = self.objects[&id].clone();
        let mut due = self.take(id);
        while let Some(waiter) = due.pop_front() {
            let (kind, payload) =
                if waiter.duplicate.is_some() { (DUPLICATED, Vec::new()) } else { (GOT, data.clone()) };
            responses.push((waiter.client, Response { request_id: waiter.request_id, kind, payload }));
            if let Some(duplicate) = waiter.duplicate {
                self.objects.insert(duplicate, data.clone());
                let mut next = self.take(duplicate);
                next.append(&mut due);
                due = next;
            }
        }
    }

    fn take(&mut self, id: u64) -> VecDeque<Waiter> {
        let (due, rest) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|(awaited, _)| *awaited == id);
        self.waiting = rest;
        due.into_iter().map(|(_, waiter)| waiter).collect()
    }
}

/// Encodes the request for an operation. Returns its bytes and its id.
pub(crate) fn encode_op(client: &mut Client, op: &Op) -> (Vec<u8>, u64) {
    match op {
        Op::Set(n, data) => client.encode_request(RequestKind::Set, &id(*n), data.len() as u64, Some(data)),
        Op::Get(n) => client.encode_request(RequestKind::Get, &id(*n), u64::MAX, None),
        Op::Delete(n) => client.encode_request(RequestKind::Delete, &id(*n), 0, None),
        Op::Duplicate(n, original) => {
            client.encode_request(RequestKind::Duplicate, &id(*n), 48, Some(&encode_id(&id(*original))))
        }
    }
}
