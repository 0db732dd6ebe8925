//! Validates UTF-8 that arrives in parts.

/// The bytes are not UTF-8.
#[derive(Debug)]
pub(super) struct InvalidUtf8;

/// Keeps the first bytes of a character that is not complete yet.
#[derive(Default)]
pub(super) struct Utf8Validator {
    partial: [u8; 4],
    length: u8,
}

impl Utf8Validator {
    pub(super) fn push(&mut self, mut part: &[u8]) -> Result<(), InvalidUtf8> {
        while self.length > 0 {
            let Some((&byte, rest)) = part.split_first() else { return Ok(()) };
            part = rest;
            self.partial[usize::from(self.length)] = byte;
            self.length += 1;
            match std::str::from_utf8(&self.partial[..usize::from(self.length)]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                Err(_) => {}
            }
        }
        if let Err(error) = std::str::from_utf8(part) {
            if error.error_len().is_some() {
                return Err(InvalidUtf8);
            }
            let partial = &part[error.valid_up_to()..];
            self.partial[..partial.len()].copy_from_slice(partial);
            self.length = partial.len() as u8;
        }
        Ok(())
    }

    /// Checks that the text does not end within a character.
    pub(super) fn finish(&self) -> Result<(), InvalidUtf8> {
        if self.length == 0 { Ok(()) } else { Err(InvalidUtf8) }
    }
}
