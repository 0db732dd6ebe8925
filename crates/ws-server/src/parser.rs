//! Parses the frames of a client (RFC 6455), which may arrive in parts of any size.
//!
//! Text messages are kept until they are taken; of others the payload is discarded.

mod utf8;

use crate::frame;
use utf8::{InvalidUtf8, Utf8Validator};

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A complete text or binary message.
    Message,
    /// Must be answered with a pong that has the same payload.
    Ping(&'a [u8]),
    Pong,
    /// A close frame. 1005 stands for one without a code; it is never sent itself.
    Close(u16),
}

/// Why the client must be closed, and with which code.
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

impl From<InvalidUtf8> for Violation {
    fn from(_: InvalidUtf8) -> Self {
        NOT_UTF8
    }
}

/// A message that is not complete. Control frames may come between its fragments.
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
    utf8: Utf8Validator,
    /// The text of the message that is not complete.
    text: Vec<u8>,
    texts: Vec<String>,
    control: [u8; 125],
    control_length: u8,
}

#[derive(Clone, Copy)]
struct Frame {
    opcode: u8,
    is_final: bool,
    mask: u32,
    remaining: u64,
}

impl Parser {
    pub(crate) fn new(max_message: usize) -> Self {
        Self {
            max_message: max_message as u64,
            header: [0; 14],
            header_length: 0,
            frame: None,
            message: None,
            utf8: Utf8Validator::default(),
            text: Vec::new(),
            texts: Vec::new(),
            control: [0; 125],
            control_length: 0,
        }
    }

    /// Parses received bytes, which it unmasks in place, and reports each event that they complete.
    pub(crate) fn feed(
        &mut self,
        mut input: &mut [u8],
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        loop {
            let Some(current) = &mut self.frame else {
                let Some((&byte, _)) = input.split_first() else { return Ok(()) };
                input = &mut input[1..];
                self.header[usize::from(self.header_length)] = byte;
                self.header_length += 1;
                if usize::from(self.header_length) >= 2 && self.header_length == self.header_size() {
                    self.on_header()?;
                    self.header_length = 0;
                }
                continue;
            };
            let take = current.remaining.min(input.len() as u64) as usize;
            let (payload, rest) = input.split_at_mut(take);
            input = rest;
            current.mask = unmask(payload, current.mask);
            current.remaining -= take as u64;
            let (opcode, is_final, is_complete) = (current.opcode, current.is_final, current.remaining == 0);
            if opcode >= frame::CLOSE {
                let start = usize::from(self.control_length);
                self.control[start..start + take].copy_from_slice(payload);
                self.control_length += take as u8;
            } else if self.message.is_some_and(|message| message.is_text) {
                self.utf8.push(payload)?;
                self.text.extend_from_slice(payload);
            }
            if !is_complete {
                return Ok(());
            }
            self.frame = None;
            self.on_frame(opcode, is_final, &mut on_event)?;
        }
    }

    /// The text messages that are complete.
    pub(crate) fn take_texts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.texts)
    }

    fn header_size(&self) -> u8 {
        2 + 4
            + match self.header[1] & 0x7F {
                126 => 2,
                127 => 8,
                _ => 0,
            }
    }

    /// Validates a complete header, before any of the payload is read.
    fn on_header(&mut self) -> Result<(), Violation> {
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
                (0, None) => return Err(protocol("continuation without a message")),
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
        self.frame = Some(Frame { opcode, is_final, mask, remaining: length });
        Ok(())
    }

    fn on_frame(
        &mut self,
        opcode: u8,
        is_final: bool,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        let control = &self.control[..usize::from(self.control_length)];
        match opcode {
            frame::PING => on_event(Event::Ping(control)),
            frame::PONG => on_event(Event::Pong),
            frame::CLOSE => on_event(Event::Close(parse_close_code(control)?)),
            _ if is_final => {
                self.utf8.finish()?;
                if self.message.take().is_some_and(|message| message.is_text) {
                    // It is valid, as was just found.
                    self.texts.extend(String::from_utf8(std::mem::take(&mut self.text)));
                }
                on_event(Event::Message);
            }
            _ => {}
        }
        Ok(())
    }
}

fn parse_close_code(payload: &[u8]) -> Result<u16, Violation> {
    match payload {
        [] => Ok(1005),
        [_] => Err(protocol("close code is truncated")),
        [high, low, reason @ ..] => {
            std::str::from_utf8(reason).map_err(|_| NOT_UTF8)?;
            match u16::from_be_bytes([*high, *low]) {
                code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(code),
                _ => Err(protocol("close code is not allowed")),
            }
        }
    }
}

/// Removes the mask. Returns it rotated, so that it fits the next part of the payload.
fn unmask(payload: &mut [u8], mask: u32) -> u32 {
    let bytes = mask.to_ne_bytes();
    for (index, byte) in payload.iter_mut().enumerate() {
        *byte ^= bytes[index & 3];
    }
    let rotation = payload.len() & 3;
    u32::from_ne_bytes(std::array::from_fn(|index| bytes[(index + rotation) & 3]))
}

#[cfg(test)]
mod tests;
