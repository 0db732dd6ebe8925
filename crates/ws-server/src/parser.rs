//! Reads the frames of a client (RFC 6455), in whatever pieces they arrive.
//!
//! Nothing that a client says matters beyond being said, so no payload is kept: a message of any size costs no memory.

use crate::frame;

/// What a client's frame asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A whole text or binary message has arrived.
    Message,
    /// Must be answered with a pong of the same payload.
    Ping(&'a [u8]),
    Pong,
    /// The client closes; without a code it is 1005, which is never sent.
    Close(u16),
}

/// Why a client must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

const fn protocol(reason: &'static str) -> Violation {
    Violation { code: 1002, reason }
}
const NOT_UTF8: Violation = Violation { code: 1007, reason: "text is not UTF-8" };
const TOO_BIG: Violation = Violation { code: 1009, reason: "message too big" };

/// A message that is under way: fragments of it may be followed by control frames.
#[derive(Clone, Copy)]
struct Message {
    is_text: bool,
    length: u64,
}

pub(crate) struct Parser {
    max_message: u64,
    header: [u8; 14],
    header_length: u8,
    /// The frame whose header is complete.
    frame: Option<Frame>,
    message: Option<Message>,
    utf8: Utf8,
    control: [u8; 125],
    control_length: u8,
}

#[derive(Clone, Copy)]
struct Frame {
    opcode: u8,
    is_final: bool,
    mask: u32,
    left: u64,
}

impl Parser {
    pub(crate) fn new(max_message: usize) -> Self {
        Self {
            max_message: max_message as u64,
            header: [0; 14],
            header_length: 0,
            frame: None,
            message: None,
            utf8: Utf8::default(),
            control: [0; 125],
            control_length: 0,
        }
    }

    /// Takes the bytes that came, unmasks them in place, and reports what they completed.
    pub(crate) fn feed(
        &mut self,
        mut input: &mut [u8],
        mut on: impl FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        loop {
            let Some(current) = &mut self.frame else {
                let Some((&byte, _)) = input.split_first() else { return Ok(()) };
                input = &mut input[1..];
                self.header[usize::from(self.header_length)] = byte;
                self.header_length += 1;
                if usize::from(self.header_length) >= 2 && self.header_length == self.header_needed() {
                    self.begin()?;
                    self.header_length = 0;
                }
                continue;
            };
            let take = current.left.min(input.len() as u64) as usize;
            let (payload, rest) = input.split_at_mut(take);
            input = rest;
            current.mask = unmask(payload, current.mask);
            current.left -= take as u64;
            let (opcode, is_final, is_complete) = (current.opcode, current.is_final, current.left == 0);
            if opcode >= frame::CLOSE {
                let start = usize::from(self.control_length);
                self.control[start..start + take].copy_from_slice(payload);
                self.control_length += take as u8;
            } else if self.message.is_some_and(|message| message.is_text) {
                self.utf8.push(payload)?;
            }
            if !is_complete {
                return Ok(());
            }
            self.frame = None;
            self.complete(opcode, is_final, &mut on)?;
        }
    }

    fn header_needed(&self) -> u8 {
        2 + 4
            + match self.header[1] & 0x7F {
                126 => 2,
                127 => 8,
                _ => 0,
            }
    }

    /// Judges a header, before any of its payload is taken.
    fn begin(&mut self) -> Result<(), Violation> {
        let header = &self.header[..usize::from(self.header_length)];
        let (is_final, opcode) = (header[0] & 0x80 != 0, header[0] & 0x0F);
        if header[0] & 0x70 != 0 {
            return Err(protocol("reserved bits are set"));
        }
        if header[1] & 0x80 == 0 {
            return Err(protocol("frame is not masked"));
        }
        let (length_bytes, mask) = header[2..].split_at(header.len() - 6);
        let length = match header[1] & 0x7F {
            short @ 0..=125 => u64::from(short),
            _ => length_bytes.iter().fold(0, |length, &byte| length << 8 | u64::from(byte)),
        };
        if opcode >= frame::CLOSE {
            if opcode > frame::PONG {
                return Err(protocol("unknown opcode"));
            }
            if !is_final || length > 125 {
                return Err(protocol("control frame is fragmented or too long"));
            }
            self.control_length = 0;
        } else {
            let message = match (opcode, self.message) {
                (0, Some(message)) => message,
                (0, None) => return Err(protocol("continuation of nothing")),
                (frame::TEXT | frame::BINARY, None) => Message { is_text: opcode == frame::TEXT, length: 0 },
                (frame::TEXT | frame::BINARY, Some(_)) => return Err(protocol("message within a message")),
                _ => return Err(protocol("unknown opcode")),
            };
            let total = message.length.saturating_add(length);
            if total > self.max_message {
                return Err(TOO_BIG);
            }
            self.message = Some(Message { length: total, ..message });
        }
        let mask = u32::from_ne_bytes([mask[0], mask[1], mask[2], mask[3]]);
        self.frame = Some(Frame { opcode, is_final, mask, left: length });
        Ok(())
    }

    fn complete(
        &mut self,
        opcode: u8,
        is_final: bool,
        on: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        let control = &self.control[..usize::from(self.control_length)];
        match opcode {
            frame::PING => on(Event::Ping(control)),
            frame::PONG => on(Event::Pong),
            frame::CLOSE => on(Event::Close(close_code(control)?)),
            _ if is_final => {
                self.utf8.finish()?;
                self.message = None;
                on(Event::Message);
            }
            _ => {}
        }
        Ok(())
    }
}

fn close_code(payload: &[u8]) -> Result<u16, Violation> {
    match payload {
        [] => Ok(1005),
        [_] => Err(protocol("close code is cut short")),
        [high, low, reason @ ..] => {
            std::str::from_utf8(reason).map_err(|_| NOT_UTF8)?;
            match u16::from_be_bytes([*high, *low]) {
                code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(code),
                _ => Err(protocol("close code is not allowed")),
            }
        }
    }
}

/// Removes the mask, and returns it turned to where the next piece begins.
fn unmask(payload: &mut [u8], mask: u32) -> u32 {
    let bytes = mask.to_ne_bytes();
    for (index, byte) in payload.iter_mut().enumerate() {
        *byte ^= bytes[index & 3];
    }
    let turn = payload.len() & 3;
    u32::from_ne_bytes(std::array::from_fn(|index| bytes[(index + turn) & 3]))
}

/// Checks UTF-8 that arrives in pieces; keeps the start of a character that is not complete.
#[derive(Default)]
struct Utf8 {
    partial: [u8; 4],
    length: u8,
}

impl Utf8 {
    fn push(&mut self, mut piece: &[u8]) -> Result<(), Violation> {
        while self.length > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            self.partial[usize::from(self.length)] = byte;
            self.length += 1;
            match std::str::from_utf8(&self.partial[..usize::from(self.length)]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_some() => return Err(NOT_UTF8),
                Err(_) => {}
            }
        }
        if let Err(error) = std::str::from_utf8(piece) {
            if error.error_len().is_some() {
                return Err(NOT_UTF8);
            }
            let partial = &piece[error.valid_up_to()..];
            self.partial[..partial.len()].copy_from_slice(partial);
            self.length = partial.len() as u8;
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), Violation> {
        if self.length == 0 { Ok(()) } else { Err(NOT_UTF8) }
    }
}

#[cfg(test)]
mod tests;
