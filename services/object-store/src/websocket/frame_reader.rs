//! What a client sends: frames, in parts of any size.

use std::io::{self, Cursor};

use tokio::io::ReadBuf;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, OpCode};

/// Longest payload of a ping, pong or close.
const CONTROL_MAX: u64 = 125;

/// Where in a frame the next byte belongs.
pub(super) enum FrameReader {
    /// These bytes of the head have come.
    Head(Vec<u8>),
    Data {
        remaining: u64,
        mask: [u8; 4],
    },
    Control {
        kind: Control,
        remaining: u64,
        mask: [u8; 4],
        payload: Vec<u8>,
    },
    /// The client has closed the WebSocket. Nothing follows.
    Closed,
}

/// What the bytes that were taken have brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Some of the stream.
    Data,
    /// A ping, to be answered with the same payload.
    Ping(Vec<u8>),
    Close,
    Nothing,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl FrameReader {
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// Takes some of the received bytes, and puts what of them is data into `into`. Returns how many it took.
    ///
    /// # Errors
    /// When the client does not keep to the protocol. The error is tungstenite's.
    pub(super) fn take(&mut self, received: &[u8], into: &mut ReadBuf<'_>) -> io::Result<(usize, Part)> {
        match self {
            Self::Head(head) => {
                for (taken, byte) in (1..).zip(received) {
                    head.push(*byte);
                    if let Some((header, length)) =
                        FrameHeader::parse(&mut Cursor::new(&*head)).map_err(broken)?
                    {
                        *self = Self::payload(&header, length)?;
                        return Ok((taken, self.finish()));
                    }
                }
                Ok((received.len(), Part::Nothing))
            }
            Self::Data { remaining, mask } => {
                let count = received.len().min(into.remaining()).min(at_most(*remaining));
                let before = into.filled().len();
                into.put_slice(&received[..count]);
                unmask(&mut into.filled_mut()[before..], mask);
                *remaining -= count as u64;
                self.finish();
                Ok((count, Part::Data))
            }
            Self::Control { remaining, mask, payload, .. } => {
                let count = received.len().min(at_most(*remaining));
                let before = payload.len();
                payload.extend_from_slice(&received[..count]);
                unmask(&mut payload[before..], mask);
                *remaining -= count as u64;
                Ok((count, self.finish()))
            }
            Self::Closed => Ok((received.len(), Part::Nothing)),
        }
    }

    /// The state after the head of a frame.
    fn payload(header: &FrameHeader, length: u64) -> io::Result<Self> {
        let fail = |error| Err(broken(Error::Protocol(error)));
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return fail(ProtocolError::NonZeroReservedBits);
        }
        let Some(mask) = header.mask else { return fail(ProtocolError::UnmaskedFrameFromClient) };
        match header.opcode {
            OpCode::Data(_) => Ok(Self::Data { remaining: length, mask }),
            OpCode::Control(_) if !header.is_final => fail(ProtocolError::FragmentedControlFrame),
            OpCode::Control(_) if length > CONTROL_MAX => fail(ProtocolError::ControlFrameTooBig),
            OpCode::Control(kind) => Ok(Self::Control { kind, remaining: length, mask, payload: Vec::new() }),
        }
    }

    /// Begins the next frame, if this one is complete.
    fn finish(&mut self) -> Part {
        match self {
            Self::Data { remaining: 0, .. } => *self = Self::default(),
            Self::Control { kind, remaining: 0, payload, .. } => {
                let (kind, payload) = (*kind, std::mem::take(payload));
                *self = if kind == Control::Close { Self::Closed } else { Self::default() };
                return match kind {
                    Control::Ping => Part::Ping(payload),
                    Control::Close => Part::Close,
                    _ => Part::Nothing,
                };
            }
            _ => {}
        }
        Part::Nothing
    }
}

fn broken(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn at_most(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Unmasks a part of a payload, and turns the mask to the byte that follows.
fn unmask(data: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let twice = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = data.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ twice).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    mask.rotate_left(data.len() % 4);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read from these bytes, if they come `step` at a time.
    fn read(bytes: &[u8], step: usize) -> io::Result<(Vec<u8>, Vec<Part>)> {
        let (mut reader, mut data, mut parts) = (FrameReader::default(), Vec::new(), Vec::new());
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut space = [0; 3];
            let mut into = ReadBuf::new(&mut space);
            let (taken, part) = reader.take(&rest[..rest.len().min(step)], &mut into)?;
            data.extend_from_slice(into.filled());
            parts.extend(matches!(part, Part::Ping(_) | Part::Close).then_some(part));
            rest = &rest[taken..];
        }
        Ok((data, parts))
    }

    fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let masked = payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key);
        [head, 0x80 | payload.len() as u8].into_iter().chain(mask).chain(masked).collect()
    }

    #[test]
    fn data_is_the_same_in_parts_of_any_size_and_whatever_frames_it_came_in() {
        let text = b"a set of some bytes, and a ping between";
        let frames = [
            frame(0x02, &text[..21]),
            frame(0x89, b"are you there"),
            frame(0x80, &text[21..]),
            frame(0x82, b""),
        ];
        let bytes = [frames.concat(), frame(0x88, &[3, 232])].concat();
        for step in 1..bytes.len() {
            let (data, parts) = read(&bytes, step).unwrap();
            assert_eq!(
                (data.as_slice(), parts),
                (text.as_slice(), vec![Part::Ping(b"are you there".to_vec()), Part::Close])
            );
        }
    }

    #[test]
    fn a_frame_that_breaks_the_protocol_is_refused() {
        for bad in [
            vec![0x82, 1, 0],                     // not masked
            frame(0xC2, b"x"),                    // a reserved bit
            frame(0x09, b"x"),                    // a ping in fragments
            vec![0x89, 0xFE, 0, 126, 0, 0, 0, 0], // a ping of 126 bytes
            frame(0x83, b"x"),                    // an unknown kind
        ] {
            assert!(read(&bad, 64).is_err(), "{bad:?}");
        }
    }
}
