//! The upper limit: a server with one thread per connection that reads the same frames, keeps the last payload, and responds.
//! It ignores ids.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use object_store::ObjectId;
use object_store::header::{RequestHeader, RequestKind, ResponseKind, encode_response};
use object_store::ymq::encode_hello;

use crate::client::HEADER_FRAME;

pub(crate) fn serve(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        // It ends with an error when the client disconnects.
        std::thread::spawn(move || drop(serve_client(stream)));
    }
}

fn serve_client(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    let mut start = [0; 12];
    reader.read_exact(&mut start)?;
    let mut identity = vec![0; u64::from_le_bytes(*start[4..].first_chunk().unwrap()) as usize];
    reader.read_exact(&mut identity)?;
    writer.write_all(&encode_hello(2, b"ObjectStorageServer"))?;

    let (mut head, mut length, mut object, mut output) = ([0; HEADER_FRAME], [0; 8], Vec::new(), Vec::new());
    loop {
        reader.read_exact(&mut head)?;
        let header = RequestHeader::decode(&head[8..]).unwrap();
        if header.has_payload() {
            reader.read_exact(&mut length)?;
            object.resize(header.payload_length as usize, 0);
            reader.read_exact(&mut object)?;
            push_response(&mut output, &header.id, 0, header.request_id, ResponseKind::Set);
        } else {
            assert_eq!(header.kind, RequestKind::Get);
            push_response(&mut output, &header.id, object.len(), header.request_id, ResponseKind::Got);
            output.extend_from_slice(&(object.len() as u64).to_le_bytes());
            if object.len() > 64 << 10 {
                writer.write_all(&output)?;
                writer.write_all(&object)?;
                output.clear();
            } else {
                output.extend_from_slice(&object);
            }
        }
        if reader.buffer().len() < HEADER_FRAME {
            writer.write_all(&output)?;
            output.clear();
        }
    }
}

/// Appends the header frame of a response.
pub(crate) fn push_response(
    output: &mut Vec<u8>,
    id: &ObjectId,
    length: usize,
    request_id: u64,
    kind: ResponseKind,
) {
    let header = encode_response(id, length as u64, request_id, kind);
    output.extend_from_slice(&(header.len() as u64).to_le_bytes());
    output.extend_from_slice(&header);
}
