//! Encodes what is sent to clients: WebSocket frames, by tungstenite, and server-sent events.
//!
//! Frames from a server are not masked, so a message is encoded once for all the clients that get it.

use bytes::{BufMut, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

/// Appends a text frame.
pub fn encode_text(out: &mut BytesMut, payload: &str) {
    let (length, header) =
        (payload.len() as u64, FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() });
    out.reserve(header.len(length) + payload.len());
    // Writing to memory cannot fail.
    let _ = header.format(length, &mut out.writer());
    out.put_slice(payload.as_bytes());
}

/// Appends a server-sent event. A client that reconnects sends the last `id` as `Last-Event-ID`.
pub fn encode_event(out: &mut BytesMut, id: Option<&str>, data: &str) {
    if let Some(id) = id {
        out.put_slice(b"id: ");
        out.put_slice(id.as_bytes());
        out.put_u8(b'\n');
    }
    for line in data.split('\n') {
        out.put_slice(b"data: ");
        out.put_slice(line.as_bytes());
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
}

/// A ping without a payload. Every client answers it by itself, and no page sees it.
pub(crate) fn encode_ping() -> Bytes {
    encode(Frame::ping(Bytes::new()))
}

/// A close frame. The reason is truncated to 123 bytes, the most that a control frame can hold.
pub(crate) fn encode_close(code: u16, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(123)];
    encode(Frame::close(Some(CloseFrame { code: code.into(), reason: reason.into() })))
}

fn encode(frame: Frame) -> Bytes {
    let mut out = Vec::with_capacity(frame.len());
    // Writing to memory cannot fail.
    let _ = frame.format(&mut out);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_text_frame_takes_one_three_or_nine_bytes() {
        for (length, header) in [
            (2, vec![0x81, 2]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 0xFF, 0xFF]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = BytesMut::new();
            encode_text(&mut out, &"x".repeat(length));
            assert_eq!(&out[..header.len()], header);
            assert_eq!(out.len(), header.len() + length);
        }
    }

    #[test]
    fn an_event_has_an_id_and_a_data_line_for_each_line() {
        let mut out = BytesMut::new();
        encode_event(&mut out, Some("7-1"), "a\nb");
        encode_event(&mut out, None, "c");
        assert_eq!(&out[..], b"id: 7-1\ndata: a\ndata: b\n\ndata: c\n\n");
    }

    #[test]
    fn a_close_frame_has_its_code_and_its_reason_fits_a_control_frame() {
        assert_eq!(&encode_close(1012, "service restart")[..], b"\x88\x11\x03\xf4service restart");
        assert_eq!(encode_close(1008, &"ä".repeat(100)).len(), 2 + 2 + 122);
    }
}
