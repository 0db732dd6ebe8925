//! Cuts off lines that are too long for clients.

use std::sync::Arc;

/// What a frame has beside the text at most: its type, the id, and the names of run and channel.
const ENVELOPE_BYTES: usize = 1024;
/// The longest mark.
const MARK_BYTES: usize = 64;

/// The longest frame that a line may make, in bytes. Clients have such limits too, and a client that closes at a line meets
/// the same line again when it resumes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineLimit(usize);

impl LineLimit {
    /// The least limit.
    pub(crate) const MIN: usize = 4096;

    /// `max_bytes`: at least [`MIN`](Self::MIN).
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self(max_bytes)
    }

    /// The text as it is, or its beginning and a mark that says how long it was.
    pub(crate) fn apply(self, text: Arc<str>) -> Arc<str> {
        let room = self.0.saturating_sub(ENVELOPE_BYTES);
        // A character in JSON takes six times as many bytes at most.
        if text.len() <= room / 6 || text.chars().map(json_length).sum::<usize>() <= room {
            return text;
        }
        let mut length = MARK_BYTES;
        let end = text.char_indices().find(|(_, letter)| {
            length += json_length(*letter);
            length > room
        });
        let kept = end.map_or(&*text, |(end, _)| &text[..end]);
        format!("{kept} … [cut off: {} bytes in all]", text.len()).into()
    }
}

/// The bytes of a character in a JSON string.
fn json_length(letter: char) -> usize {
    match letter {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '\0'..'\x20' => 6,
        _ => letter.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::push_string;

    #[test]
    fn a_line_of_any_characters_fits_and_says_how_long_it_was() {
        let limit = LineLimit::new(LineLimit::MIN);
        for text in ["x", "ä", "🦀", "\"", "\u{1}", "x\u{1}€"] {
            let long = text.repeat(5000);
            let cut = limit.apply(long.as_str().into());
            let mut json = String::new();
            push_string(&mut json, &cut);
            assert!(json.len() <= LineLimit::MIN - ENVELOPE_BYTES + 2, "{text}: {}", json.len());
            assert!(json.len() > LineLimit::MIN - ENVELOPE_BYTES - 2 * MARK_BYTES, "{text}: {}", json.len());
            assert!(cut.ends_with(&format!(" … [cut off: {} bytes in all]", long.len())), "{cut}");
        }
    }

    #[test]
    fn a_line_that_fits_is_unchanged() {
        let limit = LineLimit::new(LineLimit::MIN);
        let text: Arc<str> = "x".repeat(LineLimit::MIN - ENVELOPE_BYTES).into();
        assert_eq!(limit.apply(text.clone()), text);
    }
}
