//! A client that costs as little as possible: blocking, with answers of a known length.

use std::io::{Read, Write};
use std::net::TcpStream;

use object_store::ObjectId;
use object_store::header::{Ask, HEADER_LEN, Outcome, RequestHeader};
use object_store::ymq::hello;

/// Bytes of a header and the length before it.
pub(crate) const HEAD: usize = 8 + HEADER_LEN;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(port: u16, identity: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&hello(2, identity.as_bytes())).unwrap();
        let mut answer = hello(2, b"ObjectStorageServer");
        stream.read_exact(&mut answer).unwrap();
        Self { stream, input: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads so many answers with payloads of this length; the last payload.
    pub(crate) fn hear(&mut self, answers: usize, outcome: Outcome, payload: usize) -> &[u8] {
        let length = answer_length(payload);
        self.input.resize(answers * length, 0);
        self.stream.read_exact(&mut self.input).unwrap();
        for answer in self.input.chunks(length) {
            assert_eq!(answer[8 + 32], outcome as u8);
        }
        &self.input[self.input.len() - payload..]
    }

    pub(crate) fn set(&mut self, id: u64, payload: &[u8]) {
        self.send(&set(id, payload));
        self.hear(1, Outcome::Set, 0);
    }

    /// How many requests wait at this node.
    pub(crate) fn waiting(&mut self) -> u64 {
        self.send(&request(0, 0, Ask::Totals));
        let totals = self.hear(1, Outcome::Totals, 48);
        u64::from_le_bytes(*totals[24..].first_chunk().unwrap())
    }
}

/// Bytes of an answer with a payload of this length.
pub(crate) fn answer_length(payload: usize) -> usize {
    HEAD + if payload > 0 { 8 + payload } else { 0 }
}

pub(crate) fn get(id: u64) -> Vec<u8> {
    request(id, u64::MAX, Ask::Get)
}

pub(crate) fn delete(id: u64) -> Vec<u8> {
    request(id, 0, Ask::Delete)
}

pub(crate) fn set(id: u64, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u64;
    [&request(id, length, Ask::Set), length.to_le_bytes().as_slice(), payload].concat()
}

/// The header's frame. The number of the request is the id, which its answer repeats.
fn request(id: u64, payload_length: u64, ask: Ask) -> Vec<u8> {
    let number = id;
    let id = ObjectId::new(&[[0xbe; 24].as_slice(), &id.to_be_bytes()].concat()).unwrap();
    let header = RequestHeader { id, payload_length, request: number, ask };
    [(HEADER_LEN as u64).to_le_bytes().as_slice(), &header.encode()].concat()
}
