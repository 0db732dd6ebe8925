//! One case: what the client sends, and what must come of it.

pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xA;
/// The bit of the last fragment.
pub(super) const FIN: u8 = 0x80;

#[derive(Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// The payloads of the pongs that must come, in order.
    pub(super) pongs: Vec<Vec<u8>>,
    pub(super) end: End,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The connection stays open.
    Open,
    /// The server sends a close frame with one of these codes. 1005 stands for none.
    Close(Vec<u16>),
}

impl Case {
    pub(super) fn stays_open(name: impl Into<String>, frames: &[Vec<u8>]) -> Self {
        Self { name: name.into(), bytes: frames.concat(), pongs: Vec::new(), end: End::Open }
    }

    pub(super) fn closes(name: impl Into<String>, codes: &[u16], frames: &[Vec<u8>]) -> Self {
        Self { end: End::Close(codes.to_vec()), ..Self::stays_open(name, frames) }
    }

    pub(super) fn with_pongs(self, payloads: &[&[u8]]) -> Self {
        Self { pongs: payloads.iter().map(|payload| payload.to_vec()).collect(), ..self }
    }
}

/// A whole message or control frame, masked.
pub(super) fn whole(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(FIN | opcode, payload)
}

/// A masked frame with this first byte.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut out = header(first, 0x80, payload.len() as u64);
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// A frame as only a server may send it.
pub(super) fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [header(FIN | opcode, 0, payload.len() as u64), payload.to_vec()].concat()
}

/// The header of a frame, without the mask.
pub(super) fn header(first: u8, mask_bit: u8, length: u64) -> Vec<u8> {
    match length {
        0..=125 => vec![first, mask_bit | length as u8],
        126..=0xFFFF => [&[first, mask_bit | 126][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[first, mask_bit | 127][..], &length.to_be_bytes()].concat(),
    }
}

/// A close frame.
pub(super) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    whole(CLOSE, &[&code.to_be_bytes(), reason].concat())
}
