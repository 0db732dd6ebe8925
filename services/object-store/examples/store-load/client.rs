//! A client that costs as little CPU as possible: blocking, with responses of a known length.

use std::io::{Read, Write};
use std::net::TcpStream;

use object_store::ObjectId;
use object_store::header::{HEADER_LEN, RequestHeader, RequestKind, ResponseKind};
use object_store::ymq::encode_hello;

/// Length of a header frame, in bytes: the header, and the length field before it.
pub(crate) const HEADER_FRAME: usize = 8 + HEADER_LEN;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(port: u16, identity: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&encode_hello(2, identity.as_bytes())).unwrap();
        let mut hello = encode_hello(2, b"ObjectStorageServer");
        stream.read_exact(&mut hello).unwrap();
        Self { stream, input: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads `count` responses with payloads of this length. Returns the last payload.
    pub(crate) fn receive(&mut self, count: usize, kind: ResponseKind, payload: usize) -> &[u8] {
        let length = response_length(payload);
        self.input.resize(count * length, 0);
        self.stream.read_exact(&mut self.input).unwrap();
        for response in self.input.chunks(length) {
            assert_eq!(response[8 + 32], kind as u8);
        }
        &self.input[self.input.len() - payload..]
    }

    pub(crate) fn set(&mut self, id: u64, payload: &[u8]) {
        self.send(&set(id, payload));
        self.receive(1, ResponseKind::Set, 0);
    }

    /// How many requests wait on this node.
    pub(crate) fn waiting(&mut self) -> u64 {
        self.send(&request(0, 0, RequestKind::Totals));
        let totals = self.receive(1, ResponseKind::Totals, 48);
        u64::from_le_bytes(*totals[24..].first_chunk().unwrap())
    }
}

/// Length of a response with a payload of this length.
pub(crate) fn response_length(payload: usize) -> usize {
    HEADER_FRAME + if payload > 0 { 8 + payload } else { 0 }
}

pub(crate) fn get(id: u64) -> Vec<u8> {
    request(id, u64::MAX, RequestKind::Get)
}

pub(crate) fn delete(id: u64) -> Vec<u8> {
    request(id, 0, RequestKind::Delete)
}

pub(crate) fn set(id: u64, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u64;
    [&request(id, length, RequestKind::Set), length.to_le_bytes().as_slice(), payload].concat()
}

/// A header frame. The id of the request is the number of the object; the response repeats it.
fn request(id: u64, payload_length: u64, kind: RequestKind) -> Vec<u8> {
    let request_id = id;
    let id = ObjectId::new(&[[0xbe; 24].as_slice(), &id.to_be_bytes()].concat()).unwrap();
    let header = RequestHeader { id, payload_length, request_id, kind };
    [(HEADER_LEN as u64).to_le_bytes().as_slice(), &header.encode()].concat()
}
